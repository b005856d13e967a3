/** Jobs, tasks, attempts and leases in memory, by the same rules as every store: `src/jobs` says what leads where. */
import { deriveJobState, isJobOver } from '../../src/jobs/job-state.ts';
import { afterFailure, afterSuccess, type NodeTrust } from '../../src/jobs/node-streaks.ts';
import { requirementKey } from '../../src/jobs/requirements.ts';
import { isRetryable, lostTooOften, type RetryPolicy } from '../../src/jobs/retry-policy.ts';
import {
  applyTaskEvent,
  isRepeated,
  isTaskOver,
  type TaskEvent,
  type Transition,
} from '../../src/jobs/task-state-machine.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { jobIdOf, taskIdOf } from '../../src/lib/ids.ts';
import type { AttemptOutcome, TaskError, TaskResult } from '../../src/protocol/jobs.ts';
import type { FarmChange } from '../../src/store/shared.ts';
import type {
  AttemptRecord,
  ClaimInput,
  Fence,
  JobRecord,
  JobWithTask,
  JobWithTasks,
  LeaseState,
  NewJob,
  NodeRecord,
  ReportOutcome,
  StoredLogLine,
  TaskChange,
  TaskRecord,
} from '../../src/store/store.ts';

export interface MemoryTask {
  record: TaskRecord;
  claimId: string | null;
  readonly readyAt: number | null;
  readonly attempts: (AttemptRecord & { logBytes: number })[];
}

export interface MemoryJob {
  readonly num: number;
  record: JobRecord;
  readonly tasks: MemoryTask[];
  readonly log: StoredLogLine[];
}

export interface MemoryNode {
  record: NodeRecord;
  streaks: NodeTrust['streaks'];
  revision: number;
  isRemoved: boolean;
}

/** What comes with an event. */
interface EventData {
  readonly now: number;
  readonly nodeId?: string;
  readonly claimId?: string;
  readonly leaseUntil?: number;
  readonly result?: TaskResult;
  readonly error?: TaskError;
  readonly taskError?: TaskError;
}

const REPORTS = { complete: 'complete', fail: 'fail', release: 'release' } as const;

/** The tables of one farm. */
export class MemoryJobs {
  readonly jobs = new Map<string, MemoryJob>();
  readonly nodes = new Map<string, MemoryNode>();
  readonly idempotency = new Map<string, { bodySha256: string; usedAt: number; ids: readonly string[] }>();
  /** Told of everything that other control planes on the same farm hear of. */
  readonly changed: FarmChange[] = [];
  readonly #queued = new Set<MemoryTask>();
  readonly #running = new Set<MemoryTask>();
  #nextNum = 1;

  /** Called with each job that ends. */
  protected ended(_job: JobRecord): void {}

