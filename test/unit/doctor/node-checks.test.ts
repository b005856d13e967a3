import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { type AgentFacts, agentCheck } from '../../../src/cli/doctor/agent-check.ts';
import { type CheckResult, runChecks } from '../../../src/cli/doctor/checks.ts';
import { clockFinding } from '../../../src/cli/doctor/clock-finding.ts';
import { checkDisks } from '../../../src/cli/doctor/machine-checks.ts';
import { nodeChecks } from '../../../src/cli/doctor/node-checks.ts';
import { loadAgentConfig } from '../../../src/config/agent-config.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';

const signal = new AbortController().signal;

function agentHealth(changes: {
  connected?: boolean;
  draining?: boolean;
  version?: string;
  processing?: number;
}) {
  const { processing = 0, ...agent } = changes;
  return {
    queue: { pending: 0, processing },
    agent: { nodeId: 'desk', version: '1.0.0', connected: true, draining: false, engines: [], ...agent },
  };
}

async function askedAgent(changes: Parameters<typeof agentHealth>[0]): Promise<CheckResult | undefined> {
  const facts: AgentFacts = {
    nodeId: 'desk',
    url: 'http://10.66.0.1:8088',
    version: '1.0.0',
    healthUrl: 'http://127.0.0.1:7777/health',
    health: async () => agentHealth(changes),
    isListening: async () => true,
  };
  const [result] = await runChecks([agentCheck(facts)], { signal, onResult: () => undefined });
  return result;
}

test('an agent that is connected is well; one that is not, or is of another version, says what to do', async () => {
  assert.match((await askedAgent({ processing: 2 }))?.message ?? '', /is connected, renders 2$/);
  const away = await askedAgent({ connected: false });
  assert.deepEqual(
    [away?.status, away?.message],
    ['failed', 'the agent of desk runs, but has no connection to http://10.66.0.1:8088'],
  );
  const old = await askedAgent({ version: '0.9.0' });
  assert.deepEqual([old?.status, old?.fix], ['warning', 'flatrender node restart']);
});

test('a clock that is refused names the command of the system that sets it', async () => {
  const env = { NODE_ID: 'desk', NODE_HMAC_SECRET: 'A'.repeat(43), ORCHESTRATOR_URL: 'http://127.0.0.1:9' };
  const checks = nodeChecks({
    config: loadAgentConfig({ env: { ...env, FLATRENDER_HOME: tmpdir() } }).config,
    envFile: null,
    warnings: () => [],
    api: {
      hello: () =>
        Promise.reject(new FlatrenderError('CLOCK_SKEW', 'the clock of node "desk" is 400 s behind')),
    },
    probe: async () => 404,
    strays: async () => [],
    signal,
  });
  const found = await runChecks(checks, { signal, onResult: () => undefined });
  const skew = found.find(({ name }) => name === 'signature');
  assert.equal(skew?.status, 'failed');
  assert.equal(skew?.fix, clockFinding(400_000).fix);
  const fixes = (['win32', 'darwin', 'linux'] as const).map((each) => clockFinding(-400_000, each).fix ?? '');
  assert.deepEqual(
    fixes.map((fix) => fix.split(' ').slice(0, 2).join(' ')),
    ['w32tm /resync', 'sudo sntp', 'sudo timedatectl'],
  );
  assert.deepEqual([clockFinding(149_000).status, clockFinding(200_000).status], ['ok', 'warning']);
});

test('a disk that the agent does not work on names its setting; places on one disk are one line', async () => {
  const everything = 2 ** 60;
  const full = await checkDisks(tmpdir(), [
    { key: 'TEMP_DIR', path: `${tmpdir()}/not/there yet`, leastBytes: everything },
    { key: 'STATE_DIR', path: tmpdir(), leastBytes: 0 },
  ]);
  assert.equal(full.length, 1);
  assert.equal(full[0]?.status, 'failed');
  assert.match(full[0]?.message ?? '', /, less than MIN_FREE_GB=1152921504\.6/);
  assert.equal(
    full[0]?.fix,
    'make room, or another disk: flatrender node config set TEMP_DIR=PATH --restart',
  );
});
