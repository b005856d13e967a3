/** Copies a PostgreSQL store: all rows out as of one moment, and rows into an empty one. */
import { FlatrenderError } from '../../lib/errors.ts';
import { DUMP_TABLES, type DumpData, type DumpRow, type DumpTable } from '../dump.ts';
import { portableJson } from '../portable-text.ts';
import type { Database, Queries, Row } from './database.ts';

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
};

/** Sequences that go on behind the highest number copied. */
const SEQUENCES = [
  ['classes', 'id'],
  ['jobs', 'num'],
  ['audit', 'seq'],
] as const;

function namesOf(table: DumpTable): string[] {
  return COLUMNS[table].split(',').map((column) => column.trim().split(' ')[0] ?? '');
}

/** Every row, in one read-only transaction: as of the moment it began. */
export async function* dumpPostgres(db: Database, signal: AbortSignal): AsyncGenerator<DumpRow> {
  const client = await db.servers.connect();
  try {
    await client.query('begin isolation level repeatable read read only');
    for (const table of DUMP_TABLES) {
      const list = namesOf(table);
      const from = FROM[table] ?? `${table} t`;
      await client.query(
        `declare dump_${table} no scroll cursor for select ${list.map((name) => `t.${name}`).join(', ')} from ${from}`,
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
  } finally {
    await client.end();
  }
}

/** Writes rows into an empty database, all or none. CONFIG_INVALID when there is a farm in it already. */
export async function loadPostgres(
  db: Database,
  rows: AsyncIterable<DumpRow>,
  signal: AbortSignal,
): Promise<void> {
  // A connection of its own: rows are read once, so the transaction cannot be tried again.
  const client = await db.servers.connect();
  const queries: Queries = {
    rows: async (text, values = []) => (await client.query(text, [...values])).rows as Row[],
  };
  try {
    await queries.rows('begin');
    await refuseUsed(db, queries);
    let table: DumpTable | null = null;
    let batch: DumpData[] = [];
    const flush = async (): Promise<void> => {
      if (table !== null && batch.length > 0) await insert(queries, table, batch);
      batch = [];
    };
    for await (const row of rows) {
      signal.throwIfAborted();
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
    await queries.rows('commit');
  } finally {
    // Without a commit nothing of it stays.
    await client.end();
  }
}

async function refuseUsed(db: Database, queries: Queries): Promise<void> {
  const [row] = await queries.rows(
    'select (select count(*) from (select 1 from jobs limit 1) j) + (select count(*) from nodes) + (select count(*) from tokens) as n',
  );
  if (Number(row?.n) === 0) return;
  throw new FlatrenderError('CONFIG_INVALID', `there is a farm in the database ${db.place} already`, {
    hint: 'use an empty database; to begin anew: drop it and create it again',
  });
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
