/** Group commit: all writes that arrive in one turn of the event loop share one transaction and one fsync. */
import { FlatrenderError } from '../../lib/errors.ts';
import type { Sql } from './sql.ts';
import { toStoreError } from './store-error.ts';

/**
 * A turn stops taking up more work after this long: the event loop has others to serve, and an fsync more per 20 ms
 * costs nothing.
 */
const TURN_MS = 20;

interface Operation {
  run(): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface Options {
  readonly sql: Sql;
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
 */
export class GroupWriter {
  readonly #options: Options;
  #queue: Operation[] = [];
  #scheduled = false;
  #closed = false;
  #stale = false;
  #idle: (() => void)[] = [];

  constructor(options: Options) {
    this.#options = options;
  }

  /** Whether something waits to be written. */
  get isIdle(): boolean {
    return this.#queue.length === 0;
  }

  /** Runs the operation in the next turn and resolves with its value once that is durable. */
  write<T>(run: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new FlatrenderError('STORE_FAILED', 'the database is closed'));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ run, resolve: resolve as (value: unknown) => void, reject });
      this.#schedule();
    });
  }

  /** Refuses further operations and resolves when the last one is durable. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#queue.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
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
    else for (const resolve of this.#idle.splice(0)) resolve();
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
    for (const answer of answers) answer();
    return answers.length;
  }

  #alone(operation: Operation): void {
    try {
      this.#begin();
      const answer = attempt(operation, this.#options.sql);
      this.#commit();
      answer();
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
    // Read anew even when the rollback itself fails, and not before the next operation: a disk that is full or gone
    // may be back by then.
    this.#stale = true;
    try {
      this.#options.sql.rollback();
    } catch {
      // The next BEGIN or read fails with the reason.
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
