import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentHealth } from '../../../src/setup/join/join-machine.ts';
import { waitUntilReady } from '../../../src/setup/join/wait-until-ready.ts';
import { failureOf } from '../../helpers/failure-of.ts';
import { startJoining } from '../../helpers/joining.ts';

const url = 'http://127.0.0.1:7777/health';

/** Waits while the health endpoint says one thing after the other, the last one for ever. */
async function wait(...says: (AgentHealth | null)[]): Promise<string[]> {
  await using joining = await startJoining();
  const said: string[] = [];
  let asked = 0;
  const health = async () => says[Math.min(asked++, says.length - 1)] ?? null;
  const { signal } = new AbortController();
  const options = { timeoutMs: 3_000, signal, say: (text: string) => void said.push(text) };
  await waitUntilReady({ ...joining.machine, health }, 'studio-1', url, options);
  return said;
}

test('the agent is ready when it says that it is connected', async () => {
  assert.deepEqual(
    await wait(null, { nodeId: 'studio-1', connected: false }, { nodeId: 'studio-1', connected: true }),
    [
      'nothing answers at http://127.0.0.1:7777/health yet',
      'it runs, but has no connection to the control plane yet',
    ],
  );
});

test('an agent that does not connect in time is told with its newest log lines', async () => {
  const error = await failureOf(wait({ nodeId: 'studio-1', connected: false }));
  assert.equal(error.code, 'SERVICE_FAILED');
  assert.match(error.message, /not ready after 3 s: it runs, but has no connection/);
  assert.match(
    error.hint ?? '',
    /^its newest log lines:\na line of the log\nfind out more: flatrender doctor; /,
  );
});

test('another agent on the same port is not taken for this one', async () => {
  const error = await failureOf(wait({ nodeId: 'desktop', connected: true }));
  assert.match(error.message, /answers node desktop, another agent \(HEALTH_PORT chooses another port\)/);
});
