/** Copies a PostgreSQL store: all rows out as of one moment, and rows into an empty one. */
import type { Client } from 'pg';
import { FlatrenderError } from '../../lib/errors.ts';
import { AGREED, DUMP_TABLES, type DumpData, type DumpRow, type DumpTable, refuseRunning } from '../dump.ts';
import { portableJson } from '../portable-text.ts';
import type { Database, Queries, Row } from './database.ts';
import { readReplicas } from './replica-table.ts';

const ROWS = 1000;

/** The columns of each table that are copied, and their types. Not among them: what belongs to this database alone. */
const COLUMNS: Readonly<Record<DumpTable, string>> = {
  classes: 'id bigint, key text, requirement json',
  jobs: `num bigint, id text, batch_id text, name text, template text, version text, bundle_sha256 text, bundle_bytes bigint,
    priority smallint, inputs json, run_at bigint, node text, webhook text, created_at bigint, created_by text, tasks int,
    state text, started_at bigint, ended_at bigint, error json`,
  tasks: `job_num bigint, idx int, class_id bigint, priority smallint, state text, ready_at bigint, epoch int, failures int,
    losses int, node_id text, claim_id text, lease_until bigint, phase text, frame int, frames int, fps double precision,
    started_at bigint, ended_at bigint, output json, result json, error json`,
  attempts: `job_num bigint, idx int, epoch int, node_id text, started_at bigint, ended_at bigint, outcome text, error json,
    log_bytes bigint`,
  logs: 'job_num bigint, n bigint, idx int, epoch int, at bigint, stream text, line text',
  job_assets: 'sha256 text, job_num bigint',
  idempotency: 'key text, body_sha256 text, used_at bigint, job_nums bigint[]',
  nodes: `id text, name text, generation int, retired_generation int, intent text, quarantined_at bigint,
    quarantine_reason text, blocked_templates json, streaks json, roles json, hostname text, host_ip text,
    agent_version text, capabilities json, last_seen_at bigint, created_at bigint, removed_at bigint`,
  invitations: `node_id text, number int, created_at bigint, expires_at bigint, temporary_key text, used_at bigint,
    used_by text, public_key text, applied boolean, generation int`,
  templates: 'name text, version text, sha256 text, size_bytes bigint, manifest json, pushed_at bigint',
  tokens:
    'id text, name text, role text, hash text, created_at bigint, expires_at bigint, last_used_at bigint',
  deliveries: `id text, type text, job_id text, url text, host text, body text, created_at bigint, due_at bigint,
    state text, attempts int, last_attempt_at bigint, last_status int, last_error text, ended_at bigint`,
  audit:
    'seq bigint, at bigint, actor text, action text, subject text, outcome text, "from" text, details json',
  settings: 'key text, value text',
};

/** Where a table's rows are somewhere else, or not all of them are worth a copy. */
const FROM: Readonly<Partial<Record<DumpTable, string>>> = {
  classes: 'classes t where exists (select 1 from tasks where tasks.class_id = t.id)',
  nodes: '(select n.*, b.at as last_seen_at from nodes n left join node_beats b on b.node_id = n.id) t',
  idempotency: `(select i.key, i.body_sha256, i.used_at,
    array(select num from jobs where num = any (i.job_nums) order by num) as job_nums from idempotency i) t`,
  settings: `settings t where not starts_with(t.key, '${AGREED}')`,
};

/** Sequences that go on behind the highest number copied. */
const SEQUENCES = [
  ['classes', 'id'],
  ['jobs', 'num'],
  ['audit', 'seq'],
] as const;

function fromOf(table: DumpTable): string {
  return FROM[table] ?? `${table} t`;
}

function namesOf(table: DumpTable): string[] {
  return COLUMNS[table].split(',').map((column) => column.trim().split(' ')[0] ?? '');
}

/** Every row, in one read-only transaction: as of the moment it began. */
export async function* dumpPostgres(db: Database, signal: AbortSignal): AsyncGenerator<DumpRow> {
  const client = await db.servers.connect({ unlimited: true });
  try {
    await client.query(PATIENT);
    await client.query('begin isolation level repeatable read read only');
    yield* readTables(client, signal);
  } finally {
    await client.end();
  }
}

/** Who reads a backup, or the database that a farm comes from, may need longer for the next rows than a control plane ever does. */
const PATIENT = 'set idle_in_transaction_session_timeout = 0';

