/** How an agent ends when somebody wants it to. */
import { onShutdownSignals } from '../lib/abort.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { RunningAgent } from './agent.ts';

// An agent that waits for its network or the control plane works as it should: nobody must take it for stuck.
const READY_WITHIN_MS = 8_000;

interface SignalOptions {
  /** What runs is handed back so long after the first signal; undefined: only at the second one. */
  readonly graceSeconds: number | undefined;
  readonly clock: Clock;
  /** With what to say. */
  readonly onFinish: (text: string) => void;
  readonly onAbort: (text: string) => void;
}

/** Ends the agent at signals: the first lets it finish, the second makes it hand back, the third ends the process. */
export function endOnSignals(agent: RunningAgent, options: SignalOptions): Disposable {
  const { graceSeconds, clock, onFinish, onAbort } = options;
  return onShutdownSignals({
    finish: () => {
      if (graceSeconds === undefined) {
        onFinish('finishing what runs; Ctrl-C again aborts it and hands it back');
        agent.shutdown();
      } else {
        onFinish(`finishing what runs; what needs more than ${graceSeconds} s is handed back`);
        stopWithin(agent, graceSeconds * 1000, clock);
      }
    },
    abort: () => {
      onAbort('aborting; a third Ctrl-C ends the program at once');
      agent.shutdown();
    },
  });
}

/** What a service manager is told at its start: resolves when the agent is registered, or waits for the control plane. */
export async function soonReady(agent: RunningAgent, clock: Clock): Promise<string> {
  const registered = agent.ready.then(({ nodeId, url }) => `node ${nodeId} works for ${url}`);
  const over = new AbortController();
  const later = sleep(READY_WITHIN_MS, clock, over.signal).then(() => 'waits for the control plane');
  later.catch(() => undefined);
  try {
    return await Promise.race([registered, later]);
  } finally {
    over.abort();
  }
}

/**
 * Stops an agent for whoever does not wait long (a service manager): it claims no more, has `graceMs` to finish what it
 * renders, and then hands it back, so that other nodes go on at once. It ends at most 10 s after that. 0: at once.
 */
export function stopWithin(agent: RunningAgent, graceMs: number, clock: Clock): void {
  agent.shutdown();
  if (graceMs > 0) {
    const cancel = clock.after(graceMs, () => agent.shutdown());
    agent.done.then(cancel, cancel);
  } else {
    agent.shutdown();
  }
}
