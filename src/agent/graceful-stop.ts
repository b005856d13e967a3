import type { Clock } from '../lib/clock.ts';
import type { RunningAgent } from './agent.ts';

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
