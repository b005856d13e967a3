/** Waiting for the agent that was just started to be connected. */
import { sleep } from '../../lib/clock.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { JoinMachine } from './join-machine.ts';

const POLL_MS = 300;

/** Until the agent of `node` says that it is connected; SERVICE_FAILED with its newest log lines when time is up. */
export async function waitUntilReady(
  machine: JoinMachine,
  node: string,
  healthUrl: string,
  options: {
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
    readonly say: (detail: string) => void;
  },
): Promise<void> {
  const { clock } = machine;
  const { timeoutMs, signal, say } = options;
  const deadline = clock.now() + timeoutMs;
  for (;;) {
    const health = await machine.health(healthUrl, signal);
    signal.throwIfAborted();
    const isOurs = health?.nodeId === node;
    if (isOurs && health.connected) return;
    const state = stateText(healthUrl, health?.nodeId ?? null, isOurs);
    say(state);
    if (clock.now() >= deadline) {
      const log = (await machine.log(signal).catch(() => '')).trim();
      throw new FlatrenderError(
        'SERVICE_FAILED',
        `the agent is not ready after ${timeoutMs / 1000} s: ${state}`,
        {
          hint: `${log === '' ? '' : `its newest log lines:\n${log}\n`}find out more: flatrender doctor; the same command goes on from here`,
        },
      );
    }
    await sleep(POLL_MS, clock, signal);
  }
}

function stateText(url: string, answering: string | null, isOurs: boolean): string {
  if (isOurs) return 'it runs, but has no connection to the control plane yet';
  if (answering === null) return `nothing answers at ${url} yet`;
  return `at ${url} answers node ${answering}, another agent (HEALTH_PORT chooses another port)`;
}
