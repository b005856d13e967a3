/** Copies a SQLite store: all rows out as of one moment, and rows into an empty one. */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { backup, DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { sleep, systemClock } from '../../lib/clock.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { JobState, TaskState } from '../../protocol/jobs.ts';
import { DUMP_TABLES, type DumpData, type DumpRow, type DumpTable, type DumpValue } from '../dump.ts';
import { portableJson, portableText } from '../portable-text.ts';
import { closeDatabase, openDatabase } from './database.ts';

/** So many rows at a time: others get their turn in between. */
const ROWS = 500;

const JSON_COLUMNS: Readonly<Partial<Record<DumpTable, readonly string[]>>> = {
  classes: ['requirement'],
  jobs: ['inputs', 'error'],
  tasks: ['output', 'result', 'error'],
  attempts: ['error'],
  nodes: ['blocked_templates', 'streaks', 'roles', 'capabilities'],
  templates: ['manifest'],
  audit: ['details'],
};

/** What a table's rows are called elsewhere. */
const SELECT: Readonly<Partial<Record<DumpTable, string>>> = {
  classes: 'select id, key, requirement from classes',
  jobs: `select j.num, j.id, j.batch_id, j.name, j.template, b.version, b.sha256 as bundle_sha256, b.size_bytes as bundle_bytes,
    j.priority, j.inputs, j.run_at, j.node, j.webhook, j.created_at, j.created_by, j.tasks, j.state, j.started_at, j.ended_at,
    j.error from jobs j join bundles b on b.id = j.bundle_id order by j.num`,
};

/**
 * Every row of the database as of one moment: SQLite copies the file while the store goes on working, the copy is read and
 * removed.
 */
export async function* dumpSqlite(
  db: DatabaseSync,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<DumpRow> {
  // Two may be made in the same millisecond.
  const copy = `${path}.copy-${process.pid}-${randomUUID()}`;
  try {
    await copyTo(db, copy, signal);
    const source = new DatabaseSync(copy, { readOnly: true });
    try {
      for (const table of DUMP_TABLES) {
        let count = 0;
        const statement = source.prepare(SELECT[table] ?? `select * from ${table}`);
        for (const row of statement.iterate()) {
          yield { table, data: outward(source, table, row) };
          count += 1;
          if (count % ROWS !== 0) continue;
          signal.throwIfAborted();
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    } finally {
      source.close();
    }
  } finally {
    for (const suffix of ['', '-wal', '-shm', '-journal']) await rm(`${copy}${suffix}`, { force: true });
  }
}

/** Node gives up when the database is locked at the first step, without saying so ("not an error"): a moment later it is free. */
async function copyTo(db: DatabaseSync, copy: string, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      await backup(db, copy, { rate: 1000 });
      return;
    } catch (error) {
      const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) : -1;
      if (!LOCKED.has(code) || attempt === COPY_TRIES) throw error;
      await sleep(attempt * 10, systemClock, signal);
    }
  }
}
/** No error, SQLITE_BUSY, SQLITE_LOCKED. */
const LOCKED: ReadonlySet<number> = new Set([0, 5, 6]);
/** Some eight seconds in all. */
const COPY_TRIES = 40;

/** Writes rows into a new database file, all or none. CONFIG_INVALID when there is a farm in it already. */
export async function loadSqlite(
  path: string,
  rows: AsyncIterable<DumpRow>,
  signal: AbortSignal,
): Promise<void> {
  const db = openDatabase(path);
  try {
    refuseUsed(db, path);
    db.exec('begin immediate');
    try {
      const loader = new Loader(db);
      for await (const row of rows) {
        signal.throwIfAborted();
        loader.add(row);
      }
      loader.finish();
      db.exec('commit');
    } catch (error) {
      db.exec('rollback');
      throw error;
    }
  } finally {
    closeDatabase(db, path);
  }
}

function refuseUsed(db: DatabaseSync, path: string): void {
  const row = db
    .prepare(
      'select exists (select 1 from jobs) + exists (select 1 from nodes) + exists (select 1 from tokens) as n',
    )
    .get();
  if (Number(row?.n) === 0) return;
  throw new FlatrenderError('CONFIG_INVALID', `there is a farm in the database ${path} already`, {
    hint: 'move that file away first, or restore into another state directory (FLATRENDER_HOME)',
  });
}

function outward(source: DatabaseSync, table: DumpTable, row: Record<string, unknown>): DumpData {
  const data: Record<string, DumpValue> = {};
  for (const [name, value] of Object.entries(row as DumpData)) {
    if (typeof value !== 'string') data[name] = value;
    else if (JSON_COLUMNS[table]?.includes(name))
      data[name] = JSON.parse(portableJson(JSON.parse(value))) as DumpValue;
    else data[name] = portableText(value);
  }
  if (table === 'invitations') data.applied = Number(data.applied) !== 0;
  if (table === 'idempotency') {
    const { first_job, last_job, job_nums, ...rest } = data;
    const found = source
      .prepare(
        `select num from jobs where num between ? and ? and (? is null or num in (select value from json_each(?)))
         order by num`,
      )
      .all(Number(first_job), Number(last_job), inward(job_nums), inward(job_nums));
    return { ...rest, job_nums: found.map(({ num }) => Number(num)) };
  }
  return data;
}

/** Puts rows in, and counts what the database keeps counted. */
class Loader {
  readonly #db: DatabaseSync;
  readonly #bundles = new Map<string, { id: number; jobs: number; unfinished: number }>();
  readonly #classes = new Map<number, number>();
  readonly #jobs: Record<string, number> = Object.fromEntries(JobState.options.map((state) => [state, 0]));
  readonly #tasks: Record<string, number> = Object.fromEntries(TaskState.options.map((state) => [state, 0]));
  #lastJob = 0;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  add({ table, data }: DumpRow): void {
    if (table === 'classes') this.#insert(table, { ...data, tasks: 0 });
    else if (table === 'jobs') this.#job(data);
    else if (table === 'idempotency') this.#idempotency(data);
    else this.#insert(table, data);
    if (table !== 'tasks') return;
    const classId = Number(data.class_id);
    this.#classes.set(classId, (this.#classes.get(classId) ?? 0) + 1);
    this.#tasks[String(data.state)] = (this.#tasks[String(data.state)] ?? 0) + 1;
  }

  finish(): void {
    for (const { id, jobs, unfinished } of this.#bundles.values())
      this.#run('update bundles set jobs = ?, unfinished = ? where id = ?', [jobs, unfinished, id]);
    for (const [id, tasks] of this.#classes)
      this.#run('update classes set tasks = ? where id = ?', [tasks, id]);
    this.#run('delete from classes where tasks = 0', []);
    this.#run('update farm set next_job = ?, job_counts = ?, task_counts = ? where id = 1', [
      this.#lastJob + 1,
      JSON.stringify(this.#jobs),
      JSON.stringify(this.#tasks),
    ]);
  }

  #job(data: DumpData): void {
    const { version, bundle_sha256, bundle_bytes, ...rest } = data;
    const key = JSON.stringify([data.template, version, bundle_sha256]);
    let bundle = this.#bundles.get(key);
    if (!bundle) {
      bundle = { id: this.#bundles.size + 1, jobs: 0, unfinished: 0 };
      this.#bundles.set(key, bundle);
      const size = { size_bytes: bundle_bytes ?? 0, jobs: 0, unfinished: 0 };
      this.#insert('bundles', {
        ...{ id: bundle.id, template: data.template ?? '', version: version ?? '' },
        ...{ sha256: bundle_sha256 ?? '', ...size },
      });
    }
    bundle.jobs += 1;
    if (data.ended_at === null) bundle.unfinished += 1;
    this.#insert('jobs', { ...rest, bundle_id: bundle.id });
    this.#lastJob = Math.max(this.#lastJob, Number(data.num));
    this.#jobs[String(data.state)] = (this.#jobs[String(data.state)] ?? 0) + 1;
  }

  /** Here the jobs of one request have numbers in a row, unless they come from where others got some in between. */
  #idempotency({ job_nums, ...rest }: DumpData): void {
    const nums = (job_nums as readonly number[]).map(Number);
    const first = nums.length === 0 ? 0 : Math.min(...nums);
    const last = nums.length === 0 ? -1 : Math.max(...nums);
    const isRow = last - first + 1 === nums.length;
    const range = { first_job: first, last_job: last, job_nums: isRow ? null : JSON.stringify(nums) };
    this.#insert('idempotency', { ...rest, ...range });
  }

  #insert(table: DumpTable | 'bundles', data: DumpData): void {
    const names = Object.keys(data);
    this.#run(
      `insert into ${table} (${names.map((name) => `"${name}"`).join(', ')}) values (${names.map(() => '?').join(', ')})`,
      names.map((name) => inward(data[name])),
    );
  }

  #run(text: string, values: readonly SQLInputValue[]): void {
    this.#db.prepare(text).run(...values);
  }
}

function inward(value: DumpValue | undefined): SQLInputValue {
  if (value === undefined || value === null) return null;
  if (typeof value === 'boolean') return Number(value);
  return typeof value === 'object' ? JSON.stringify(value) : value;
}
