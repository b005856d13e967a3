/** The one place that writes the state of tasks, attempts and jobs, and keeps what memory knows of them equal. */

import { isJobOver } from '../../jobs/job-state.ts';
import { applyTaskEvent, type TaskEvent, type Transition } from '../../jobs/task-state-machine.ts';
import type { TaskError, TaskState } from '../../protocol/jobs.ts';
import { json, type StoredTask } from '../records.ts';
import type { AttemptRecord, JobRecord, TaskChange, TaskRecord } from '../store.ts';
import { type EventData, jobAfter, requirementAfter, taskAfter } from '../task-transition.ts';
import type { Context } from './context.ts';
import { deliverEnd } from './deliveries.ts';
import { type FoundTask, findAttempt } from './find.ts';
import { jsonText, type StoredJob } from './rows.ts';

/** Applies the event and writes everything that follows from it; null when it is refused in the task's state. */
export function changeTask(
  context: Context,
  found: FoundTask,
  event: TaskEvent,
  data: EventData,
): (TaskChange & { readonly stored: StoredTask }) | null {
  const stored = changeTaskOnly(context, found.task, event, data);
  if (stored === null) return null;
  const { record, ended } = updateJob(context, found.job, stored, data.now);
  return { stored, task: stored.record, job: record, jobEnded: ended };
}

/** The same without the job: for several tasks of one job, followed by one {@link updateJob}. */
export function changeTaskOnly(
  context: Context,
  task: StoredTask,
  event: TaskEvent,
  data: EventData,
): StoredTask | null {
  const attempt = findAttempt(context, task, task.record.epoch);
  const { state, epoch, failures, losses } = task.record;
  const facts = { state, epoch, failures, losses, attempt: attempt?.outcome ?? null };
  const transition = applyTaskEvent(facts, event);
  if (transition === null) return null;
  writeAttempt(context, task, attempt, transition, data);
  const next = nextTask(context, task, attempt, transition, data);
  writeTask(context, next);
  note(context, task, next);
  return next;
}

function nextTask(
  { sql, memory }: Context,
  task: StoredTask,
  attempt: AttemptRecord | null,
  transition: Transition,
  data: EventData,
): StoredTask {
  const old = task.record;
  const requirement = requirementAfter(old, transition);
  const entry =
    requirement === old.requirement ? memory.classes.get(task.classId) : memory.classOf(sql, requirement);
  const isClaim = transition.epoch !== old.epoch;
  const record = taskAfter({ ...old, requirement: entry.body }, attempt, transition, data);
  return { ...task, classId: entry.id, claimId: isClaim ? (data.claimId ?? null) : task.claimId, record };
}

function writeAttempt(
  { sql }: Context,
  task: StoredTask,
  attempt: AttemptRecord | null,
  transition: Transition,
  data: EventData,
): void {
  const place = [task.jobNum, task.record.index] as const;
  if (transition.previousAttempt !== null) {
    sql.run(
      'update attempts set outcome = ? where job_num = ? and idx = ? and epoch = ?',
      transition.previousAttempt,
      ...place,
      task.record.epoch,
    );
  }
  if (transition.epoch !== task.record.epoch) {
    sql.run(
      'insert into attempts (job_num, idx, epoch, node_id, started_at) values (?, ?, ?, ?, ?)',
      ...place,
      transition.epoch,
      data.nodeId ?? '',
      data.now,
    );
  } else if (attempt !== null && attempt.outcome !== transition.attempt) {
    sql.run(
      `update attempts set outcome = ?, ended_at = ?, error = ? where job_num = ? and idx = ? and epoch = ?`,
      transition.attempt,
      transition.attempt === null ? null : data.now,
      jsonText(data.error),
      ...place,
      attempt.epoch,
    );
  }
}

function writeTask({ sql }: Context, { jobNum, classId, claimId, record }: StoredTask): void {
  sql.run(
    `update tasks set class_id = ?, state = ?, epoch = ?, failures = ?, losses = ?, node_id = ?, claim_id = ?,
       lease_until = ?, phase = ?, frame = ?, frames = ?, fps = ?, started_at = ?, ended_at = ?, result = ?, error = ?
     where job_num = ? and idx = ?`,
    classId,
    record.state,
    record.epoch,
    record.failures,
    record.losses,
    record.nodeId,
    claimId,
    record.leaseUntil,
    record.phase,
    record.frame,
    record.frames,
    record.fps,
    record.startedAt,
    record.endedAt,
    jsonText(record.result),
    jsonText(record.error),
    jobNum,
    record.index,
  );
}

/** Tells memory what changed. */
function note({ memory }: Context, before: StoredTask, after: StoredTask): void {
  const key = { jobNum: after.jobNum, idx: after.record.index };
  if (before.classId !== after.classId) {
    memory.classes.count(memory.classes.get(before.classId), -1, 0);
    memory.classes.count(memory.classes.get(after.classId), 1, 0);
  }
  if (before.record.state === 'queued') memory.heads.removed(before.classId, key);
  if (after.record.state === 'queued') {
    memory.heads.added(after.classId, { ...key, priority: after.record.priority });
  }
  noteClaim(memory.claimEnded.bind(memory), before);
  noteClaim((nodeId, claimId) => memory.claimStarted(nodeId, claimId, key), after);
  if (before.record.state !== after.record.state) memory.countTask(before.record.state, after.record.state);
}

function noteClaim(tell: (nodeId: string, claimId: string) => void, { record, claimId }: StoredTask): void {
  if (record.state === 'running' && record.nodeId !== null && claimId !== null) tell(record.nodeId, claimId);
}

/** Derives the job anew after `changed` was written; `ended`: it was not over and is now. */
export function updateJob(
  context: Context,
  job: StoredJob,
  changed: StoredTask,
  now: number,
): { readonly record: JobRecord; readonly ended: boolean } {
  const { sql, memory } = context;
  const old = job.record;
  const tasks = job.tasks === 1 ? [changed.record] : statesOf(context, job);
  const { record, ended } = jobAfter(old, tasks, changed.record.state, now);
  const { state } = record;
  if (state === old.state && record.error === old.error) return { record, ended: false };
  sql.run(
    'update jobs set state = ?, started_at = ?, ended_at = ?, error = ? where num = ?',
    record.state,
    record.startedAt,
    record.endedAt,
    jsonText(record.error),
    job.num,
  );
  if (state !== old.state) memory.countJob(old.state, state);
  const wasOver = isJobOver(old.state);
  const isOver = isJobOver(state);
  if (isOver !== wasOver) memory.bundles.count(memory.bundles.get(job.bundleId), 0, isOver ? -1 : 1);
  if (ended) deliverEnd(context, record);
  return { record, ended };
}

function statesOf({ sql }: Context, job: StoredJob): Pick<TaskRecord, 'state' | 'error'>[] {
  return sql
    .all(
      "select state, iif(state = 'failed', error, null) as error from tasks where job_num = ? order by idx",
      job.num,
    )
    .map((row) => ({ state: String(row.state) as TaskState, error: json<TaskError>(row.error) }));
}
