/** Finds jobs, tasks and attempts by their ids. */
import { jobIdOf } from '../../lib/ids.ts';
import { type StoredTask, toAttempt } from '../records.ts';
import type { AttemptRecord } from '../store.ts';
import type { Context } from './context.ts';
import type { TaskKey } from './queue-heads.ts';
import { JOB_COLUMNS, type StoredJob, TASK_COLUMNS, toJob, toTask } from './rows.ts';

export interface FoundTask {
  readonly job: StoredJob;
  readonly task: StoredTask;
}

export function findJob({ sql, memory }: Context, id: string): StoredJob | null {
  const row = sql.get(`select ${JOB_COLUMNS} from jobs where id = ?`, id);
  return row === null ? null : toJob(row, memory);
}

export function findTask(context: Context, taskId: string): FoundTask | null {
  const jobId = jobIdOf(taskId);
  const idx = Number(taskId.slice(jobId.length + 1));
  const job = Number.isSafeInteger(idx) ? findJob(context, jobId) : null;
  if (job === null) return null;
  const task = readTask(context, job, idx);
  return task === null || task.record.id !== taskId ? null : { job, task };
}

/** A task by its place; for keys that come from memory or an index. */
export function taskAt(context: Context, { jobNum, idx }: TaskKey): FoundTask {
  const row = context.sql.get(`select ${JOB_COLUMNS} from jobs where num = ?`, jobNum);
  const job = row === null ? null : toJob(row, context.memory);
  const task = job === null ? null : readTask(context, job, idx);
  if (job === null || task === null) throw new Error(`job ${jobNum} has no task ${idx}`);
  return { job, task };
}

export function tasksOf({ sql, memory }: Context, job: StoredJob): readonly StoredTask[] {
  return sql
    .all(`select ${TASK_COLUMNS} from tasks where job_num = ? order by idx`, job.num)
    .map((row) => toTask(row, job.record.id, memory));
}

function readTask({ sql, memory }: Context, job: StoredJob, idx: number): StoredTask | null {
  const row = sql.get(`select ${TASK_COLUMNS} from tasks where job_num = ? and idx = ?`, job.num, idx);
  return row === null ? null : toTask(row, job.record.id, memory);
}

/** One attempt of the task, the newest unless told otherwise; null when there was none of that epoch. */
export function findAttempt({ sql }: Context, task: StoredTask, epoch: number): AttemptRecord | null {
  if (epoch === 0) return null;
  const { id, index } = task.record;
  const row = sql.get(
    `select epoch, node_id, started_at, ended_at, outcome, error from attempts
     where job_num = ? and idx = ? and epoch = ?`,
    task.jobNum,
    index,
    epoch,
  );
  return row === null ? null : toAttempt(row, id);
}
