/** What belongs to tasks that a transaction has locked. */
import type { Queries, Row } from './database.ts';
import { JOB_COLUMNS } from './rows.ts';

/** Locks the jobs with these numbers. */
export function lockedJobRows(queries: Queries, nums: readonly number[]): Promise<readonly Row[]> {
  return queries.rows(
    `select ${JOB_COLUMNS} from jobs j where j.num = any($1::bigint[]) order by j.num for no key update`,
    [nums],
    'work-jobs',
  );
}

/** All attempts of these tasks. */
export async function findAttemptRows(queries: Queries, tasks: readonly Row[]): Promise<readonly Row[]> {
  if (tasks.length === 0) return [];
  return queries.rows(
    `select a.job_num, a.idx, a.epoch, a.node_id, a.started_at, a.ended_at, a.outcome, a.error
     from unnest($1::bigint[], $2::int[]) as w (job_num, idx)
     join attempts a on a.job_num = w.job_num and a.idx = w.idx`,
    [tasks.map((row) => row.job_num), tasks.map((row) => row.idx)],
    'work-attempts',
  );
}

/** Of all tasks of these jobs what the state of a job is made of. */
export function findSiblingRows(queries: Queries, nums: readonly number[]): Promise<readonly Row[]> {
  return queries.rows(
    `select job_num, idx, state, case when state = 'failed' then error end as error from tasks
     where job_num = any($1::bigint[])`,
    [nums],
  );
}
