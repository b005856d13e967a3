/** Reads tasks and jobs without locking them. */
import type { JobWithTasks, TaskRecord } from '../store.ts';
import type { Context } from './context.ts';
import type { Queries, Row } from './database.ts';
import { JOB_COLUMNS, TASK_COLUMNS, toJob, toTask } from './rows.ts';

/** Tasks that match, in the order of submission. */
export async function findTasks(
  { db, classes }: Context,
  where: string,
  values: readonly unknown[] = [],
): Promise<readonly TaskRecord[]> {
  const rows = await db.rows(
    `select ${TASK_COLUMNS}, j.id as job_id from tasks t join jobs j on j.num = t.job_num where ${where}
     order by t.job_num, t.idx`,
    values,
  );
  await loadClasses({ db, classes }, rows);
  return rows.map((row) => toTask(row, String(row.job_id), classes).record);
}

/** The jobs with these numbers and their tasks, in the order of the numbers given; those that are gone left out. */
export async function findJobs(
  { db, classes }: Context,
  nums: readonly number[],
): Promise<readonly JobWithTasks[]> {
  if (nums.length === 0) return [];
  // One statement each: a job is changed together with its tasks, and is read as of one moment.
  const rows = await db.rows(JOBS_WITH_TASKS, [nums], 'jobs-with-tasks');
  const tasks = rows.flatMap((row) => row.task_rows as Row[]);
  await loadClasses({ db, classes }, tasks);
  const found = new Map(
    rows.map((row) => {
      const { num, record } = toJob(row);
      const own = (row.task_rows as Row[]).map((task) => toTask(task, record.id, classes).record);
      return [num, { job: record, tasks: own }] as const;
    }),
  );
  return nums.flatMap((num) => found.get(num) ?? []);
}

async function loadClasses(
  { db, classes }: Pick<Context, 'classes'> & { db: Queries },
  rows: readonly Row[],
) {
  await classes.load(
    db,
    rows.map((row) => Number(row.class_id)),
  );
}

const JOBS_WITH_TASKS = `select ${JOB_COLUMNS}, (
    select coalesce(json_agg(t order by t.idx), '[]'::json) from tasks t where t.job_num = j.num
  ) as task_rows from jobs j where j.num = any($1::bigint[])`;
