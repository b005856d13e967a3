/** What a farm promises, checked at every step on its data and, once all is healed, every second. */
import { isTaskOver } from '../../src/jobs/task-state-machine.ts';
import type { AttemptOutcome, TaskState } from '../../src/protocol/jobs.ts';
import type {
  ClaimInput,
  Fence,
  JobWithTask,
  LeaseState,
  ReportOutcome,
  TaskChange,
  TaskRecord,
} from '../../src/store/store.ts';
import type { Render } from './agent-node.ts';
import type { Observer } from './database.ts';
import type { FarmView } from './farm-data.ts';
import type { Objects } from './objects.ts';
import type { Plan } from './plan.ts';
import type { World } from './world.ts';

type Step = Parameters<Observer>[0];

// A heartbeat, a look at the database every two seconds, and some room.
const STOP_SECONDS = 12;
const STOP_BEATS = 3;

interface Known {
  readonly state: TaskState;
  readonly epoch: number;
  readonly result: string | null;
}

interface Attempt {
  readonly nodeId: string;
  readonly claimId: string;
  /** When the holder last had its lease renewed, and was told so. */
  heardAt: number;
}

export interface OracleOptions {
  readonly world: World;
  readonly plan: Plan;
  readonly objects: Objects;
  readonly policy: { readonly maxFailures: number; readonly maxLosses: number };
}

/** Names of what is checked, as violations carry them. */
export const INVARIANTS = {
  terminal: 'one accepted terminal state per task',
  epochs: 'epochs go up by one with each claim',
  fence: 'only the newest attempt’s report is accepted',
  renewal: 'only the holder renews a lease',
  early: 'a lease that is renewed in time does not expire',
  outputs: 'outputs referred to exist',
  budget: 'tries stay within the budget',
  twice: 'an agent renders one attempt of a task at a time',
  slots: 'an agent renders no more than its slots at once',
  outbox: 'a finished render survives the agent',
  repeated: 'a render that could go on is not repeated',
  cancel: 'cancel wins within a bound',
  zombie: 'work that is over elsewhere stops within a bound',
  starving: 'no queued task starves while a capable node is free',
  due: 'delayed jobs start when they are due',
  acknowledged: 'every acknowledged submit exists',
  ends: 'every acknowledged submit ends',
  once: 'a submission repeated with its key is stored once',
  delivery: 'the webhook of every ended job is stored',
  table: 'the lease table of a control plane follows the store',
} as const;

export class Oracle {
  readonly #options: OracleOptions;
  readonly #tasks = new Map<string, Known>();
  readonly #attempts = new Map<string, Attempt>();
  /** Finished renders that are on a node's disk: `node task epoch`. */
  readonly #kept = new Set<string>();
  readonly #renders = new Set<Render>();
  /** Renders of what is over elsewhere: since when, and how often their node was told since that all is well. */
  readonly #stale = new Map<string, { since: number; beats: number }>();
  /** How often each task was rendered. */
  readonly #times = new Map<string, number>();
  readonly cancelled = new Set<string>();
  /** Claims, completions and so on, by kind: a simulation that does nothing proves nothing. */
  readonly counts: Record<string, number> = {};

  constructor(options: OracleOptions) {
    this.#options = options;
  }

  readonly observe: Observer = (step) => {
    if (step.error !== null) return;
    switch (step.name) {
      case 'claim':
        return this.#claimed(step);
      case 'complete':
      case 'fail':
      case 'release':
        return this.#reported(step);
      case 'reattach':
        return this.#reattached(step);
      case 'saveLeases':
        return this.#renewed(step);
      case 'expireLeases':
        return this.#expired(step);
      case 'cancelJob':
      case 'retryJob':
        for (const task of (step.value as { tasks: readonly TaskRecord[] }).tasks) this.#saw(task, step.name);
        return;
      case 'removeNode':
        for (const { task } of step.value as readonly TaskChange[]) this.#saw(task, step.name);
        return;
      default:
    }
  };

  #count(kind: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }

