/** The leases of running tasks in memory; the store gets them once a second, and is the truth about who holds what. */
import type { ControlConfig } from '../config/control-config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { LeaseReport } from '../protocol/agent.ts';
import type { TaskPhase } from '../protocol/jobs.ts';
import type { LeaseState, RetryPolicy, Store, TaskChange, TaskRecord } from '../store/store.ts';

/** A lease and what its node last said about the task. */
export interface Lease extends LeaseState {
  leaseUntil: number;
  phase: TaskPhase;
  frame: number;
  frames: number | null;
  fps: number | null;
}

/** What a heartbeat is told about the leases that it named. */
export interface BeatOutcome {
  readonly cancel: readonly { taskId: string; epoch: number }[];
  readonly lost: readonly { taskId: string; epoch: number }[];
  /** Leases whose phase or progress changed. */
  readonly moved: readonly Lease[];
  /** Tasks that the node took up again after their lease had ended. */
  readonly reattached: readonly TaskRecord[];
}

interface LeasesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly config: ControlConfig;
  readonly logger: Logger;
  /** Expired leases put tasks back into the queue, or ended them. */
  readonly onExpired: (change: TaskChange) => void;
}

/** The lease table of a running control plane. */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #byTask = new Map<string, Lease>();
  readonly #byNode = new Map<string, Map<string, Lease>>();
  readonly #dirty = new Set<Lease>();
  #sweeping = false;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** How long a lease lasts, ms. */
  get leaseMs(): number {
    return this.#options.config.leases.leaseSeconds * 1000;
  }

  /**
   * Reads the running tasks, once at start. Every lease lasts at least one lease time from now: nodes that went on
   * working while the control plane was away must not lose their tasks for it.
   */
  async load(): Promise<void> {
    const grace = this.#options.clock.now() + this.leaseMs;
    for (const task of await this.#options.store.listRunning()) {
      if (task.nodeId === null) continue;
      // Not what is stored, even if it is later: the clock may have been set back since.
      const lease = this.hold(task, task.nodeId, grace);
      this.#dirty.add(lease);
    }
    await this.flush();
  }

  /**
   * The clock went on by `ms` (back, when negative) without this program. Forward is like a restart: every lease lasts
   * at least one lease time from now.
   */
  shift(ms: number): void {
    const fresh = this.#options.clock.now() + this.leaseMs;
    for (const lease of this.#byTask.values()) {
      lease.leaseUntil = ms > 0 ? fresh : Math.min(lease.leaseUntil + ms, fresh);
      this.#dirty.add(lease);
    }
  }

  get size(): number {
    return this.#byTask.size;
  }

  get(taskId: string): Lease | undefined {
    return this.#byTask.get(taskId);
  }

  /** The leases of a node, in no particular order. */
  ofNode(nodeId: string): Iterable<Lease> {
    return this.#byNode.get(nodeId)?.values() ?? [];
  }

  countOfNode(nodeId: string): number {
    return this.#byNode.get(nodeId)?.size ?? 0;
  }

  /** Notes a claimed or re-attached task; the store has it already. */
  hold(task: TaskRecord, nodeId: string, leaseUntil: number): Lease {
    const old = this.#byTask.get(task.id);
    if (old) this.#forget(old);
    const { phase, frame, frames, fps } = task;
    const lease: Lease = {
      taskId: task.id,
      epoch: task.epoch,
      nodeId,
      leaseUntil,
      phase: phase ?? 'claimed',
      frame,
      frames,
      fps,
    };
    this.#byTask.set(task.id, lease);
    const own = this.#byNode.get(nodeId) ?? new Map<string, Lease>();
    this.#byNode.set(nodeId, own);
    own.set(task.id, lease);
    return lease;
  }

  /** The task is not running any more; a lease of a newer epoch stays. */
  drop(taskId: string, epoch: number): void {
    const lease = this.#byTask.get(taskId);
    if (lease && lease.epoch <= epoch) this.#forget(lease);
  }

  /** Whether the node holds this lease now. */
  holds(taskId: string, epoch: number, nodeId: string): boolean {
    const lease = this.#byTask.get(taskId);
    return lease !== undefined && lease.epoch === epoch && lease.nodeId === nodeId;
  }

  /** Renews what the node holds, re-attaches what it lost without anybody taking it, and says what it must stop. */
  async beat(nodeId: string, reports: readonly LeaseReport[]): Promise<BeatOutcome> {
    const until = this.#options.clock.now() + this.leaseMs;
    const moved: Lease[] = [];
    const strangers: LeaseReport[] = [];
    for (const report of reports) {
      const lease = this.#byTask.get(report.taskId);
      if (lease === undefined || lease.epoch !== report.epoch || lease.nodeId !== nodeId)
        strangers.push(report);
      else if (this.#renew(lease, report, until)) moved.push(lease);
    }
    if (strangers.length === 0) return { cancel: [], lost: [], moved, reattached: [] };
    return this.#settle(nodeId, strangers, until, moved);
  }

  /** Writes changed leases to the store. */
  async flush(): Promise<void> {
    if (this.#dirty.size === 0) return;
    const leases = [...this.#dirty];
    this.#dirty.clear();
    try {
      await this.#options.store.saveLeases(leases.map((lease) => ({ ...lease })));
    } catch (error) {
      for (const lease of leases) if (this.#byTask.get(lease.taskId) === lease) this.#dirty.add(lease);
      throw error;
    }
  }

  /** Once a second: writes behind, then ends the leases that ran out. */
  async sweep(policy: RetryPolicy): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      await this.flush();
      const now = this.#options.clock.now();
      const ended = [...this.#byTask.values()].filter((lease) => lease.leaseUntil < now);
      if (ended.length === 0) return;
      for (const change of await this.#options.store.expireLeases(now, policy)) {
        const { id: taskId, jobId, nodeId, epoch } = change.task;
        this.#options.logger.warn('lease.expired', {
          taskId,
          jobId,
          nodeId,
          epoch,
          state: change.task.state,
        });
        this.drop(taskId, epoch);
        this.#options.onExpired(change);
      }
      // What the store did not expire had ended some other way: the table follows the store.
      for (const lease of ended) {
        if (this.#byTask.get(lease.taskId) === lease && lease.leaseUntil < now) await this.#verify(lease);
      }
    } finally {
      this.#sweeping = false;
    }
  }

  async #settle(
    nodeId: string,
    strangers: readonly LeaseReport[],
    until: number,
    moved: Lease[],
  ): Promise<BeatOutcome> {
    const { store, clock, logger } = this.#options;
    const cancel: { taskId: string; epoch: number }[] = [];
    const lost: { taskId: string; epoch: number }[] = [];
    const reattached: TaskRecord[] = [];
    for (const report of strangers) {
      const { taskId, epoch } = report;
      const task = await store.reattach({ taskId, epoch, nodeId }, until, clock.now());
      if (task) {
        this.#renew(this.hold(task, nodeId, until), report, until);
        logger.info('lease.reattached', { taskId, nodeId, epoch });
        reattached.push(task);
        continue;
      }
      const current = await store.getTask(taskId);
      (current?.state === 'cancelled' ? cancel : lost).push({ taskId, epoch });
      logger.info('lease.refused', {
        taskId,
        nodeId,
        epoch,
        state: current?.state,
        currentEpoch: current?.epoch,
      });
    }
    return { cancel, lost, moved, reattached };
  }

  #renew(lease: Lease, report: LeaseReport, until: number): boolean {
    const moved =
      lease.phase !== report.phase ||
      lease.frame !== report.frame ||
      lease.frames !== report.frames ||
      lease.fps !== report.fps;
    lease.leaseUntil = until;
    lease.phase = report.phase;
    lease.frame = report.frame;
    lease.frames = report.frames;
    lease.fps = report.fps;
    this.#dirty.add(lease);
    return moved;
  }

  async #verify(lease: Lease): Promise<void> {
    const task = await this.#options.store.getTask(lease.taskId);
    if (task?.state === 'running' && task.epoch === lease.epoch) return;
    if (this.#byTask.get(lease.taskId) === lease) this.#forget(lease);
  }

  #forget(lease: Lease): void {
    this.#byTask.delete(lease.taskId);
    this.#dirty.delete(lease);
    const own = this.#byNode.get(lease.nodeId);
    own?.delete(lease.taskId);
    if (own?.size === 0) this.#byNode.delete(lease.nodeId);
  }
}
