/** Submitting, cancelling, retrying and reading jobs. */
import type { TaskEvent } from '../../jobs/task-state-machine.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { type StoredTask, toAttempt } from '../records.ts';
import type { JobRecord, JobWithTasks, Store, TaskRecord } from '../store.ts';
import type { JobStore } from '../store-parts.ts';
import { CHUNK, type Context } from './context.ts';
import { findJob, findTask, taskAt, tasksOf } from './find.ts';
import { listJobNums } from './job-lists.ts';
import { queueAges } from './queue-ages.ts';
import { JOB_COLUMNS, type StoredJob, toJob } from './rows.ts';
import { submit } from './submit.ts';
import { changeTask, changeTaskOnly, updateJob } from './task-change.ts';

export function jobMethods(context: Context): JobStore & Pick<Store, 'stats'> {
  const { sql, memory, writer } = context;
  return {
    submit: (jobs, idempotency) => writer.write(() => submit(context, jobs, idempotency)),

    async getJob(id) {
      const job = findJob(context, id);
      return job === null ? null : withTasks(context, job);
    },

    async listJobs(filter) {
      return listJobNums(sql, filter).flatMap((num) => {
        const row = sql.get(`select ${JOB_COLUMNS} from jobs where num = ?`, num);
        return row === null ? [] : [withTasks(context, toJob(row, memory))];
      });
    },

    async getTask(id) {
      return findTask(context, id)?.task.record ?? null;
    },

    async listAttempts(jobId) {
      const job = findJob(context, jobId);
      if (job === null) return [];
      return sql
        .all(
          `select idx, epoch, node_id, started_at, ended_at, outcome, error from attempts
           where job_num = ? order by idx, epoch`,
          job.num,
        )
        .map((row) => toAttempt(row, `${jobId}.${row.idx}`));
    },

    cancelJob: (id, now) =>
      writer.write(() => {
        const job = existing(context, id);
        return changeAll(
          context,
          job,
          now,
          () => ({ type: 'cancel' }),
          `job ${id} is over: ${job.record.state}`,
        );
      }),

    retryJob: (id, now) =>
      writer.write(() => {
        const job = existing(context, id);
        const event = (task: StoredTask): TaskEvent => ({
          type: 'retry',
          due: task.readyAt === null || task.readyAt <= now,
        });
        const refusal = `job ${id} has no failed or cancelled tasks: it is ${job.record.state}`;
        return changeAll(context, job, now, event, refusal);
      }),

    async promoteDue(now) {
      let promoted = 0;
      const jobIds = new Set<string>();
      for (;;) {
        const due = await writer.write(() => promote(context, now));
        promoted += due.length;
        for (const id of due) jobIds.add(id);
        if (due.length === CHUNK) continue;
        const next = sql.get(
          "select min(ready_at) as at from tasks indexed by tasks_ready where state = 'blocked' and ready_at is not null",
        );
        return { promoted, jobIds: [...jobIds], nextAt: next?.at === null ? null : Number(next?.at) };
      }
    },

    queueAges: async () => queueAges(context),

    stats: () => ({ jobs: { ...memory.jobs }, tasks: { ...memory.tasks } }),
  };
}

function withTasks(context: Context, job: StoredJob): JobWithTasks {
  return { job: job.record, tasks: tasksOf(context, job).map((task) => task.record) };
}

function existing(context: Context, id: string): StoredJob {
  const job = findJob(context, id);
  if (job === null) {
    throw new FlatrenderError('JOB_NOT_FOUND', `there is no job ${id}`, {
      hint: 'run "flatrender job list"',
    });
  }
  return job;
}

/** Applies an event to every task that takes it; JOB_STATE when none does. */
function changeAll(
  context: Context,
  job: StoredJob,
  now: number,
  eventFor: (task: StoredTask) => TaskEvent,
  refusal: string,
): { readonly job: JobRecord; readonly tasks: readonly TaskRecord[] } {
  const changed = tasksOf(context, job).flatMap((task) => {
    const next = changeTaskOnly(context, task, eventFor(task), { now });
    return next === null ? [] : [next];
  });
  const last = changed.at(-1);
  if (last === undefined) {
    throw new FlatrenderError('JOB_STATE', refusal, { details: { state: job.record.state } });
  }
  const { record } = updateJob(context, job, last, now);
  return { job: record, tasks: changed.map((task) => task.record) };
}

/** Queues at most CHUNK delayed tasks whose time has come; returns the job of each. */
function promote(context: Context, now: number): readonly string[] {
  const due = context.sql.all(
    `select job_num, idx from tasks indexed by tasks_ready
     where state = 'blocked' and ready_at is not null and ready_at <= ? order by ready_at limit ${CHUNK}`,
    now,
  );
  return due.map((row) => {
    const found = taskAt(context, { jobNum: Number(row.job_num), idx: Number(row.idx) });
    changeTask(context, found, { type: 'ready' }, { now });
    return found.job.record.id;
  });
}
