import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { toStoreError } from './store-error.ts';

export type Row = Record<string, SQLOutputValue>;

/**
 * Prepared statements by their text, and the open transaction. A transaction starts with the first write, so that a
 * round of claims that find nothing costs none.
 */
export class Sql {
  readonly db: DatabaseSync;
  /** Writes since the last commit or rollback. */
  writes = 0;
  readonly #statements = new Map<string, StatementSync>();
  #writable = false;

  readonly #path: string;

  /** `path`: for messages. */
  constructor(db: DatabaseSync, path: string) {
    this.db = db;
    this.#path = path;
  }

  /** The first row or null; STORE_FAILED. */
  get(text: string, ...values: SQLInputValue[]): Row | null {
    try {
      return this.#prepare(text).get(...values) ?? null;
    } catch (error) {
      throw toStoreError(error, this.#path);
    }
  }

  /** All rows; STORE_FAILED. */
  all(text: string, ...values: SQLInputValue[]): Row[] {
    try {
      return this.#prepare(text).all(...values);
    } catch (error) {
      throw toStoreError(error, this.#path);
    }
  }

  /**
   * Writes; only between `open` and `commit`. Returns the number of rows changed. Throws SQLite's own errors: the writer
   * has to undo before it answers.
   */
  run(text: string, ...values: SQLInputValue[]): number {
    if (!this.#writable) throw new Error(`write outside of a transaction: ${text}`);
    if (!this.db.isTransaction) this.db.exec('begin immediate');
    this.writes += 1;
    return Number(this.#prepare(text).run(...values).changes);
  }

  /** Allows writes until `commit` or `rollback`. */
  open(): void {
    this.writes = 0;
    this.#writable = true;
  }

  /** Makes what was written durable. */
  commit(): void {
    if (this.db.isTransaction) this.db.exec('commit');
    this.#writable = false;
  }

  /** Undoes what was written; harmless when SQLite did so itself. */
  rollback(): void {
    this.#writable = false;
    if (this.db.isTransaction) this.db.exec('rollback');
  }

  #prepare(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.db.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }
}
