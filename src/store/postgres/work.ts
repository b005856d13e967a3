/**
 * A set of tasks that one transaction changes: read and locked, changed in memory by the rules of `jobs/`, written with one
 * statement. Locks are always taken in this order, each by number: tasks, jobs, nodes. So no two transactions wait for each
 * other.
 */
import type { Requirement } from '../../jobs/requirements.ts';
import { applyTaskEvent, type TaskEvent } from '../../jobs/task-state-machine.ts';
import type { TaskState } from '../../protocol/jobs.ts';
import { portableJson } from '../portable-text.ts';
import { type StoredTask, toAttempt } from '../records.ts';
import type { FarmChange } from '../shared.ts';
import type { AttemptRecord, JobRecord, TaskChange, TaskRecord } from '../store.ts';
import { type EventData, jobAfter, requirementAfter, taskAfter } from '../task-transition.ts';
import { APPLY, attemptRow, deliveryRow, jobRow, taskRow } from './apply.ts';
import type { Context, RequirementClass } from './context.ts';
import { NeedsFirst, type Row, type Transaction } from './database.ts';
import { type StoredJob, TASK_COLUMNS, toJob, toTask } from './rows.ts';
import { findAttemptRows, findSiblingRows, lockedJobRows } from './work-rows.ts';

/** One change that was made and is to be counted. */
interface StateChange {
  readonly kind: 'task' | 'job';
  readonly from: string;
  readonly to: string;
}

export interface TaskPlace {
  readonly jobNum: number;
  readonly idx: number;
}

export class Work {
  readonly #context: Context;
  readonly #queries: Transaction;
  readonly #jobs = new Map<number, StoredJob>();
  readonly #jobIds = new Map<string, number>();
  readonly #tasks = new Map<string, StoredTask>();
  readonly #attempts = new Map<string, AttemptRecord>();
  readonly #siblings = new Map<number, Map<number, Pick<TaskRecord, 'state' | 'error'>>>();
  readonly #changedTasks = new Set<string>();
  readonly #changedAttempts = new Set<string>();
  readonly #changedJobs = new Set<number>();
  readonly #ended: JobRecord[] = [];
  readonly #changes: FarmChange[] = [];
  readonly #counted: StateChange[] = [];
  readonly #missing: Requirement[] = [];

  constructor(context: Context, queries: Transaction) {
    this.#context = context;
    this.#queries = queries;
  }

