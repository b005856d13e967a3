/**
 * A farm's database as rows that do not depend on which database it is: what backups hold, and what moving a farm from one
 * database to another reads and writes. Rows have the columns of the PostgreSQL schema; json columns are values.
 */
import { createHash } from 'node:crypto';
import { FlatrenderError } from '../lib/errors.ts';
import type { Replica } from './shared.ts';

export type DumpValue =
  | string
  | number
  | boolean
  | null
  | readonly DumpValue[]
  | { readonly [key: string]: DumpValue };
export type DumpData = Readonly<Record<string, DumpValue>>;

/** In this order they can be written: what is referred to comes first. */
export const DUMP_TABLES = [
  'classes',
  'jobs',
  'tasks',
  'attempts',
  'logs',
  'job_assets',
  'idempotency',
  'nodes',
  'invitations',
  'templates',
  'tokens',
  'deliveries',
  'audit',
  'settings',
] as const;
export type DumpTable = (typeof DUMP_TABLES)[number];

export interface DumpRow {
  readonly table: DumpTable;
  readonly data: DumpData;
}

/**
 * What the control planes on one database agreed upon (`SharedStore.agree`) belongs to that database and not to the farm: they
 * do so anew wherever the farm is. Backups of older versions have it.
 */
export const AGREED = 'agreed:';

/** Whether the row is part of the farm; see {@link AGREED}. */
export function isOfFarm({ table, data }: DumpRow): boolean {
  return table !== 'settings' || !String(data.key).startsWith(AGREED);
}

/** ALREADY_RUNNING when control planes have the database open: what they acknowledge meanwhile would not be in the copy. */
export function refuseRunning(replicas: readonly Replica[], place: string): void {
  if (replicas.length === 0) return;
  const hosts = [...new Set(replicas.map(({ hostname }) => hostname))];
  throw new FlatrenderError(
    'ALREADY_RUNNING',
    `the database ${place} is in use by the control plane${replicas.length === 1 ? '' : 's'} on ${hosts.join(', ')}`,
    {
      hint: 'run "flatrender control stop" on each of these machines; one that was killed counts as gone after five seconds',
      details: { hosts },
    },
  );
}

/** A store that can be copied. */
export interface DumpSource {
  /** Every row as of one moment, table by table in their order; others go on working meanwhile. */
  dump(signal: AbortSignal): AsyncIterable<DumpRow>;
}

/** How many rows each table has, and a checksum of them that does not depend on their order. */
export type DumpSums = Readonly<Record<string, { readonly rows: number; readonly sha256: string }>>;

const WORDS = 8;

/** Sums up rows as they go by: two databases with the same sums hold the same. */
export class DumpSummer {
  readonly #rows = new Map<string, number>();
  readonly #sums = new Map<string, Uint32Array>();

  add({ table, data }: DumpRow): void {
    const digest = createHash('sha256').update(canonical(data)).digest();
    const sum = this.#sums.get(table) ?? new Uint32Array(WORDS);
    // Added word by word: the same whatever the order, and two equal rows do not cancel each other out.
    for (let i = 0; i < WORDS; i += 1) sum[i] = (sum[i] ?? 0) + digest.readUInt32LE(i * 4);
    this.#sums.set(table, sum);
    this.#rows.set(table, (this.#rows.get(table) ?? 0) + 1);
  }

  get sums(): DumpSums {
    return Object.fromEntries(
      DUMP_TABLES.map((table) => {
        const words = this.#sums.get(table) ?? new Uint32Array(WORDS);
        const sha256 = [...words].map((word) => word.toString(16).padStart(8, '0')).join('');
        return [table, { rows: this.#rows.get(table) ?? 0, sha256 }];
      }),
    );
  }
}

/** Tables whose sums differ, as people read it; empty: both hold the same. */
export function sumsThatDiffer(a: DumpSums, b: DumpSums): string[] {
  return DUMP_TABLES.filter(
    (table) => a[table]?.rows !== b[table]?.rows || a[table]?.sha256 !== b[table]?.sha256,
  ).map((table) => `${table}: ${a[table]?.rows ?? 0} and ${b[table]?.rows ?? 0} rows`);
}

/** JSON with the keys in one order, at every depth. */
function canonical(value: DumpValue): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value as DumpData).sort(([x], [y]) => (x < y ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`;
}
