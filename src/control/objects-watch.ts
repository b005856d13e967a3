/** Whether the object store answers: looked at now and then, so that health can be told at once. */
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { ObjectStore } from '../objects/object-store.ts';

interface ObjectsWatchOptions {
  readonly objects: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_MS = 15_000;
// One lost answer says little; a store that is away refuses the next one, too.
const FAILURES = 2;
const KEY = 'farm/health';

export class ObjectsWatch {
  readonly #options: ObjectsWatchOptions;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #isLooking = false;
  #failures = 0;
  #problem: string | null = null;

  constructor(options: ObjectsWatchOptions) {
    this.#options = options;
  }

  /** Why objects cannot be reached; null: as far as is known they can. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Called now and then; looks when it is time to, and does not wait for it. */
  tick(): void {
    const now = this.#options.clock.now();
    if (this.#isLooking || now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    this.#isLooking = true;
    this.#options.objects.head(KEY).then(
      () => this.#found(null),
      (error: unknown) => this.#found(error instanceof Error ? error.message : String(error)),
    );
  }

  #found(problem: string | null): void {
    const { logger } = this.#options;
    this.#isLooking = false;
    this.#failures = problem === null ? 0 : this.#failures + 1;
    if (problem === null) {
      if (this.#problem !== null) logger.info('objects.back', {});
      this.#problem = null;
    } else if (this.#failures >= FAILURES) {
      if (this.#problem === null) logger.error('objects.lost', { message: problem });
      this.#problem = problem;
    }
  }
}
