import type { Requirement } from '../../jobs/requirements.ts';
import type { FarmChange } from '../shared.ts';
import type { Classes } from './classes.ts';
import type { StateCounts } from './counts.ts';
import type { Database } from './database.ts';

/** What every part of the PostgreSQL store works with. */
export interface Context {
  readonly db: Database;
  readonly classes: Classes;
  readonly counts: StateCounts;
  /** Tells the other control planes of changes that are committed. Returns at once. */
  readonly announce: (changes: readonly FarmChange[]) => void;
}

/** How many rows one transaction of an unbounded change touches, so that others get their turn. */
export const CHUNK = 250;

/** A requirement with its number. */
export interface RequirementClass {
  readonly id: number;
  readonly requirement: Requirement;
}
