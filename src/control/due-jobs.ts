/** Delayed jobs come into the queue when their time has come. With several control planes the one that leads does it. */
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Store } from '../store/store.ts';

interface DueJobsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Tasks of these jobs came into the queue. */
  readonly onDue: (jobIds: readonly string[]) => void;
}

// A store that failed is asked again.
const RETRY_MS = 1000;

export class DueJobs {
  readonly #options: DueJobsOptions;
  #cancel: () => void = () => undefined;
  #nextAt = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: DueJobsOptions) {
    this.#options = options;
  }

  /** A delayed task becomes due at this time, epoch ms. */
  at(time: number): void {
    if (time >= this.#nextAt || this.#closed || !this.#leads) return;
    this.#cancel();
    this.#nextAt = time;
    const { clock } = this.#options;
    this.#cancel = clock.after(Math.max(0, time - clock.now()), () => void this.promote());
  }

  /** Queues what is due, and arms the timer for the next. */
  async promote(): Promise<void> {
    this.#cancel();
    this.#nextAt = Number.POSITIVE_INFINITY;
    if (this.#closed || !this.#leads) return;
    const { store, clock, logger, onDue } = this.#options;
    try {
      const { promoted, jobIds, nextAt } = await store.promoteDue(clock.now());
      if (promoted > 0) {
        logger.debug('jobs.due', { tasks: promoted });
        onDue(jobIds);
      }
      if (nextAt !== null) this.at(Math.max(nextAt, clock.now() + 1));
    } catch (error) {
      // A database that is away is told of once, elsewhere.
      const level = store.failure()?.code === 'UNAVAILABLE' ? 'debug' : 'error';
      logger[level]('jobs.due-failed', { error });
      this.at(clock.now() + RETRY_MS);
    }
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  get #leads(): boolean {
    return this.#options.store.shared?.isLeader !== false;
  }
}