  #violate(invariant: keyof typeof INVARIANTS, message: string): void {
    this.#options.world.violate(INVARIANTS[invariant], message);
  }

  #claimed({ args, value }: Step): void {
    const [{ nodeId, claimId }] = args as [ClaimInput];
    const task = (value as JobWithTask | null)?.task;
    if (!task) return;
    this.#count('claims');
    const before = this.#tasks.get(task.id);
    const key = `${task.id} ${task.epoch}`;
    const known = this.#attempts.get(key);
    if (known) {
      if (known.nodeId !== nodeId || known.claimId !== claimId)
        this.#violate('epochs', `${key} was given to ${known.nodeId} and to ${nodeId}`);
    } else if (task.epoch !== (before?.epoch ?? 0) + 1) {
      this.#violate('epochs', `${task.id} went from epoch ${before?.epoch ?? 0} to ${task.epoch}`);
    } else this.#attempts.set(key, { nodeId, claimId, heardAt: this.#options.world.now });
    this.#saw(task, 'claim');
  }

  #reported({ name, args, value }: Step): void {
    const [fence] = args as [Fence];
    const { task, repeated } = value as ReportOutcome;
    if (repeated) return;
    this.#count(name);
    const before = this.#tasks.get(task.id);
    const holder = this.#attempts.get(`${task.id} ${before?.epoch}`);
    if (before?.epoch !== fence.epoch || holder?.nodeId !== fence.nodeId) {
      const { epoch, nodeId } = fence;
      const newest = `${before?.epoch} of ${holder?.nodeId}`;
      this.#violate(
        'fence',
        `${name} of ${task.id} by ${nodeId} with ${epoch} was taken, but the newest is ${newest}`,
      );
    }
    if (name === 'complete') {
      const { key, sizeBytes } = task.result ?? { key: '', sizeBytes: -1 };
      if (this.#options.objects.stored.get(key)?.sizeBytes !== sizeBytes)
        this.#violate('outputs', `${task.id} succeeded with ${key}, which is not there`);
    }
    this.#saw(task, name);
  }

  #reattached({ args, value }: Step): void {
    const [fence] = args as [Fence];
    const task = value as TaskRecord | null;
    if (task === null) return;
    this.#count('reattached');
    if (this.#attempts.get(`${task.id} ${task.epoch}`)?.nodeId !== fence.nodeId || task.epoch !== fence.epoch)
      this.#violate('renewal', `${fence.nodeId} took up ${task.id} ${fence.epoch}, which it does not hold`);
    this.#saw(task, 'reattach');
  }

  #renewed({ args, value }: Step): void {
    const refused = new Set(value as readonly string[]);
    for (const { taskId, epoch, nodeId } of (args as [readonly LeaseState[]])[0]) {
      if (refused.has(taskId)) continue;
      const known = this.#tasks.get(taskId);
      const holder = this.#attempts.get(`${taskId} ${known?.epoch}`);
      if (known?.epoch !== epoch || holder?.nodeId !== nodeId || known.state !== 'running')
        this.#violate(
          'renewal',
          `${taskId} ${epoch} of ${nodeId} was renewed; the task is ${known?.state} ${known?.epoch}`,
        );
    }
  }

  #expired({ value }: Step): void {
    const { world, plan } = this.#options;
    // A second until it is written, a second between two looks, what the clocks of control planes differ by.
    const graceMs = 3000 + (plan.faults.has('skew') ? 2000 : 0);
    const hides = (
      [
        'storeOutage',
        'pause',
        'leap',
        'ackLost',
        'leader',
        'crashControl',
        'crashAtCommit',
        'delay',
        'restart',
      ] as const
    ).some((fault) => plan.faults.has(fault));
    for (const { task } of value as readonly TaskChange[]) {
      this.#count('expired');
      const heardAt = this.#attempts.get(`${task.id} ${task.epoch}`)?.heardAt ?? 0;
      const silent = world.now - heardAt;
      // What one control plane was told less than a second ago another one need not know yet.
      const isKnown = !plan.isShared || silent > 2000;
      if (!hides && isKnown && silent < plan.leaseSeconds * 1000 - graceMs)
        this.#violate(
          'early',
          `${task.id} ${task.epoch} expired ${silent} ms after its node was told that it holds it`,
        );
      this.#saw(task, 'expireLeases');
    }
  }

  /** A node asked at `askedAt` and was told now that it holds these. */
  heard(nodeId: string, refs: readonly { taskId: string; epoch: number }[], askedAt: number): void {
    for (const { taskId, epoch } of refs) {
      const attempt = this.#attempts.get(`${taskId} ${epoch}`);
      if (attempt?.nodeId === nodeId) attempt.heardAt = this.#options.world.now;
      const stale = this.#stale.get(`${nodeId} ${taskId} ${epoch}`);
      if (stale && askedAt >= stale.since) stale.beats += 1;
    }
  }

  /** Once a second: renders of what is over elsewhere. Whoever is not heard, or asks somebody without data, cannot know. */
  lookAtRenders(isHealed: boolean): void {
    const { world, plan } = this.#options;
    const wrong = new Set<string>();
    for (const { node, taskId, epoch, isAborted } of this.renders) {
      const task = this.#tasks.get(taskId);
      const attempt = this.#attempts.get(`${taskId} ${epoch}`);
      const isOwn = task?.epoch === epoch && attempt?.nodeId === node && !isTaskOver(task.state);
      if (isAborted || isOwn) continue;
      const key = `${node} ${taskId} ${epoch}`;
      wrong.add(key);
      const stale = this.#stale.get(key) ?? { since: world.now, beats: 0 };
      this.#stale.set(key, stale);
      const seconds = (world.now - stale.since) / 1000;
      const isBlind =
        !isHealed &&
        (['storeOutage', 'pause', 'delay', 'duplicate'] as const).some((fault) => plan.faults.has(fault));
      if (seconds <= STOP_SECONDS || stale.beats < (isHealed ? 1 : STOP_BEATS) || isBlind) continue;
      const what = `${key} goes on after ${seconds} s and ${stale.beats} heartbeats; the task is ${task?.state} ${task?.epoch}`;
      this.#violate(task?.state === 'cancelled' ? 'cancel' : 'zombie', what);
    }
    for (const key of this.#stale.keys()) if (!wrong.has(key)) this.#stale.delete(key);
  }

  #saw(task: TaskRecord, by: string): void {
    const { id, state, epoch, failures, losses } = task;
    const before = this.#tasks.get(id);
    const result = task.result?.key ?? null;
    if (before) {
      if (epoch < before.epoch) this.#violate('epochs', `${id} went from epoch ${before.epoch} to ${epoch}`);
      const changed = before.state !== state || before.result !== result;
      const mayChange = by === 'retryJob' && before.state !== 'succeeded';
      if (isTaskOver(before.state) && changed && !mayChange)
        this.#violate('terminal', `${id} was ${before.state} and became ${state} by ${by}`);
    }
    const { maxFailures, maxLosses } = this.#options.policy;
    if (failures > maxFailures || losses > maxLosses)
      this.#violate('budget', `${id} has ${failures} failures and ${losses} losses`);
    this.#tasks.set(id, { state, epoch, result });
  }

  /** An engine starts. */
  rendering(render: Render, slots: number): void {
    this.#count('renders');
    const { node, process, taskId, epoch } = render;
    for (const other of this.#renders)
      if (other.isOver || !other.process.isAlive) this.#renders.delete(other);
    const own = [...this.#renders].filter((other) => other.process === process && !other.isAborted);
    if (own.some((other) => other.taskId === taskId))
      this.#violate('twice', `${node} renders ${taskId} twice at once (epoch ${epoch})`);
    if (own.length >= slots)
      this.#violate('slots', `${node} renders ${own.length + 1} tasks with ${slots} slots`);
    if (this.#kept.has(`${node} ${taskId} ${epoch}`))
      this.#violate(
        'outbox',
        `${node} renders ${taskId} ${epoch} again; the finished file was in its outbox`,
      );
    this.#renders.add(render);
    const times = (this.#times.get(taskId) ?? 0) + 1;
    this.#times.set(taskId, times);
    if (this.#options.plan.isGentle && times > 1)
      this.#violate('repeated', `${node} renders ${taskId} ${epoch}: it is rendered for the ${times}th time`);
  }

  get renders(): readonly Render[] {
    return [...this.#renders].filter(({ isOver, process }) => !isOver && process.isAlive);
  }

  /** A finished render is on the node's disk. */
  kept(node: string, taskId: string, epoch: number): void {
    this.#kept.add(`${node} ${taskId} ${epoch}`);
  }

  /** The node's disk lost something. */
  lost(node: string): void {
    for (const key of this.#kept) if (key.startsWith(`${node} `)) this.#kept.delete(key);
  }

  /** What must hold when everything is over. */
  checkEnd(core: FarmView, acknowledged: ReadonlyMap<string, readonly string[]>): void {
    for (const [key, ids] of acknowledged) {
      for (const id of ids) {
        const found = core.getJob(id);
        if (found === null) this.#violate('acknowledged', `job ${id} (${key}) is not there`);
        else if (found.job.endedAt === null) this.#violate('ends', `job ${id} is ${found.job.state}`);
      }
    }
    const jobs = core.listJobs({ limit: 1000 });
    for (const { job, tasks } of jobs) {
      if (
        job.webhook !== null &&
        job.endedAt !== null &&
        core.getDelivery(`job.ended.${job.id}.${job.endedAt}`) === null
      )
        this.#violate('delivery', `job ${job.id} ended at ${job.endedAt}`);
      for (const task of tasks) this.#checkTask(core, task);
    }
  }

  #checkTask(core: FarmView, task: TaskRecord): void {
    const { id, state, epoch, result } = task;
    const known = this.#tasks.get(id);
    if (known && (known.state !== state || known.epoch !== epoch))
      this.#violate(
        'terminal',
        `${id} is ${state} ${epoch}, but was last seen ${known.state} ${known.epoch}`,
      );
    if (state === 'succeeded' && !this.#options.objects.stored.has(result?.key ?? ''))
      this.#violate('outputs', `${id} refers to ${result?.key}`);
    const attempts = core.listAttempts(task.jobId).filter(({ taskId }) => taskId === id);
    const won = attempts.filter(({ outcome }: { outcome: AttemptOutcome | null }) => outcome === 'succeeded');
    const { isGentle, faults } = this.#options.plan;
    // A lost answer is only missed after the longest wait for one: two of them take longer than a lease.
    const isLossy = faults.has('drop') || faults.has('partition') || faults.has('delay');
    if (
      isGentle &&
      !isLossy &&
      attempts.some(({ outcome }) => outcome === 'lost' || outcome === 'superseded')
    )
      this.#violate('repeated', `an attempt of ${id} was lost`);
    if (won.length > 1) this.#violate('terminal', `${id} has ${won.length} attempts that succeeded`);
  }
}
