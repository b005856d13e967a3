/**
 * The leases of running tasks in memory; the store gets them once a second, and is the truth about who holds what. With
 * several control planes the table also follows what the others renew: a node may talk to any of them.
 */
import type { ControlConfig } from '../config/control-config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { LeaseReport } from '../protocol/agent.ts';
import type { FarmChange } from '../store/shared.ts';
import type { RetryPolicy, Store, TaskChange, TaskRecord } from '../store/store.ts';
import {
  type BeatOutcome,
  isMoved,
  type Lease,
  type LeaseNews,
  LeaseTable,
  leaseState,
} from './lease-table.ts';

interface LeasesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly config: ControlConfig;
  readonly logger: Logger;
  /** Expired leases put tasks back into the queue, or ended them. */
  readonly onExpired: (change: TaskChange) => void;
  /** Others claimed, renewed or ended; or a renewal was refused. */
  readonly onNews: (news: LeaseNews) => void;
}

const NO_NEWS: LeaseNews = { come: [], gone: [], moved: [] };
// Clocks that are kept in time differ by milliseconds: a lease that ends this much too late was renewed by a wrong one.
const WRONG_CLOCK_MS = 30_000;

/** The lease table of a running control plane. */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #table = new LeaseTable();
  #sweeping = false;
  /** They are being ended in the store right now: their nodes have to attach again. */
  #ending: ReadonlySet<Lease> = new Set();
  /** Nothing expires before: whoever renews must have had the chance to. */
  #expireFrom = 0;
  #syncing: Promise<void> = Promise.resolve();

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
    if (this.#options.store.shared) {
      // Not written: a control plane that starts again and again would keep the leases of dead nodes alive.
      this.postpone();
      return await this.sync();
    }
    const grace = this.#options.clock.now() + this.leaseMs;
    for (const task of await this.#options.store.listRunning()) {
      if (task.nodeId === null) continue;
      // Not what is stored, even if it is later: the clock may have been set back since.
      this.#table.touch(this.hold(task, task.nodeId, grace));
    }
    await this.flush();
  }

  /**
   * Nothing expires for one lease time: this control plane just became the one that does it, or the database was away
   * and no renewal could be written.
   */
  postpone(): void {
    this.#expireFrom = this.#options.clock.now() + this.leaseMs;
  }

  /**
   * The clock went on by `ms` (back, when negative) without this program. Forward is like a restart: every lease lasts
   * at least one lease time from now.
   */
  shift(ms: number): void {
    const fresh = this.#options.clock.now() + this.leaseMs;
    if (this.#options.store.shared) {
      // The others went on meanwhile: what they wrote counts.
      this.#expireFrom = fresh;
      return;
    }
    for (const lease of this.#table.all()) {
      lease.leaseUntil = ms > 0 ? fresh : Math.min(lease.leaseUntil + ms, fresh);
      this.#table.touch(lease);
    }
  }

  get size(): number {
    return this.#table.size;
  }

  get(taskId: string): Lease | undefined {
    return this.#table.get(taskId);
  }

  /** The leases of a node, in no particular order. */
  ofNode(nodeId: string): Iterable<Lease> {
    return this.#table.ofNode(nodeId);
  }

  countOfNode(nodeId: string): number {
    return this.#table.countOfNode(nodeId);
  }

  /** Notes a claimed or re-attached task; the store has it already. */
  hold(task: TaskRecord, nodeId: string, leaseUntil: number): Lease {
    const { id: taskId, epoch, phase, frame, frames, fps } = task;
    return this.#table.hold({
      ...{ taskId, epoch, nodeId, leaseUntil },
      ...{ phase: phase ?? 'claimed', frame, frames, fps },
    });
  }

  /** The task is not running any more; a lease of a newer epoch stays. */
  drop(taskId: string, epoch: number): void {
    const lease = this.#table.get(taskId);
    if (lease && lease.epoch <= epoch) this.#table.forget(lease);
    else this.#table.ended(taskId, epoch);
  }

  /** Whether the node holds this lease now. */
  holds(taskId: string, epoch: number, nodeId: string): boolean {
    const lease = this.#table.get(taskId);
    return lease !== undefined && lease.epoch === epoch && lease.nodeId === nodeId;
  }

  /** Renews what the node holds, re-attaches what it lost without anybody taking it, and says what it must stop. */
  async beat(nodeId: string, reports: readonly LeaseReport[]): Promise<BeatOutcome> {
    const until = this.#options.clock.now() + this.leaseMs;
    const moved: Lease[] = [];
    const strangers: LeaseReport[] = [];
    for (const report of reports) {
      const lease = this.#table.get(report.taskId);
      if (!lease || lease.epoch !== report.epoch || lease.nodeId !== nodeId || this.#ending.has(lease))
        strangers.push(report);
      else if (this.#renew(lease, report, until)) moved.push(lease);
    }
    if (strangers.length === 0) return { cancel: [], lost: [], moved, reattached: [] };
    return this.#settle(nodeId, strangers, until, moved);
  }

  /** Writes changed leases to the store. What it refuses is not held any more: the next heartbeat is told. */
  async flush(): Promise<void> {
    const { store, clock } = this.#options;
    // After a pause the others are ahead; what was renewed long before must not take the place of newer renewals.
    const notBefore = store.shared ? clock.now() + this.leaseMs / 2 : Number.NEGATIVE_INFINITY;
    const leases = this.#table.takeDirty().filter(({ leaseUntil }) => leaseUntil > notBefore);
    if (leases.length === 0) return;
    try {
      const refused = new Set(await store.saveLeases(leases.map(leaseState)));
      if (refused.size === 0) return;
      const gone = leases.filter((lease) => refused.has(lease.taskId) && this.#table.has(lease));
      for (const lease of gone) this.#table.forget(lease);
      this.#options.onNews({ ...NO_NEWS, gone });
    } catch (error) {
      for (const lease of leases) if (this.#table.has(lease)) this.#table.touch(lease);
      throw error;
    }
  }

  /** Compares with the leases that all control planes wrote. Nothing to do when this one has the store for itself. */
  sync(): Promise<void> {
    const { store, clock, onNews } = this.#options;
    const { shared } = store;
    if (shared === null) return Promise.resolve();
    const latest = (): number => clock.now() + this.leaseMs + WRONG_CLOCK_MS;
    const run = async (): Promise<void> => {
      const news = await this.#table.compare(() => shared.listLeases(), latest);
      if (shared.isLeader) this.#table.cap(latest(), clock.now() + this.leaseMs);
      onNews(news);
    };
    const done = this.#syncing.then(run);
    this.#syncing = done.catch(() => undefined);
    return done;
  }

  /** Another control plane gave a task away, or an attempt ended there. */
  heard({ taskId, epoch, nodeId, state }: Extract<FarmChange, { kind: 'task' }>): void {
    const lease = this.#table.get(taskId);
    if (state !== 'running' || nodeId === null) {
      this.drop(taskId, epoch);
      if (lease && !this.#table.has(lease)) this.#options.onNews({ ...NO_NEWS, gone: [lease] });
      return;
    }
    if (lease && lease.epoch >= epoch) return;
    const leaseUntil = this.#options.clock.now() + this.leaseMs;
    const start = { phase: 'claimed', frame: 0, frames: null, fps: null } as const;
    this.#options.onNews({
      ...NO_NEWS,
      come: [this.#table.hold({ taskId, epoch, nodeId, leaseUntil, ...start })],
    });
  }

  /** Once a second: writes behind, then ends the leases that ran out, if that is this control plane's to do. */
  async sweep(policy: RetryPolicy): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      // As of now: should the machine sleep while the store is asked, nobody was silent for that time.
      const now = this.#options.clock.now();
      await this.flush();
      await this.#expire(now, policy);
    } finally {
      this.#sweeping = false;
    }
  }

  async #expire(now: number, policy: RetryPolicy): Promise<void> {
    const { store, clock, logger, onExpired } = this.#options;
    const mayExpire = (): boolean => store.shared?.isLeader !== false && clock.now() >= this.#expireFrom;
    if (!mayExpire() || this.#table.endingBefore(now).length === 0) return;
    // They may have been renewed elsewhere, and leadership may be gone by now.
    await this.sync();
    const ended = this.#table.endingBefore(now);
    if (!mayExpire() || ended.length === 0) return;
    this.#ending = new Set(ended);
    try {
      for (const change of await store.expireLeases(now, policy)) {
        const { id: taskId, jobId, nodeId, epoch, state } = change.task;
        logger.warn('lease.expired', { taskId, jobId, nodeId, epoch, state });
        const again = this.#table.get(taskId);
        this.drop(taskId, epoch);
        onExpired(change);
        // Its node attached to it again before this was heard.
        if (again && !this.#ending.has(again)) this.#table.touch(this.#table.hold(again));
      }
    } finally {
      this.#ending = new Set();
    }
    if (store.shared) return;
    // What the store did not expire had ended some other way: the table follows the store.
    for (const lease of ended) {
      if (!this.#table.has(lease) || lease.leaseUntil >= now) continue;
      const task = await store.getTask(lease.taskId);
      const isRunning = task?.state === 'running' && task.epoch === lease.epoch;
      if (!isRunning && this.#table.has(lease)) this.#table.forget(lease);
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
      const held = await this.#heldElsewhere(nodeId, report);
      if (held) {
        if (isMoved(held, report)) moved.push(held);
        this.#renew(held, report, until);
        continue;
      }
      const task = await store.reattach({ taskId, epoch, nodeId }, until, clock.now());
      if (task) {
        this.#renew(this.hold(task, nodeId, until), report, until);
        logger.info('lease.reattached', { taskId, nodeId, epoch });
        reattached.push(task);
        continue;
      }
      const current = await store.getTask(taskId);
      (current?.state === 'cancelled' ? cancel : lost).push({ taskId, epoch });
      const now = { state: current?.state, currentEpoch: current?.epoch };
      logger.info('lease.refused', { taskId, nodeId, epoch, ...now });
    }
    return { cancel, lost, moved, reattached };
  }

  /** The lease that another control plane gave or renewed, now in this table as well. */
  async #heldElsewhere(nodeId: string, { taskId, epoch }: LeaseReport): Promise<Lease | null> {
    const { store, clock } = this.#options;
    if (store.shared === null) return null;
    const task = await store.getTask(taskId);
    if (task?.state !== 'running' || task.epoch !== epoch || task.nodeId !== nodeId) return null;
    return this.hold(task, nodeId, task.leaseUntil ?? clock.now() + this.leaseMs);
  }

  #renew(lease: Lease, report: LeaseReport, until: number): boolean {
    const moved = isMoved(lease, report);
    const { phase, frame, frames, fps } = report;
    Object.assign(lease, { leaseUntil: until, phase, frame, frames, fps });
    this.#table.touch(lease);
    return moved;
  }
}