  /** Locks the tasks with these ids; ids of nothing are left out. */
  async loadTasks(taskIds: readonly string[]): Promise<void> {
    const dots = taskIds.map((id) => id.lastIndexOf('.'));
    const rows = await this.#queries.rows(
      `select ${TASK_COLUMNS} from unnest($1::text[], $2::text[]) as w (job_id, idx)
       join jobs j on j.id = w.job_id
       join tasks t on t.job_num = j.num and t.idx::text = w.idx
       order by t.job_num, t.idx for update of t`,
      [
        taskIds.map((id, i) => id.slice(0, Math.max(0, dots[i] ?? 0))),
        taskIds.map((id, i) => id.slice((dots[i] ?? 0) + 1)),
      ],
      'work-tasks',
    );
    await this.take(rows);
  }

  /** Takes task rows that were locked by the caller, and reads all that belongs to them. */
  async take(rows: readonly Row[]): Promise<void> {
    if (rows.length === 0) return;
    const { classes } = this.#context;
    await classes.load(
      this.#queries,
      rows.map((row) => Number(row.class_id)),
    );
    const nums = [...new Set(rows.map((row) => Number(row.job_num)))];
    const [jobs, attempts] = await Promise.all([
      lockedJobRows(this.#queries, nums),
      findAttemptRows(
        this.#queries,
        rows.filter((row) => Number(row.epoch) > 0),
      ),
    ]);
    for (const row of jobs) {
      const job = toJob(row);
      this.#jobs.set(job.num, job);
      this.#jobIds.set(job.record.id, job.num);
    }
    for (const row of rows) {
      const job = this.#jobs.get(Number(row.job_num));
      // Purged between the two statements.
      if (job) this.#tasks.set(placeKey(job.num, Number(row.idx)), toTask(row, job.record.id, classes));
    }
    for (const row of attempts) {
      const task = this.at({ jobNum: Number(row.job_num), idx: Number(row.idx) });
      if (task) this.#attempts.set(attemptKey(task, Number(row.epoch)), toAttempt(row, task.record.id));
    }
    await this.#loadSiblings(jobs.filter((row) => Number(row.tasks) > 1).map((row) => Number(row.num)));
  }

  job(id: string): StoredJob | null {
    const num = this.#jobIds.get(id);
    return num === undefined ? null : (this.#jobs.get(num) ?? null);
  }

  task(taskId: string): StoredTask | null {
    const dot = taskId.lastIndexOf('.');
    const num = this.#jobIds.get(taskId.slice(0, Math.max(0, dot)));
    return num === undefined ? null : (this.#tasks.get(`${num}.${taskId.slice(dot + 1)}`) ?? null);
  }

  at({ jobNum, idx }: TaskPlace): StoredTask | null {
    return this.#tasks.get(placeKey(jobNum, idx)) ?? null;
  }

  jobOf(task: StoredTask): JobRecord {
    const job = this.#jobs.get(task.jobNum);
    if (!job) throw new Error(`job ${task.jobNum} was not read`);
    return job.record;
  }

  tasks(): readonly StoredTask[] {
    return [...this.#tasks.values()];
  }

  attempt(task: StoredTask, epoch: number): AttemptRecord | null {
    return this.#attempts.get(attemptKey(task, epoch)) ?? null;
  }

  /** Applies the event; null when it is refused in the task's state. */
  change(task: StoredTask, event: TaskEvent, data: EventData): TaskChange | null {
    const attempt = this.attempt(task, task.record.epoch);
    const { state, epoch, failures, losses } = task.record;
    const facts = { state, epoch, failures, losses, attempt: attempt?.outcome ?? null };
    const transition = applyTaskEvent(facts, event);
    if (transition === null) return null;
    this.#noteAttempts(task, attempt, transition, data);
    const requirement = requirementAfter(task.record, transition);
    const entry =
      requirement === task.record.requirement
        ? { id: task.classId, requirement }
        : this.#classOf(requirement);
    const record = taskAfter({ ...task.record, requirement: entry.requirement }, attempt, transition, data);
    const isClaim = transition.epoch !== epoch;
    // Only of a running task: see the unique index.
    const kept = record.state === 'running' ? task.claimId : null;
    const claimId = isClaim ? (data.claimId ?? null) : kept;
    const next: StoredTask = { ...task, classId: entry.id, claimId, record };
    this.#put(next);
    if (record.state !== state) this.#counted.push({ kind: 'task', from: state, to: record.state });
    this.#announceTask(next);
    const { job, jobEnded } = this.#updateJob(next, data.now);
    return { task: record, job, jobEnded };
  }

  /** Renews the lease of a running task. */
  setLease(task: StoredTask, leaseUntil: number): TaskRecord {
    const record = { ...task.record, leaseUntil };
    this.#put({ ...task, record });
    return record;
  }

  /** Others look at this node again. */
  nodeChanged(nodeId: string): void {
    this.#changes.push({ kind: 'node', nodeId });
  }

  /**
   * Writes everything that changed; the commit tells whether that went well. With new classes the transaction is made a second
   * time, after them: a class stays, whatever becomes of the transaction, and one that waited for another connection while it
   * holds its own could wait for others that do the same.
   */
  flush(): void {
    if (this.#changedTasks.size === 0) return;
    const missing = this.#missing;
    if (missing.length > 0) throw new NeedsFirst((queries) => this.#context.classes.intern(queries, missing));
    this.#queries.send(APPLY, this.#written(), 'work-apply');
    this.#changedTasks.clear();
  }

  /** After the commit: counts, and tells the others. */
  committed(): void {
    const { counts, announce } = this.#context;
    for (const { kind, from, to } of this.#counted) {
      if (kind === 'task') counts.task(from as TaskState, to as TaskState);
      else counts.job(from as JobRecord['state'], to as JobRecord['state']);
    }
    announce(this.#changes);
  }

  /** For now without a number when this control plane has not met it: see `flush`. */
  #classOf(requirement: Requirement): RequirementClass {
    const known = this.#context.classes.find(requirement);
    if (known === null) this.#missing.push(requirement);
    return known ?? { id: 0, requirement };
  }

  #put(task: StoredTask): void {
    const key = placeKey(task.jobNum, task.record.index);
    this.#tasks.set(key, task);
    this.#changedTasks.add(key);
    this.#siblings.get(task.jobNum)?.set(task.record.index, task.record);
  }

  #announceTask({ record }: StoredTask): void {
    const { id: taskId, epoch, nodeId, state, requirement } = record;
    this.#changes.push({ kind: 'task', taskId, epoch, nodeId, state });
    if (state === 'queued') this.#changes.push({ kind: 'queued', requirement, count: 1 });
  }

  #updateJob(changed: StoredTask, now: number): { job: JobRecord; jobEnded: boolean } {
    const job = this.#jobs.get(changed.jobNum);
    if (!job) throw new Error(`job ${changed.jobNum} was not read`);
    const siblings = this.#siblings.get(job.num);
    const tasks = siblings
      ? [...siblings].sort(([a], [b]) => a - b).map(([, task]) => task)
      : [changed.record];
    const { record, ended } = jobAfter(job.record, tasks, changed.record.state, now);
    this.#changes.push({ kind: 'job', jobId: record.id });
    if (record.state === job.record.state && record.error === job.record.error)
      return { job: record, jobEnded: false };
    this.#jobs.set(job.num, { ...job, record });
    this.#changedJobs.add(job.num);
    if (record.state !== job.record.state)
      this.#counted.push({ kind: 'job', from: job.record.state, to: record.state });
    if (ended) this.#ended.push(record);
    if (ended && record.webhook !== null) this.#changes.push({ kind: 'delivery' });
    return { job: record, jobEnded: ended };
  }

  #noteAttempts(
    task: StoredTask,
    attempt: AttemptRecord | null,
    transition: NonNullable<ReturnType<typeof applyTaskEvent>>,
    data: EventData,
  ): void {
    const taskId = task.record.id;
    if (transition.previousAttempt !== null && attempt !== null)
      this.#putAttempt(task, { ...attempt, outcome: transition.previousAttempt });
    if (transition.epoch !== task.record.epoch) {
      const { epoch } = transition;
      const begun = { taskId, epoch, nodeId: data.nodeId ?? '', startedAt: data.now };
      this.#putAttempt(task, { ...begun, endedAt: null, outcome: null, error: null });
    } else if (attempt !== null && attempt.outcome !== transition.attempt) {
      const endedAt = transition.attempt === null ? null : data.now;
      this.#putAttempt(task, { ...attempt, outcome: transition.attempt, endedAt, error: data.error ?? null });
    }
  }

  #putAttempt(task: StoredTask, attempt: AttemptRecord): void {
    const key = attemptKey(task, attempt.epoch);
    this.#attempts.set(key, attempt);
    this.#changedAttempts.add(key);
  }

  async #loadSiblings(nums: readonly number[]): Promise<void> {
    if (nums.length === 0) return;
    for (const row of await findSiblingRows(this.#queries, nums)) {
      const num = Number(row.job_num);
      const own = this.#siblings.get(num) ?? new Map();
      this.#siblings.set(num, own);
      own.set(Number(row.idx), { state: row.state as TaskState, error: row.error as TaskRecord['error'] });
    }
    for (const task of this.#tasks.values())
      this.#siblings.get(task.jobNum)?.set(task.record.index, task.record);
  }

  #written(): string[] {
    const attempts = [...this.#changedAttempts].flatMap((key) => {
      const [jobNum = 0, idx = 0] = key.split('.').map(Number);
      const attempt = this.#attempts.get(key);
      return attempt ? [attemptRow(jobNum, idx, attempt)] : [];
    });
    const tasks = [...this.#changedTasks].flatMap((key) => this.#tasks.get(key) ?? []);
    const jobs = [...this.#changedJobs].flatMap((num) => this.#jobs.get(num) ?? []);
    return [tasks.map(taskRow), attempts, this.#ended.flatMap(deliveryRow), jobs.map(jobRow)].map((rows) =>
      portableJson(rows),
    );
  }
}

function placeKey(jobNum: number, idx: number): string {
  return `${jobNum}.${idx}`;
}

function attemptKey({ jobNum, record }: StoredTask, epoch: number): string {
  return `${jobNum}.${record.index}.${epoch}`;
}