/** Every row, inside a transaction. */
async function* readTables(client: Client, signal: AbortSignal): AsyncGenerator<DumpRow> {
  for (const table of DUMP_TABLES) {
    const list = namesOf(table);
    await client.query(
      `declare dump_${table} no scroll cursor for select ${list.map((name) => `t.${name}`).join(', ')} from ${fromOf(table)}`,
    );
    for (;;) {
      signal.throwIfAborted();
      const { rows } = await client.query(`fetch ${ROWS} from dump_${table}`);
      for (const row of rows) {
        if (table === 'idempotency') row.job_nums = (row.job_nums as unknown[]).map(Number);
        yield { table, data: row as DumpData };
      }
      if (rows.length < ROWS) break;
    }
    await client.query(`close dump_${table}`);
  }
}

export interface LoadOptions {
  readonly signal: AbortSignal;
  /** Reads what arrived before it is kept; when it throws, nothing is. */
  readonly verify: (written: AsyncIterable<DumpRow>) => Promise<void>;
}

/**
 * Writes rows into an empty database, all or none. CONFIG_INVALID when there is a farm in it already, ALREADY_RUNNING when a
 * control plane has it open.
 */
export async function loadPostgres(
  db: Database,
  rows: AsyncIterable<DumpRow>,
  { signal, verify }: LoadOptions,
): Promise<void> {
  // A connection of its own: rows are read once, so the transaction cannot be tried again.
  const client = await db.servers.connect({ unlimited: true });
  const queries: Queries = {
    rows: async (text, values = []) => (await client.query(text, [...values])).rows as Row[],
  };
  const source = rows[Symbol.asyncIterator]();
  try {
    await client.query(PATIENT);
    await refuseUsed(db, queries);
    await refuseOpen(db, client);
    // Before the transaction: SQLite copies its whole file for the first row.
    let next = await source.next();
    await queries.rows('begin');
    // Of control planes that were started here while there was no farm.
    await queries.rows('delete from settings where starts_with(key, $1)', [AGREED]);
    await refuseUsed(db, queries);
    let table: DumpTable | null = null;
    let batch: DumpData[] = [];
    const flush = async (): Promise<void> => {
      if (table !== null && batch.length > 0) await insert(queries, table, batch);
      batch = [];
    };
    for (; !next.done; next = await source.next()) {
      signal.throwIfAborted();
      const row = next.value;
      if (row.table !== table || batch.length >= ROWS) await flush();
      table = row.table;
      batch.push(row.data);
    }
    await flush();
    for (const [name, column] of SEQUENCES) {
      await queries.rows(
        `select setval(pg_get_serial_sequence('${name}', '${column}'), (select coalesce(max(${column}), 0) + 1 from ${name}), false)`,
      );
    }
    await verify(readTables(client, signal));
    // It would have started with an empty farm.
    await refuseOpen(db, client);
    await queries.rows('commit');
  } finally {
    // Without a commit nothing of it stays.
    await Promise.allSettled([source.return?.(), client.end()]);
  }
}

/** Anything that a copy has: two farms do not become one. */
async function refuseUsed(db: Database, queries: Queries): Promise<void> {
  const any = DUMP_TABLES.map(
    (table) => `exists (select 1 from ${table === 'settings' ? fromOf(table) : table})`,
  );
  const [row] = await queries.rows(`select ${any.join(' or ')} as is_used`);
  if (row?.is_used !== true) return;
  throw new FlatrenderError('CONFIG_INVALID', `there is a farm in the database ${db.place} already`, {
    hint: 'use an empty database; to begin anew: drop it and create it again',
  });
}

async function refuseOpen(db: Database, client: Client): Promise<void> {
  const replicas = await readReplicas(client);
  refuseRunning(
    replicas.filter(({ isAlive }) => isAlive),
    db.place,
  );
}

async function insert(queries: Queries, table: DumpTable, batch: readonly DumpData[]): Promise<void> {
  const names = namesOf(table).filter((name) => !(table === 'nodes' && name === 'last_seen_at'));
  const list = names.join(', ');
  // An identity column takes the number it had.
  const overriding = table === 'classes' || table === 'audit' ? 'overriding system value' : '';
  await queries.rows(
    `insert into ${table} (${list}) ${overriding} select ${list} from json_to_recordset($1::json) as w (${COLUMNS[table]})`,
    [portableJson(batch)],
  );
  if (table === 'nodes') {
    await queries.rows(
      `insert into node_beats (node_id, at)
       select id, last_seen_at from json_to_recordset($1::json) as w (id text, last_seen_at bigint)
       where last_seen_at is not null`,
      [portableJson(batch)],
    );
  }
}