  submit(jobs: readonly NewJob[], idempotency?: { readonly key: string; readonly bodySha256: string }) {
    const earlier = idempotency && this.idempotency.get(idempotency.key);
    if (idempotency && earlier) {
      if (earlier.bodySha256 !== idempotency.bodySha256) {
        throw new FlatrenderError(
          'IDEMPOTENCY_CONFLICT',
          `the idempotency key "${idempotency.key}" was used before`,
        );
      }
      const known = earlier.ids.flatMap((id) => this.jobs.get(id)?.record ?? []);
      return { jobs: known, repeated: true };
    }
    const ids = new Set(jobs.map(({ id }) => id));
    if (ids.size < jobs.length || jobs.some(({ id }) => this.jobs.has(id))) {
      throw new FlatrenderError('STORE_FAILED', 'a job of that id is there already');
    }
    const records = jobs.map((job) => this.#insert(job));
    const [first] = jobs;
    if (idempotency && first) {
      const { key, bodySha256 } = idempotency;
      this.idempotency.set(key, { bodySha256, usedAt: first.createdAt, ids: jobs.map(({ id }) => id) });
    }
    return { jobs: records, repeated: false };
  }

  #insert({ tasks, ...fields }: NewJob): JobRecord {
    const isDelayed = fields.runAt !== null && fields.runAt > fields.createdAt;
    const record: JobRecord = {
      ...fields,
      state: isDelayed ? 'scheduled' : 'queued',
      startedAt: null,
      endedAt: null,
      error: null,
    };
    const job: MemoryJob = { num: this.#nextNum++, record, tasks: [], log: [] };
    for (const [index, { requirement, output }] of tasks.entries()) {
      const task: MemoryTask = {
        claimId: null,
        readyAt: isDelayed ? fields.runAt : null,
        attempts: [],
        record: {
          id: taskIdOf(fields.id, index),
          jobId: fields.id,
          index,
          state: isDelayed ? 'blocked' : 'queued',
          epoch: 0,
          nodeId: null,
          priority: fields.priority,
          requirement: {
            ...requirement,
            tags: [...requirement.tags].sort(),
            fallback: requirement.node === null || requirement.fallback,
          },
          output,
          failures: 0,
          losses: 0,
          leaseUntil: null,
          phase: null,
          frame: 0,
          frames: null,
          fps: null,
          result: null,
          error: null,
          startedAt: null,
          endedAt: null,
        },
      };
      job.tasks.push(task);
      this.#note(task);
      if (!isDelayed) this.changed.push({ kind: 'queued', requirement: task.record.requirement, count: 1 });
    }
    this.jobs.set(fields.id, job);
    this.changed.push({ kind: 'job', jobId: fields.id });
    if (isDelayed) this.changed.push({ kind: 'delayed', runAt: fields.runAt ?? 0 });
    return record;
  }

  find(taskId: string): { job: MemoryJob; task: MemoryTask } | null {
    const job = this.jobs.get(jobIdOf(taskId));
    const task = job?.tasks.find(({ record }) => record.id === taskId);
    return job && task ? { job, task } : null;
  }

  withTasks(job: MemoryJob): JobWithTasks {
    return { job: job.record, tasks: job.tasks.map((task) => task.record) };
  }

  require(id: string): MemoryJob {
    const job = this.jobs.get(id);
    if (job) return job;
    throw new FlatrenderError('JOB_NOT_FOUND', `there is no job ${id}`);
  }

  running(): TaskRecord[] {
    return [...this.#running].map(({ record }) => record);
  }

  queued(): TaskRecord[] {
    return [...this.#queued].map(({ record }) => record);
  }

  command(id: string, event: (task: MemoryTask) => TaskEvent, now: number) {
    const job = this.require(id);
    const tasks = job.tasks.flatMap((task) => (this.#apply(task, event(task), { now }) ? [task.record] : []));
    if (tasks.length === 0) {
      const { state } = job.record;
      throw new FlatrenderError('JOB_STATE', `job ${id} is ${state}`, { details: { state } });
    }
    this.#derive(job, now);
    return { job: job.record, tasks };
  }

  promoteDue(now: number) {
    const due = this.#blocked().filter((task) => (task.readyAt ?? 0) <= now);
    const jobIds = new Set<string>();
    for (const task of due) {
      this.#change(task, { type: 'ready' }, { now });
      jobIds.add(task.record.jobId);
    }
    const times = this.#blocked().map((task) => task.readyAt ?? 0);
    return {
      promoted: due.length,
      jobIds: [...jobIds],
      nextAt: times.length > 0 ? Math.min(...times) : null,
    };
  }

  #blocked(): MemoryTask[] {
    return [...this.jobs.values()].flatMap((job) =>
      job.tasks.filter((task) => task.record.state === 'blocked' && task.readyAt !== null),
    );
  }

  claim({ nodeId, claimId, accepts, now, leaseUntil }: ClaimInput): JobWithTask | null {
    const node = this.nodes.get(nodeId);
    if (!node || node.isRemoved) throw new FlatrenderError('NODE_NOT_FOUND', `there is no node ${nodeId}`);
    for (const task of this.#running) {
      if (task.claimId !== claimId || task.record.nodeId !== nodeId) continue;
      task.record = { ...task.record, leaseUntil };
      return { job: this.require(task.record.jobId).record, task: task.record };
    }
    const verdicts = new Map<string, boolean>();
    let best: MemoryTask | null = null;
    for (const task of this.#queued) {
      const key = requirementKey(task.record.requirement);
      const verdict = verdicts.get(key) ?? accepts(task.record.requirement);
      verdicts.set(key, verdict);
      if (verdict && (best === null || this.#isBefore(task, best))) best = task;
    }
    if (best === null) return null;
    this.#change(best, { type: 'claim' }, { now, nodeId, claimId, leaseUntil });
    return { job: this.require(best.record.jobId).record, task: best.record };
  }

  #isBefore(a: MemoryTask, b: MemoryTask): boolean {
    if (a.record.priority !== b.record.priority) return a.record.priority > b.record.priority;
    const [left, right] = [this.require(a.record.jobId).num, this.require(b.record.jobId).num];
    return left === right ? a.record.index < b.record.index : left < right;
  }

  complete(fence: Fence, result: TaskResult, policy: RetryPolicy, now: number): ReportOutcome {
    const outcome = this.#report('complete', fence, { type: 'complete' }, { now, result });
    const node = outcome.repeated ? null : this.#trust(fence.nodeId, outcome.job.template, true, policy, now);
    return { ...outcome, node };
  }

  fail(fence: Fence, error: TaskError, policy: RetryPolicy, now: number): ReportOutcome {
    const retryable = isRetryable(error);
    const outcome = this.#report('fail', fence, { type: 'fail', retryable, policy }, { now, error });
    const counts = !outcome.repeated && retryable;
    const node = counts ? this.#trust(fence.nodeId, outcome.job.template, false, policy, now) : null;
    return { ...outcome, node };
  }

  release(fence: Fence, reason: string, now: number): ReportOutcome {
    const error = { code: 'ABORTED', message: reason, retryable: true };
    return this.#report('release', fence, { type: 'release' }, { now, error });
  }

  #report(kind: keyof typeof REPORTS, fence: Fence, event: TaskEvent, data: EventData): ReportOutcome {
    const found = this.find(fence.taskId);
    if (!found) throw new FlatrenderError('TASK_NOT_FOUND', `there is no task ${fence.taskId}`);
    const { job, task } = found;
    const attempt = task.attempts.find(({ epoch }) => epoch === fence.epoch);
    if (attempt?.nodeId !== fence.nodeId) throw leaseLost(fence, task.record);
    if (isRepeated(kind, attempt.outcome)) {
      return { task: task.record, job: job.record, jobEnded: false, repeated: true, node: null };
    }
    const change = fence.epoch === task.record.epoch ? this.#change(task, event, data) : null;
    if (change === null) throw leaseLost(fence, task.record);
    return { ...change, repeated: false, node: null };
  }

  reattach({ taskId, epoch, nodeId }: Fence, leaseUntil: number, now: number): TaskRecord | null {
    const task = this.find(taskId)?.task;
    if (task?.record.epoch !== epoch || task.record.nodeId !== nodeId) return null;
    if (task.record.state !== 'running') {
      return this.#change(task, { type: 'reattach' }, { now, leaseUntil })?.task ?? null;
    }
    task.record = { ...task.record, leaseUntil };
    return task.record;
  }

  saveLeases(leases: readonly LeaseState[]): string[] {
    return leases.filter((lease) => !this.saveLease(lease)).map(({ taskId }) => taskId);
  }

  saveLease({ taskId, epoch, nodeId, leaseUntil, phase, frame, frames, fps }: LeaseState): boolean {
    const task = this.find(taskId)?.task;
    const { record } = task ?? {};
    if (!task || record?.state !== 'running' || record.epoch !== epoch || record.nodeId !== nodeId)
      return false;
    task.record = { ...record, leaseUntil, phase, frame, frames, fps };
    return true;
  }

  expireLeases(now: number, policy: RetryPolicy): TaskChange[] {
    const due = [...this.#running].filter(({ record }) => (record.leaseUntil ?? 0) < now);
    return due.flatMap((task) => {
      const taskError = lostTooOften(task.record.losses + 1, task.record.nodeId ?? 'unknown');
      return this.#change(task, { type: 'expire', policy }, { now, taskError }) ?? [];
    });
  }

  /** Hands the running tasks of a node back. */
  interrupt(nodeId: string, error: TaskError, now: number): TaskChange[] {
    const own = [...this.#running].filter(({ record }) => record.nodeId === nodeId);
    return own.flatMap((task) => this.#change(task, { type: 'release' }, { now, error }) ?? []);
  }

  /** Removes a job with all it had. */
  forget(job: MemoryJob): void {
    this.jobs.delete(job.record.id);
    for (const task of job.tasks) {
      this.#queued.delete(task);
      this.#running.delete(task);
    }
  }

  #change(task: MemoryTask, event: TaskEvent, data: EventData): TaskChange | null {
    if (!this.#apply(task, event, data)) return null;
    const job = this.require(task.record.jobId);
    const jobEnded = this.#derive(job, data.now);
    return { task: task.record, job: job.record, jobEnded };
  }

  #apply(task: MemoryTask, event: TaskEvent, data: EventData): boolean {
    const old = task.record;
    const attempt = task.attempts.find(({ epoch }) => epoch === old.epoch);
    const { state, epoch, failures, losses } = old;
    const facts = { state, epoch, failures, losses, attempt: attempt?.outcome ?? null };
    const transition = applyTaskEvent(facts, event);
    if (transition === null) return false;
    this.#writeAttempt(task, transition, data);
    const isClaim = transition.epoch !== epoch;
    const avoid = { keep: old.requirement.avoid, attempt: old.nodeId, nobody: null }[transition.avoid];
    task.record = {
      ...old,
      ...next(old, transition, data),
      requirement: avoid === old.requirement.avoid ? old.requirement : { ...old.requirement, avoid },
      nodeId: isClaim ? (data.nodeId ?? null) : old.nodeId,
      startedAt: startedAfter(transition, isClaim ? data.now : (attempt?.startedAt ?? null)),
    };
    if (isClaim) task.claimId = data.claimId ?? null;
    this.#note(task);
    const { record } = task;
    const told = { taskId: record.id, epoch: record.epoch, nodeId: record.nodeId, state: record.state };
    this.changed.push({ kind: 'task', ...told });
    if (record.state === 'queued') {
      this.changed.push({ kind: 'queued', requirement: record.requirement, count: 1 });
    }
    return true;
  }

  #writeAttempt(
    { attempts, record }: MemoryTask,
    transition: Transition,
    { now, nodeId, error }: EventData,
  ): void {
    const change = (epoch: number, changes: Partial<AttemptRecord>): void => {
      const i = attempts.findIndex((each) => each.epoch === epoch);
      const attempt = attempts[i];
      if (attempt) attempts[i] = { ...attempt, ...changes };
    };
    if (transition.previousAttempt !== null) change(record.epoch, { outcome: transition.previousAttempt });
    if (transition.epoch !== record.epoch) {
      const started = { taskId: record.id, epoch: transition.epoch, nodeId: nodeId ?? '', startedAt: now };
      attempts.push({ ...started, endedAt: null, outcome: null, error: null, logBytes: 0 });
      return;
    }
    const attempt = attempts.find((each) => each.epoch === record.epoch);
    if (!attempt || attempt.outcome === transition.attempt) return;
    const outcome: AttemptOutcome | null = transition.attempt;
    change(record.epoch, { outcome, endedAt: outcome === null ? null : now, error: error ?? null });
  }

  #note(task: MemoryTask): void {
    if (task.record.state === 'queued') this.#queued.add(task);
    else this.#queued.delete(task);
    if (task.record.state === 'running') this.#running.add(task);
    else this.#running.delete(task);
  }

  #derive(job: MemoryJob, now: number): boolean {
    const old = job.record;
    const tasks = job.tasks.map(({ record }) => record);
    const state = deriveJobState(tasks.map((task) => task.state));
    const isOver = isJobOver(state);
    const error = tasks.find((task) => task.state === 'failed')?.error ?? null;
    this.changed.push({ kind: 'job', jobId: old.id });
    if (state === old.state && error === old.error) return false;
    const isStarted = tasks.some((task) => task.state === 'running');
    job.record = {
      ...old,
      state,
      startedAt: old.startedAt ?? (isStarted ? now : null),
      endedAt: isOver ? now : null,
      error,
    };
    const ended = isOver && !isJobOver(old.state);
    if (ended) this.ended(job.record);
    return ended;
  }

  #trust(
    nodeId: string,
    template: string,
    succeeded: boolean,
    policy: RetryPolicy,
    now: number,
  ): NodeRecord | null {
    const node = this.nodes.get(nodeId);
    if (!node || node.isRemoved) return null;
    const { blockedTemplates, quarantine } = node.record;
    const before = { streaks: node.streaks, blockedTemplates, quarantined: quarantine?.reason ?? null };
    const after = succeeded ? afterSuccess(before, template) : afterFailure(before, template, policy);
    node.streaks = after.streaks;
    if (after.blockedTemplates === blockedTemplates && after.quarantined === before.quarantined) return null;
    const reason = after.quarantined;
    node.record = {
      ...node.record,
      blockedTemplates: after.blockedTemplates,
      quarantine: reason === null ? null : (quarantine ?? { since: now, reason }),
    };
    node.revision += 1;
    this.changed.push({ kind: 'node', nodeId });
    return node.record;
  }
}

function startedAfter({ state }: Transition, startedAt: number | null): number | null {
  return state === 'queued' || state === 'blocked' ? null : startedAt;
}

function next(
  old: TaskRecord,
  { state, epoch, failures, losses }: Transition,
  data: EventData,
): Partial<TaskRecord> {
  const frames = data.result?.frames ?? old.frames;
  const progress =
    state === 'succeeded'
      ? { phase: 'done' as const, frame: frames ?? old.frame, frames, fps: null }
      : state === 'running'
        ? { phase: 'claimed' as const, frame: 0, frames: null, fps: null }
        : isTaskOver(state)
          ? { fps: null }
          : { phase: null, frame: 0, frames: null, fps: null };
  const error =
    state === 'failed'
      ? (data.taskError ?? data.error ?? old.error)
      : state === 'queued' && old.state !== 'failed'
        ? (data.error ?? old.error)
        : null;
  return {
    state,
    epoch,
    failures,
    losses,
    ...progress,
    leaseUntil: state === 'running' ? (data.leaseUntil ?? old.leaseUntil) : null,
    result: state === 'succeeded' ? (data.result ?? null) : null,
    error,
    endedAt: isTaskOver(state) ? data.now : null,
  };
}

function leaseLost(fence: Fence, { id, state, epoch }: TaskRecord): FlatrenderError {
  return new FlatrenderError(
    'LEASE_LOST',
    `node ${fence.nodeId} no longer holds task ${id}: it is ${state}`,
    {
      details: { state, epoch },
    },
  );
}
