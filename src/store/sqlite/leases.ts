/** Claims, reports and leases. */

import { isRetryable, lostTooOften, type RetryPolicy } from '../../jobs/retry-policy.ts';
import { isRepeated, type TaskEvent } from '../../jobs/task-state-machine.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type {
  ClaimInput,
  Fence,
  JobWithTask,
  LeaseState,
  ReportOutcome,
  TaskChange,
  TaskRecord,
} from '../store.ts';
import type { LeaseStore } from '../store-parts.ts';
import { type EventData, leaseLost } from '../task-transition.ts';
import { CHUNK, type Context } from './context.ts';
import { findAttempt, findTask, taskAt } from './find.ts';
import { noteReport } from './node-trust.ts';
import { type Head, isBefore } from './queue-heads.ts';
import { changeTask } from './task-change.ts';

export function leaseMethods(context: Context): LeaseStore {
  const { sql, writer } = context;
  return {
    claim: (input) => writer.write(() => claim(context, input)),

    complete: (fence, result, policy, now) =>
      writer.write(() => {
        const outcome = report(context, 'complete', fence, { type: 'complete' }, { now, result });
        const node = outcome.repeated
          ? null
          : noteReport(context, fence.nodeId, {
              template: outcome.job.template,
              succeeded: true,
              policy,
              now,
            });
        return { ...outcome, node };
      }),

    fail: (fence, error, policy, now) =>
      writer.write(() => {
        const retryable = isRetryable(error);
        const outcome = report(context, 'fail', fence, { type: 'fail', retryable, policy }, { now, error });
        const node =
          outcome.repeated || !retryable
            ? null
            : noteReport(context, fence.nodeId, {
                template: outcome.job.template,
                succeeded: false,
                policy,
                now,
              });
        return { ...outcome, node };
      }),

    release: (fence, reason, now) =>
      writer.write(() => {
        const error = { code: 'ABORTED', message: reason, retryable: true };
        return report(context, 'release', fence, { type: 'release' }, { now, error });
      }),

    reattach: (fence, leaseUntil, now) => writer.write(() => reattach(context, fence, leaseUntil, now)),

    async saveLeases(leases) {
      const refused: string[] = [];
      for (let i = 0; i < leases.length; i += CHUNK) {
        const chunk = leases.slice(i, i + CHUNK);
        const ended = await writer.write(() => chunk.filter((lease) => !saveLease(context, lease)));
        refused.push(...ended.map(({ taskId }) => taskId));
      }
      return refused;
    },

    async expireLeases(now, policy) {
      const changes: TaskChange[] = [];
      for (;;) {
        const chunk = await writer.write(() => expire(context, now, policy));
        changes.push(...chunk);
        if (chunk.length < CHUNK) return changes;
      }
    },

    async listRunning() {
      return sql
        .all("select job_num, idx from tasks indexed by tasks_running where state = 'running'")
        .map((row) => taskAt(context, { jobNum: Number(row.job_num), idx: Number(row.idx) }).task.record);
    },
  };
}

function claim(context: Context, input: ClaimInput): JobWithTask | null {
  const { memory } = context;
  const { nodeId, claimId, now, leaseUntil } = input;
  if (!memory.nodes.has(nodeId)) throw new FlatrenderError('NODE_NOT_FOUND', `there is no node ${nodeId}`);
  const running = memory.claimed(nodeId, claimId);
  if (running !== null) {
    const { job, task } = taskAt(context, running);
    // The answer was lost: the agent starts only now.
    setLease(context, job.num, task.record.index, leaseUntil);
    return { job: job.record, task: { ...task.record, leaseUntil } };
  }
  const head = bestHead(context, input);
  if (head === null) return null;
  const data: EventData = { now, nodeId, claimId, leaseUntil };
  const change = changeTask(context, taskAt(context, head), { type: 'claim' }, data);
  if (change === null) throw new Error(`the queue's task ${head.jobNum}.${head.idx} cannot be claimed`);
  return { job: change.job, task: change.task };
}

/** The best first task of the classes that the node accepts. */
function bestHead({ sql, memory }: Context, { accepts }: ClaimInput): Head | null {
  let best: Head | null = null;
  for (const classId of memory.heads.classIds()) {
    if (!accepts(memory.classes.get(classId).body)) continue;
    const head = memory.heads.head(sql, classId);
    if (head !== null && (best === null || isBefore(head, best))) best = head;
  }
  return best;
}

/** A report of a node about its attempt: accepted, known already, or LEASE_LOST. */
function report(
  context: Context,
  kind: 'complete' | 'fail' | 'release',
  fence: Fence,
  event: TaskEvent,
  data: EventData,
): ReportOutcome {
  const found = findTask(context, fence.taskId);
  if (found === null) throw new FlatrenderError('TASK_NOT_FOUND', `there is no task ${fence.taskId}`);
  const { record } = found.task;
  const attempt = findAttempt(context, found.task, fence.epoch);
  if (attempt === null || attempt.nodeId !== fence.nodeId) throw leaseLost(fence, record);
  if (isRepeated(kind, attempt.outcome)) {
    return { task: record, job: found.job.record, jobEnded: false, repeated: true, node: null };
  }
  const change = fence.epoch === record.epoch ? changeTask(context, found, event, data) : null;
  if (change === null) throw leaseLost(fence, record);
  const { task, job, jobEnded } = change;
  return { task, job, jobEnded, repeated: false, node: null };
}

function reattach(context: Context, fence: Fence, leaseUntil: number, now: number): TaskRecord | null {
  const found = findTask(context, fence.taskId);
  if (found === null) return null;
  const { record } = found.task;
  if (record.epoch !== fence.epoch || record.nodeId !== fence.nodeId) return null;
  if (record.state === 'running') {
    setLease(context, found.task.jobNum, record.index, leaseUntil);
    return { ...record, leaseUntil };
  }
  return changeTask(context, found, { type: 'reattach' }, { now, leaseUntil })?.task ?? null;
}

function setLease({ sql }: Context, jobNum: number, idx: number, leaseUntil: number): void {
  sql.run('update tasks set lease_until = ? where job_num = ? and idx = ?', leaseUntil, jobNum, idx);
}

function saveLease({ sql }: Context, lease: LeaseState): boolean {
  const dot = lease.taskId.lastIndexOf('.');
  const changed = sql.run(
    `update tasks set lease_until = ?, phase = ?, frame = ?, frames = ?, fps = ?
     where job_num = (select num from jobs where id = ?) and idx = ? and epoch = ? and node_id = ? and state = 'running'`,
    lease.leaseUntil,
    lease.phase,
    lease.frame,
    lease.frames,
    lease.fps,
    lease.taskId.slice(0, dot),
    Number(lease.taskId.slice(dot + 1)),
    lease.epoch,
    lease.nodeId,
  );
  return changed > 0;
}

/** Expires at most CHUNK leases. */
function expire(context: Context, now: number, policy: RetryPolicy): readonly TaskChange[] {
  return context.sql
    .all(
      `select job_num, idx from tasks indexed by tasks_running
       where state = 'running' and lease_until < ? limit ${CHUNK}`,
      now,
    )
    .flatMap((row) => {
      const found = taskAt(context, { jobNum: Number(row.job_num), idx: Number(row.idx) });
      const { losses, nodeId } = found.task.record;
      const taskError = lostTooOften(losses + 1, nodeId ?? 'unknown');
      const change = changeTask(context, found, { type: 'expire', policy }, { now, taskError });
      return change === null ? [] : [{ task: change.task, job: change.job, jobEnded: change.jobEnded }];
    });
}
