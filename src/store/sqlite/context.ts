import type { GroupWriter } from './group-writer.ts';
import type { Memory } from './memory.ts';
import type { Sql } from './sql.ts';

/** What every part of the SQLite store works with. */
export interface Context {
  readonly sql: Sql;
  readonly memory: Memory;
  readonly writer: GroupWriter;
}

/**
 * How many rows one operation of an unbounded change touches: the rest follows in later turns, so that claims and
 * heartbeats are answered in between.
 */
export const CHUNK = 250;
