import type { Clock } from '../../src/lib/clock.ts';

/** A clock that stands still until it is told how far to go. */
export interface ManualClock extends Clock {
  /** Goes on, calling back what becomes due, in order; lets promises settle in between. */
  advance(ms: number): Promise<void>;
  /** Sets it forward or back; what waits goes on waiting as long as before. */
  leap(ms: number): void;
  /** Callbacks that wait. */
  readonly pending: number;
}

export function manualClock(start = Date.parse('2026-01-28T10:30:00Z')): ManualClock {
  let now = start;
  let leapt = 0;
  const timers = new Set<{ at: number; callback: () => void }>();
  return {
    now: () => now,
    after(ms, callback) {
      const timer = { at: now - leapt + ms, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    get pending() {
      return timers.size;
    },
    leap(ms) {
      now += ms;
      leapt += ms;
    },
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        const next = [...timers].filter((timer) => timer.at + leapt <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers.delete(next);
        now = Math.max(now, next.at + leapt);
        next.callback();
      }
      now = end;
    },
  };
}

/** Lets what is due happen, `stepMs` at a time, until it holds; the work itself takes real time. */
export async function advanceUntil(clock: ManualClock, stepMs: number, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !holds(); i += 1) {
    await clock.advance(stepMs);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  if (!holds()) throw new Error(`it does not hold after ${(400 * stepMs) / 1000} s`);
}
