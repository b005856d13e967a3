/** Submitting, cancelling, retrying and reading jobs. */
import type { TaskEvent } from '../../jobs/task-state-machine.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { number, type StoredTask, toAttempt } from '../records.ts';
import type { JobRecord, TaskRecord } from '../store.ts';
import type { JobStore } from '../store-parts.ts';
import { CHUNK, type Context } from './context.ts';
import type { Queries } from './database.ts';
import { findJobs, findTasks } from './find.ts';
import { listJobNums } from './job-lists.ts';
import { changing } from './leases.ts';
import { TASK_COLUMNS } from './rows.ts';
import { submit } from './submit.ts';
import type { Work } from './work.ts';

export function jobMethods(context: Context): JobStore {
  const { db } = context;
  return {
    submit: (jobs, idempotency) => submit(context, jobs, idempotency),

    async getJob(id) {
      const rows = await db.rows('select num from jobs where id = $1', [id], 'job-num');
      const [found] = await findJobs(
        context,
        rows.map(({ num }) => Number(num)),
      );
      return found ?? null;
    },

    async listJobs(filter) {
      return findJobs(context, await listJobNums(db, filter));
    },

    async getTask(id) {
      const dot = id.lastIndexOf('.');
      const values = [id.slice(0, Math.max(0, dot)), id.slice(dot + 1)];
      const [task] = await findTasks(context, 'j.id = $1 and t.idx::text = $2', values);
      return task ?? null;
    },

    async listAttempts(jobId) {
      const rows = await db.rows(
        `select a.idx, a.epoch, a.node_id, a.started_at, a.ended_at, a.outcome, a.error
         from jobs j join attempts a on a.job_num = j.num where j.id = $1 order by a.idx, a.epoch`,
        [jobId],
      );
      return rows.map((row) => toAttempt(row, `${jobId}.${row.idx}`));
    },

    cancelJob: (id, now) =>
      changing(context, async (work, queries) => {
        const job = await loadJob(work, queries, id);
        return changeAll(work, job, now, () => ({ type: 'cancel' }), `job ${id} is over: ${job.state}`);
      }),

    retryJob: (id, now) =>
      changing(context, async (work, queries) => {
        const job = await loadJob(work, queries, id);
        const event = (task: StoredTask): TaskEvent => ({
          type: 'retry',
          due: task.readyAt === null || task.readyAt <= now,
        });
        const refusal = `job ${id} has no failed or cancelled tasks: it is ${job.state}`;
        return changeAll(work, job, now, event, refusal);
      }),

    async promoteDue(now) {
      let promoted = 0;
      const jobIds = new Set<string>();
      for (;;) {
        const due = await changing(context, (work, queries) => promote(work, queries, now));
        promoted += due.length;
        for (const id of due) jobIds.add(id);
        if (due.length === CHUNK) continue;
        const [next] = await db.rows(
          "select min(ready_at) as at from tasks where state = 'blocked' and ready_at is not null",
        );
        return { promoted, jobIds: [...jobIds], nextAt: number(next?.at) };
      }
    },

    async queueAges() {
      const rows = await db.rows(QUEUE_AGES);
      await context.classes.load(
        db,
        rows.map((row) => Number(row.class_id)),
      );
      return rows.map((row) => ({
        requirement: context.classes.get(Number(row.class_id)).requirement,
        since: Number(row.since),
      }));
    },
  };
}

/** Locks all tasks of the job, then the job; JOB_NOT_FOUND. */
async function loadJob(work: Work, queries: Queries, id: string): Promise<JobRecord> {
  const rows = await queries.rows(
    `select ${TASK_COLUMNS} from tasks t where t.job_num = (select num from jobs where id = $1)
     order by t.job_num, t.idx for update`,
    [id],
  );
  await work.take(rows);
  const job = work.job(id);
  if (job === null) {
    throw new FlatrenderError('JOB_NOT_FOUND', `there is no job ${id}`, {
      hint: 'run "flatrender job list"',
    });
  }
  return job.record;
}

/** Applies an event to every task that takes it; JOB_STATE when none does. */
async function changeAll(
  work: Work,
  job: JobRecord,
  now: number,
  eventFor: (task: StoredTask) => TaskEvent,
  refusal: string,
): Promise<{ readonly job: JobRecord; readonly tasks: readonly TaskRecord[] }> {
  let changed = job;
  const tasks: TaskRecord[] = [];
  for (const task of work.tasks()) {
    const change = work.change(task, eventFor(task), { now });
    if (change === null) continue;
    changed = change.job;
    tasks.push(change.task);
  }
  if (tasks.length === 0) throw new FlatrenderError('JOB_STATE', refusal, { details: { state: job.state } });
  return { job: changed, tasks };
}

/** Queues at most CHUNK delayed tasks whose time has come; returns the job of each. */
async function promote(work: Work, queries: Queries, now: number): Promise<readonly string[]> {
  const rows = await queries.rows(
    `select * from (
       select ${TASK_COLUMNS} from tasks t where t.state = 'blocked' and t.ready_at <= $1
       order by t.ready_at limit ${CHUNK} for update skip locked
     ) due order by job_num, idx`,
    [now],
  );
  await work.take(rows);
  const jobIds: string[] = [];
  for (const task of work.tasks()) {
    if (work.change(task, { type: 'ready' }, { now }) !== null) jobIds.push(task.record.jobId);
  }
  return jobIds;
}

/** For each class its first queued job of each priority, by jumping through the index; the oldest of them. */
const QUEUE_AGES = `with recursive place as (
  (select class_id, priority from tasks where state = 'queued' order by class_id, priority desc limit 1)
  union all
  select next.class_id, next.priority from place cross join lateral (
    (select t.class_id, t.priority from tasks t
     where t.state = 'queued' and t.class_id = place.class_id and t.priority < place.priority
     order by t.class_id, t.priority desc limit 1)
    union all
    (select t.class_id, t.priority from tasks t where t.state = 'queued' and t.class_id > place.class_id
     order by t.class_id, t.priority desc limit 1)
    limit 1
  ) next
), first as (
  select place.class_id, min(head.job_num) as num from place cross join lateral (
    select t.job_num from tasks t
    where t.state = 'queued' and t.class_id = place.class_id and t.priority = place.priority
    order by t.job_num, t.idx limit 1
  ) head group by place.class_id
)
select first.class_id, greatest(j.created_at, coalesce(j.run_at, 0)) as since from first join jobs j on j.num = first.num`;
