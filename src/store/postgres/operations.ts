import { FlatrenderError } from '../../lib/errors.ts';

type Method = (...args: never[]) => Promise<unknown>;

/** What is under way in a store: closing lets it end, and refuses what comes later. */
export class Operations {
  readonly #running = new Set<Promise<unknown>>();
  #isClosed = false;

  /** The same methods, refused with STORE_FAILED once it is closed. */
  guard<T extends object>(methods: T): T {
    const guarded = Object.entries(methods as Record<string, Method>).map(([name, method]) => [
      name,
      (...args: never[]) => this.#run(() => method(...args)),
    ]);
    return Object.fromEntries(guarded) as T;
  }

  /** Resolves when everything that was begun has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#running);
  }

  #run(work: () => Promise<unknown>): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(new FlatrenderError('STORE_FAILED', 'the database is closed'));
    const running = work();
    this.#running.add(running);
    const done = (): void => void this.#running.delete(running);
    running.then(done, done);
    return running;
  }
}
