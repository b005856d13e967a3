/** Reports, renewals and expiry of leases. */
import { isRetryable, lostTooOften, type RetryPolicy } from '../../jobs/retry-policy.ts';
import { isRepeated, type TaskEvent } from '../../jobs/task-state-machine.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { portableJson } from '../portable-text.ts';
import type { ClaimInput, Fence, JobWithTask, LeaseState, ReportOutcome, TaskChange } from '../store.ts';
import type { LeaseStore } from '../store-parts.ts';
import { type EventData, leaseLost } from '../task-transition.ts';
import { claimAll } from './claims.ts';
import { CHUNK, type Context } from './context.ts';
import type { Queries, Transaction } from './database.ts';
import { findTasks } from './find.ts';
import { Lane, type Outcome } from './lane.ts';
import { nodesWithStreaks, noteReport } from './node-trust.ts';
import { TASK_COLUMNS } from './rows.ts';
import { Work } from './work.ts';

interface Report {
  readonly kind: 'complete' | 'fail' | 'release';
  readonly fence: Fence;
  readonly event: TaskEvent;
  readonly data: EventData;
  /** Whether it says something about the node: it worked, it failed, or nothing. */
  readonly verdict: boolean | null;
  readonly policy: RetryPolicy | null;
}

export function leaseMethods(context: Context): LeaseStore {
  const { db } = context;
  const claims = new Lane<ClaimInput, JobWithTask | null>((inputs) => claimAll(context, inputs));
  const reports = new Lane<Report, ReportOutcome>((inputs) => reportAll(context, inputs));
  return {
    claim: (input) => claims.do(input),

    complete: (fence, result, policy, now) =>
      reports.do({
        ...{ kind: 'complete', fence, event: { type: 'complete' } },
        ...{ data: { now, result }, verdict: true, policy },
      }),

    fail(fence, error, policy, now) {
      const retryable = isRetryable(error);
      const event: TaskEvent = { type: 'fail', retryable, policy };
      const verdict = retryable ? false : null;
      return reports.do({ kind: 'fail', fence, event, data: { now, error }, verdict, policy });
    },

    release(fence, reason, now) {
      const error = { code: 'ABORTED', message: reason, retryable: true };
      const event: TaskEvent = { type: 'release' };
      return reports.do({ kind: 'release', fence, event, data: { now, error }, verdict: null, policy: null });
    },

    reattach: (fence, leaseUntil, now) =>
      changing(context, async (work) => {
        await work.loadTasks([fence.taskId]);
        const task = work.task(fence.taskId);
        if (task === null || task.record.epoch !== fence.epoch || task.record.nodeId !== fence.nodeId)
          return null;
        if (task.record.state === 'running') return work.setLease(task, leaseUntil);
        return work.change(task, { type: 'reattach' }, { now, leaseUntil })?.task ?? null;
      }),

    async saveLeases(leases) {
      const refused: string[] = [];
      for (let i = 0; i < leases.length; i += 4 * CHUNK) {
        const chunk = leases.slice(i, i + 4 * CHUNK);
        refused.push(...(await db.transaction((queries) => saveChunk(queries, chunk))));
      }
      return refused;
    },

    async expireLeases(now, policy) {
      const changes: TaskChange[] = [];
      for (;;) {
        const chunk = await changing(context, (work, queries) => expire(work, queries, now, policy));
        changes.push(...chunk);
        if (chunk.length < CHUNK) return changes;
      }
    },

    listRunning: () => findTasks(context, "t.state = 'running'"),
  };
}

/** Changes tasks in one transaction; what it did is counted and announced once it is committed. */
export async function changing<T>(
  context: Context,
  run: (work: Work, queries: Transaction) => Promise<T>,
): Promise<T> {
  const { work, result } = await context.db.transaction(async (queries) => {
    const work = new Work(context, queries);
    const result = await run(work, queries);
    work.flush();
    return { work, result };
  });
  work.committed();
  return result;
}

function reportAll(context: Context, reports: readonly Report[]): Promise<readonly Outcome<ReportOutcome>[]> {
  return changing(context, async (work, queries) => {
    await work.loadTasks([...new Set(reports.map(({ fence }) => fence.taskId))]);
    const outcomes: Outcome<ReportOutcome>[] = [];
    for (const report of reports) {
      try {
        outcomes.push({ result: apply(work, report) });
      } catch (error) {
        if (!(error instanceof FlatrenderError)) throw error;
        outcomes.push({ refused: error });
      }
    }
    work.flush();
    await judgeNodes(work, queries, reports, outcomes);
    return outcomes;
  });
}

