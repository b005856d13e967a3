import { FlatrenderError } from '../../lib/errors.ts';

/** What became of one operation of a batch: its result, or why it was refused. */
export type Outcome<R> = { readonly result: R } | { readonly refused: unknown };

interface Waiting<T, R> {
  readonly input: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/** A transaction much longer than this makes others wait for its locks. */
const LARGEST = 100;

/**
 * Operations that arrive while a transaction of their kind is under way go together into the next one: the more there is
 * to do, the less each costs.
 */
export class Lane<T, R> {
  readonly #run: (inputs: readonly T[]) => Promise<readonly Outcome<R>[]>;
  #waiting: Waiting<T, R>[] = [];
  #isRunning = false;

  /** `run` carries out all inputs in one transaction and answers each in its place. */
  constructor(run: (inputs: readonly T[]) => Promise<readonly Outcome<R>[]>) {
    this.#run = run;
  }

  do(input: T): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, resolve, reject });
      if (!this.#isRunning) {
        this.#isRunning = true;
        // What comes in the same turn is in the first batch already.
        setImmediate(() => void this.#drain());
      }
    });
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, LARGEST);
      this.#waiting = this.#waiting.slice(LARGEST);
      await this.#batch(batch);
    }
    this.#isRunning = false;
  }

  async #batch(batch: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const outcomes = await this.#run(batch.map(({ input }) => input));
      for (const [i, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[i];
        if (outcome === undefined) reject(new Error('an operation was not answered'));
        else if ('refused' in outcome) reject(outcome.refused);
        else resolve(outcome.result);
      }
    } catch (error) {
      // One that the database cannot take must not fail the others with it.
      const isOwn = error instanceof FlatrenderError && error.code !== 'UNAVAILABLE';
      if (batch.length > 1 && isOwn) for (const one of batch) await this.#batch([one]);
      else for (const { reject } of batch) reject(error);
    }
  }
}
