/** Whether the object store answers: looked at now and then, and told by whoever it fails, so that health can be told at once. */
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { isMistake, wasFinal } from '../objects/s3-errors.ts';

interface ObjectsWatchOptions {
  readonly objects: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What the start found; default: all is well. */
  readonly start?: ObjectsStart | undefined;
}

/** How objects were found when the control plane started. */
export interface ObjectsStart {
  /** Why they could not be reached. */
  readonly trouble: FlatrenderError | null;
  /** Throws CONFIG_INVALID when these are not the objects of this farm; answers with what of them is missing. */
  readonly compare: () => Promise<string | null>;
  /** What `compare` answered; null, too, when nobody could ask. */
  readonly lack: string | null;
}

const LOOK_MS = 15_000;
// Submitted files and finished tasks wait for it.
const AWAY_MS = 5000;
const KEY = 'farm/health';

export class ObjectsWatch {
  readonly #options: ObjectsWatchOptions;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #isLooking = false;
  #trouble: unknown;
  #lack: string | null;
  /** Not since the start, when they could not be reached. */
  #isCompared: boolean;

  constructor(options: ObjectsWatchOptions) {
    const { trouble = null, lack = null } = options.start ?? {};
    this.#options = options;
    this.#trouble = trouble;
    this.#lack = null;
    this.#lacks(lack);
    this.#isCompared = trouble === null;
  }

  /** Why objects cannot be reached; null: as far as is known they can. */
  get problem(): string | null {
    return this.#trouble === null ? null : messageOf(this.#trouble);
  }

  /** What is not where it should be, although the object store works. */
  get lack(): string | null {
    return this.#lack;
  }

  /** Called now and then; looks when it is time to, and does not wait for it. */
  tick(): void {
    const now = this.#options.clock.now();
    const every = this.#trouble === null ? LOOK_MS : AWAY_MS;
    if (this.#isLooking || now - this.#lookedAt < every) return;
    this.#lookedAt = now;
    this.#isLooking = true;
    this.#look()
      .catch((error: unknown) => this.#lost(error))
      .finally(() => {
        this.#isLooking = false;
      });
  }

  /** Told of every operation that failed: one that was tried again in vain says more than the last look. */
  failed(error: unknown): void {
    if (error instanceof FlatrenderError && error.code === 'UNAVAILABLE' && !wasFinal(error))
      this.#lost(error);
  }

  async #look(): Promise<void> {
    const { objects, logger, start } = this.#options;
    if (this.#trouble === null && this.#lack === null && this.#isCompared) {
      await objects.head(KEY);
      return;
    }
    // What failed may be writing: a look at one object would not tell.
    await objects.check();
    if (start !== undefined) {
      try {
        this.#lacks(await start.compare());
        this.#isCompared = true;
      } catch (error) {
        // Anything else: the database is away. It is compared at the next look.
        if (error instanceof FlatrenderError && error.code === 'CONFIG_INVALID') throw error;
      }
    }
    if (this.#trouble !== null) logger.info('objects.back', {});
    this.#trouble = null;
  }

  #lacks(lack: string | null): void {
    if (lack !== null && lack !== this.#lack)
      this.#options.logger.warn('objects.bundle-missing', { message: lack });
    this.#lack = lack;
  }

  #lost(error: unknown): void {
    const isNews = this.#trouble === null || (needsPeople(error) && !needsPeople(this.#trouble));
    this.#trouble = error;
    if (isNews) this.#options.logger.error('objects.lost', { message: messageOf(error) });
  }
}

/** It does not pass by itself. */
function needsPeople(error: unknown): boolean {
  return isMistake(error) || (error instanceof FlatrenderError && error.code === 'CONFIG_INVALID');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