/** A report of a node about its attempt: accepted, known already, or LEASE_LOST. */
function apply(work: Work, { kind, fence, event, data }: Report): ReportOutcome {
  const task = work.task(fence.taskId);
  if (task === null) throw new FlatrenderError('TASK_NOT_FOUND', `there is no task ${fence.taskId}`);
  const attempt = work.attempt(task, fence.epoch);
  if (attempt === null || attempt.nodeId !== fence.nodeId) throw leaseLost(fence, task.record);
  if (isRepeated(kind, attempt.outcome))
    return { task: task.record, job: work.jobOf(task), jobEnded: false, repeated: true, node: null };
  const change = fence.epoch === task.record.epoch ? work.change(task, event, data) : null;
  if (change === null) throw leaseLost(fence, task.record);
  return { ...change, repeated: false, node: null };
}

/** What reports say about their nodes. After the tasks: nodes are locked last, and in their order. */
async function judgeNodes(
  work: Work,
  queries: Queries,
  reports: readonly Report[],
  outcomes: Outcome<ReportOutcome>[],
): Promise<void> {
  const working = reports.filter(({ verdict }) => verdict === true).map(({ fence }) => fence.nodeId);
  const forgetful = new Set(working.length > 0 ? await nodesWithStreaks(queries, working) : []);
  const nodeOf = (i: number): string => reports[i]?.fence.nodeId ?? '';
  // Reports of one node stay in their order.
  const order = [...reports.keys()].sort(
    (a, b) => Number(nodeOf(a) > nodeOf(b)) - Number(nodeOf(a) < nodeOf(b)),
  );
  for (const i of order) {
    const report = reports[i];
    const outcome = outcomes[i];
    if (!report?.policy || report.verdict === null || !outcome || 'refused' in outcome) continue;
    if (outcome.result.repeated) continue;
    const { template } = outcome.result.job;
    const { verdict: succeeded, policy, fence, data } = report;
    if (succeeded && !forgetful.has(fence.nodeId)) continue;
    const node = await noteReport(queries, fence.nodeId, { template, succeeded, policy, now: data.now });
    // Also when its success is in the same batch.
    if (!succeeded) forgetful.add(fence.nodeId);
    if (node !== null) work.nodeChanged(node.id);
    outcomes[i] = { result: { ...outcome.result, node } };
  }
}

async function saveChunk(queries: Queries, leases: readonly LeaseState[]): Promise<string[]> {
  const rows = await queries.rows(
    SAVE_LEASES,
    [
      portableJson(
        leases.map((lease, i) => {
          const dot = lease.taskId.lastIndexOf('.');
          const { epoch, nodeId, leaseUntil, phase, frame, frames, fps } = lease;
          const place = { i, job_id: lease.taskId.slice(0, dot), idx: lease.taskId.slice(dot + 1) };
          return { ...place, epoch, node_id: nodeId, lease_until: leaseUntil, phase, frame, frames, fps };
        }),
      ),
    ],
    'save-leases',
  );
  const saved = new Set(rows.map(({ i }) => Number(i)));
  return leases.filter((_, i) => !saved.has(i)).map(({ taskId }) => taskId);
}

async function expire(
  work: Work,
  queries: Queries,
  now: number,
  policy: RetryPolicy,
): Promise<readonly TaskChange[]> {
  // A task that somebody is changing at this moment is looked at again in a second.
  const rows = await queries.rows(
    `select ${TASK_COLUMNS} from tasks t where t.state = 'running' and t.lease_until < $1
     order by t.job_num, t.idx limit ${CHUNK} for update skip locked`,
    [now],
  );
  await work.take(rows);
  const changes: TaskChange[] = [];
  for (const task of work.tasks()) {
    const taskError = lostTooOften(task.record.losses + 1, task.record.nodeId ?? 'unknown');
    const change = work.change(task, { type: 'expire', policy }, { now, taskError });
    if (change !== null) changes.push(change);
  }
  return changes;
}

const SAVE_LEASES = `with wanted as (
  select t.job_num, t.idx as idx_, w.i, w.lease_until, w.phase, w.frame, w.frames, w.fps
  from json_to_recordset($1::json) as w (i int, job_id text, idx text, epoch int, node_id text,
    lease_until bigint, phase text, frame int, frames int, fps double precision)
  join jobs j on j.id = w.job_id
  join tasks t on t.job_num = j.num and t.idx::text = w.idx
    and t.epoch = w.epoch and t.node_id = w.node_id and t.state = 'running'
  order by t.job_num, t.idx for update of t
)
update tasks t set lease_until = w.lease_until, phase = w.phase, frame = w.frame, frames = w.frames, fps = w.fps
from wanted w where t.job_num = w.job_num and t.idx = w.idx_
returning w.i`;
