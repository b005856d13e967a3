import type { Clock } from '../lib/clock.ts';

/** Unlike the system clock's, these timers keep the process alive: in a command, waiting is often all that happens. */
export const waitingClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
