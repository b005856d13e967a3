import type { Clock } from '../lib/clock.ts';

/** Lets `burst` through at once, and then so many per second. */
export class Bucket {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #clock: Clock;
  #left: number;
  #at: number;

  constructor(options: { readonly burst: number; readonly perSecond: number; readonly clock: Clock }) {
    this.#burst = options.burst;
    this.#perSecond = options.perSecond;
    this.#clock = options.clock;
    this.#left = options.burst;
    this.#at = options.clock.now();
  }

  /** Whether one more may pass. */
  take(): boolean {
    const now = this.#clock.now();
    const passed = Math.max(0, now - this.#at) / 1000;
    this.#at = now;
    this.#left = Math.min(this.#burst, this.#left + passed * this.#perSecond);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
