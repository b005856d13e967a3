/** Uploaded files that were asked for lately: the clean-up leaves them alone until the job that needs them is stored. */
import type { Clock } from '../lib/clock.ts';

// A client that was told "already there" submits its job within this time.
const KEEP_MS = 3600_000;
const SWEEP_AT = 10_000;

/** Remembers digests for an hour. */
export class RecentObjects {
  readonly #clock: Clock;
  readonly #until = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(sha256: string): void {
    const now = this.#clock.now();
    this.#until.set(sha256, now + KEEP_MS);
    if (this.#until.size < SWEEP_AT) return;
    for (const [old, until] of this.#until) if (until < now) this.#until.delete(old);
  }

  has(sha256: string): boolean {
    return (this.#until.get(sha256) ?? 0) > this.#clock.now();
  }
}
