/** Group commit: all writes that arrive in one turn of the event loop share one transaction, and turns share a sync. */
import { FlatrenderError } from '../../lib/errors.ts';
import type { Sql } from './sql.ts';
import { toStoreError } from './store-error.ts';
import type { WalSync } from './wal-sync.ts';

/**
 * A turn stops taking up more work after this long: the event loop has others to serve.
 */
const TURN_MS = 20;

interface Operation {
  run(): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface Options {
  readonly sql: Sql;
  readonly walSync: Pick<WalSync, 'isPending' | 'afterSync'>;
  /** For messages. */
  readonly path: string;
  /** Writes what is kept in memory on top of the operations; the last step before the commit. */
  flush(): void;
  /** Reads what is kept in memory anew, after a rollback. */
  reload(): void;
}

/**
 * Operations are synchronous and run one after another. They check before they write: a FlatrenderError thrown before
 * the first write is simply the answer. Anything else rolls the whole turn back, and its operations run again, each
 * in a transaction of its own: one that fails cannot take others down, and no operation pays for a savepoint.
 *
 * An answer waits for the disk when anything before it does: an operation that only read may have read what is not
 * yet durable. When the disk refuses a sync, nobody knows what of the log is on it: the writer refuses everything from
 * then on, until a restart reads what is really there.
 */
export class GroupWriter {
  readonly #options: Options;
  #queue: Operation[] = [];
  #scheduled = false;
  #closed = false;
  #stale = false;
  #idle: (() => void)[] = [];
  #broken: FlatrenderError | null = null;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Whether something waits to be written or to be durable. */
  get isIdle(): boolean {
    return this.#queue.length === 0 && !this.#options.walSync.isPending;
  }

  /** Why it refuses everything; null while the disk takes what is written. */
  get failure(): FlatrenderError | null {
    return this.#broken;
  }

  /** Runs the operation in the next turn and resolves with its value once that is durable. */
  write<T>(run: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new FlatrenderError('STORE_FAILED', 'the database is closed'));
    if (this.#broken) return Promise.reject(this.#broken);
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ run, resolve: resolve as (value: unknown) => void, reject });
      this.#schedule();
    });
  }

  /** Refuses further operations and resolves when the last one is durable. */
  async close(): Promise<void> {
    this.#closed = true;
    if (!this.isIdle) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    const queue = this.#queue;
    this.#queue = [];
    const done = this.#together(queue);
    // What did not fit goes before what arrives from now on.
    if (done < queue.length) this.#queue = queue.slice(done);
    if (this.#queue.length > 0) this.#schedule();
    else this.#tellIdle();
  }

  /** Runs operations from the front of the queue in one transaction; returns how many it settled. */
  #together(queue: readonly Operation[]): number {
    const { sql } = this.#options;
    const answers: (() => void)[] = [];
    const started = performance.now();
    try {
      this.#begin();
      for (const operation of queue) {
        answers.push(attempt(operation, sql));
        if (performance.now() - started > TURN_MS) break;
      }
      this.#commit();
    } catch {
      const failed = queue.slice(0, Math.max(1, answers.length + 1));
      this.#undo();
      for (const operation of failed) this.#alone(operation);
      return failed.length;
    }
    this.#answerDurably(answers, queue);
    return answers.length;
  }

  /** Answers operations that were committed, as soon as everything they may have seen is on the disk. */
  #answerDurably(answers: readonly (() => void)[], operations: readonly Operation[]): void {
    const { sql, walSync, path } = this.#options;
    if (sql.writes === 0 && !walSync.isPending) {
      for (const answer of answers) answer();
      return;
    }
    walSync.afterSync((error) => {
      if (error === null && this.#broken === null) {
        for (const answer of answers) answer();
      } else {
        this.#broken ??= new FlatrenderError(
          'STORE_FAILED',
          `the disk did not take ${path}: ${error?.message}`,
          {
            cause: error,
            hint: 'check the disk, then restart the control plane',
            retryable: false,
          },
        );
        for (const operation of operations.slice(0, answers.length)) operation.reject(this.#broken);
      }
      this.#tellIdle();
    });
  }

  #tellIdle(): void {
    if (this.isIdle) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #alone(operation: Operation): void {
    try {
      this.#begin();
      const answer = attempt(operation, this.#options.sql);
      this.#commit();
      this.#answerDurably([answer], [operation]);
    } catch (error) {
      this.#undo();
      operation.reject(toStoreError(error, this.#options.path));
    }
  }

  #begin(): void {
    if (this.#stale) {
      this.#options.reload();
      this.#stale = false;
    }
    this.#options.sql.open();
  }

  #commit(): void {
    const { sql, flush } = this.#options;
    if (sql.writes > 0) flush();
    sql.commit();
  }

  #undo(): void {
    this.#stale = true;
    try {
      this.#options.sql.rollback();
      // At once, because counts are asked for without an operation.
      this.#options.reload();
      this.#stale = false;
    } catch {
      // Before the next operation, then: a disk that is gone may be back by that time. It fails with the reason if not.
    }
  }
}

/** Runs one operation; returns how to answer it after the commit. Throws when it failed half-way. */
function attempt(operation: Operation, sql: Sql): () => void {
  const before = sql.writes;
  try {
    const value = operation.run();
    return () => operation.resolve(value);
  } catch (error) {
    if (!(error instanceof FlatrenderError) || sql.writes !== before) throw error;
    return () => operation.reject(error);
  }
}
