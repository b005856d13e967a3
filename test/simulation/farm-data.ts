/** The data of a simulated farm: in memory, or in the real SQLite store. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { toAttempt, toNode } from '../../src/store/records.ts';
import type { Context } from '../../src/store/sqlite/context.ts';
import { deliveryMethods } from '../../src/store/sqlite/deliveries.ts';
import { findJob, taskAt, tasksOf } from '../../src/store/sqlite/find.ts';
import { invitationMethods } from '../../src/store/sqlite/invitations.ts';
import { listJobNums } from '../../src/store/sqlite/job-lists.ts';
import { jobMethods } from '../../src/store/sqlite/jobs.ts';
import { leaseMethods } from '../../src/store/sqlite/leases.ts';
import { logMethods } from '../../src/store/sqlite/logs.ts';
import { Memory } from '../../src/store/sqlite/memory.ts';
import { findNodeRow } from '../../src/store/sqlite/node-row.ts';
import { nodeMethods } from '../../src/store/sqlite/nodes.ts';
import { JOB_COLUMNS, toJob } from '../../src/store/sqlite/rows.ts';
import { settingMethods } from '../../src/store/sqlite/settings.ts';
import { Sql } from '../../src/store/sqlite/sql.ts';
import { templateMethods } from '../../src/store/sqlite/templates.ts';
import { tokenMethods } from '../../src/store/sqlite/tokens.ts';
import type {
  AttemptRecord,
  JobFilter,
  JobWithTasks,
  NodeRecord,
  Store,
  TaskRecord,
} from '../../src/store/store.ts';
import { MemoryStore } from './memory-store.ts';

/** The data as the oracle sees it: at once, past all control planes. */
export interface FarmView {
  getJob(id: string): JobWithTasks | null;
  listJobs(filter: JobFilter): readonly JobWithTasks[];
  listAttempts(jobId: string): readonly AttemptRecord[];
  getNode(id: string): NodeRecord | null;
  getDelivery(id: string): unknown;
  queued(): readonly TaskRecord[];
}

export interface FarmData {
  readonly view: FarmView;
  /** Methods of `Store` by name; each is one step. */
  readonly operations: Pick<Store, 'createNode' | 'putTemplate' | 'stats'> | MemoryStore;
  /** Only in memory: what a database of several control planes offers. */
  readonly memory: MemoryStore | null;
  close(): void;
}

export function memoryData(): FarmData {
  const memory = new MemoryStore();
  return { view: memory, operations: memory, memory, close: () => undefined };
}

const MIGRATIONS = join(import.meta.dirname, '..', '..', 'src', 'store', 'sqlite', 'migrations');

/**
 * The real store of one control plane on a database without a file: everything but its group writer and the sync of its log,
 * which are real time. What was committed survives the control plane, as the file does.
 */
export function sqliteData(): FarmData {
  const db = new DatabaseSync(':memory:', { enableForeignKeyConstraints: true });
  for (const file of readdirSync(MIGRATIONS).sort()) db.exec(readFileSync(join(MIGRATIONS, file), 'utf8'));
  const sql = new Sql(db, ':memory:');
  const memory = new Memory();
  memory.load(sql);
  const write = <T>(run: () => T): Promise<T> => {
    sql.open();
    try {
      const value = run();
      if (sql.writes > 0) memory.flush(sql);
      sql.commit();
      return Promise.resolve(value);
    } catch (error) {
      const isClean = sql.writes === 0;
      sql.rollback();
      if (!isClean) memory.load(sql);
      return Promise.reject(error);
    }
  };
  const context: Context = { sql, memory, writer: { write } as unknown as Context['writer'] };
  const operations = {
    ...jobMethods(context),
    ...leaseMethods(context),
    ...nodeMethods(context),
    ...invitationMethods(context),
    ...templateMethods(context),
    ...tokenMethods(context),
    ...logMethods(context),
    ...deliveryMethods(context),
    ...settingMethods(context),
  };
  return { view: viewOf(context), operations, memory: null, close: () => db.close() };
}

function viewOf(context: Context): FarmView {
  const { sql, memory } = context;
  const withTasks = (job: ReturnType<typeof toJob>): JobWithTasks => ({
    job: job.record,
    tasks: tasksOf(context, job).map(({ record }) => record),
  });
  return {
    getJob(id) {
      const job = findJob(context, id);
      return job && withTasks(job);
    },
    listJobs: (filter) =>
      listJobNums(sql, filter).flatMap((num) => {
        const row = sql.get(`select ${JOB_COLUMNS} from jobs where num = ?`, num);
        return row ? [withTasks(toJob(row, memory))] : [];
      }),
    listAttempts(jobId) {
      const num = findJob(context, jobId)?.num ?? 0;
      return sql
        .all('select * from attempts where job_num = ? order by idx, epoch', num)
        .map((row) => toAttempt(row, `${jobId}.${row.idx}`));
    },
    getNode(id) {
      const row = findNodeRow(context, id);
      return row && toNode(row);
    },
    getDelivery: (id) => sql.get('select id from deliveries where id = ?', id),
    queued: () =>
      sql
        .all("select job_num, idx from tasks where state = 'queued'")
        .map((row) => taskAt(context, { jobNum: Number(row.job_num), idx: Number(row.idx) }).task.record),
  };
}
