/** Leases in memory, by task and by node, and which of them the store does not have yet. */
import type { TaskPhase } from '../protocol/jobs.ts';
import type { LeaseState, TaskRecord } from '../store/store.ts';

/** A lease and what its node last said about the task. */
export interface Lease extends LeaseState {
  leaseUntil: number;
  phase: TaskPhase;
  frame: number;
  frames: number | null;
  fps: number | null;
  /** Renewed here since it was last written. */
  isDirty: boolean;
  /** When it came into the table, in steps of the table. */
  readonly since: number;
}

/** What a comparison with the store changed. */
export interface LeaseNews {
  readonly come: readonly Lease[];
  readonly gone: readonly Lease[];
  readonly moved: readonly Lease[];
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

export class LeaseTable {
  readonly #byTask = new Map<string, Lease>();
  readonly #byNode = new Map<string, Map<string, Lease>>();
  readonly #dirty = new Set<Lease>();
  /** Newest epochs that ended here while the store is being read: what was read may be older. */
  readonly #ended = new Map<string, number>();
  #steps = 0;
  #readers = 0;

  get size(): number {
    return this.#byTask.size;
  }

  get(taskId: string): Lease | undefined {
    return this.#byTask.get(taskId);
  }

  all(): Iterable<Lease> {
    return this.#byTask.values();
  }

  ofNode(nodeId: string): Iterable<Lease> {
    return this.#byNode.get(nodeId)?.values() ?? [];
  }

  countOfNode(nodeId: string): number {
    return this.#byNode.get(nodeId)?.size ?? 0;
  }

  /** Whether this very lease is in the table. */
  has(lease: Lease): boolean {
    return this.#byTask.get(lease.taskId) === lease;
  }

  /** Puts a lease in the place of an older one of the same task. */
  hold(state: LeaseState): Lease {
    const old = this.#byTask.get(state.taskId);
    if (old) this.#remove(old);
    this.#steps += 1;
    const { taskId, epoch, nodeId, leaseUntil, phase, frame, frames, fps } = state;
    const about = { phase, frame, frames, fps, isDirty: false, since: this.#steps };
    const lease: Lease = { taskId, epoch, nodeId, leaseUntil, ...about };
    this.#byTask.set(taskId, lease);
    const own = this.#byNode.get(nodeId) ?? new Map<string, Lease>();
    this.#byNode.set(nodeId, own);
    own.set(taskId, lease);
    return lease;
  }

  /** It ended. */
  forget(lease: Lease): void {
    if (this.#readers > 0) this.ended(lease.taskId, lease.epoch);
    this.#remove(lease);
  }

  /** An attempt is over, whether or not its lease is known here. */
  ended(taskId: string, epoch: number): void {
    if (this.#readers > 0) this.#ended.set(taskId, Math.max(epoch, this.#ended.get(taskId) ?? 0));
  }

  /** Leases that end before this time (epoch ms). */
  endingBefore(time: number): Lease[] {
    return [...this.#byTask.values()].filter(({ leaseUntil }) => leaseUntil < time);
  }

  /** Renewals of a clock that was far ahead would keep the tasks of dead nodes for as long: they end at `until`. */
  cap(latest: number, until: number): void {
    for (const lease of this.#byTask.values()) {
      if (lease.leaseUntil <= latest) continue;
      lease.leaseUntil = until;
      this.touch(lease);
    }
  }

  /** The store is to get it. */
  touch(lease: Lease): void {
    lease.isDirty = true;
    this.#dirty.add(lease);
  }

  /** What the store is to get; from now on it counts as written. */
  takeDirty(): Lease[] {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const lease of dirty) lease.isDirty = false;
    return dirty;
  }

  /**
   * Compares with what `read` finds in the store. Newer renewals of this control plane stay, and so does what came or
   * ended while it was read. Renewals beyond `latest` (epoch ms) are those of a clock that is wrong.
   */
  async compare(read: () => Promise<readonly LeaseState[]>, latest: () => number): Promise<LeaseNews> {
    const before = this.#steps;
    this.#readers += 1;
    try {
      const rows = await read();
      return this.#apply(rows, before, latest());
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) this.#ended.clear();
    }
  }

  #apply(rows: readonly LeaseState[], before: number, latest: number): LeaseNews {
    const come: Lease[] = [];
    const gone: Lease[] = [];
    const moved: Lease[] = [];
    const seen = new Set<string>();
    for (const row of rows) {
      seen.add(row.taskId);
      if ((this.#ended.get(row.taskId) ?? 0) >= row.epoch) continue;
      const lease = this.#byTask.get(row.taskId);
      if (lease === undefined || lease.epoch < row.epoch) come.push(this.hold(row));
      else if (lease.epoch === row.epoch && this.#follow(lease, row, latest)) moved.push(lease);
    }
    for (const lease of this.#byTask.values()) {
      if (seen.has(lease.taskId) || lease.since > before) continue;
      this.#remove(lease);
      gone.push(lease);
    }
    return { come, gone, moved };
  }

  /** Takes over what another control plane wrote; true when people see a difference. */
  #follow(lease: Lease, row: LeaseState, latest: number): boolean {
    if (lease.isDirty && (row.leaseUntil <= lease.leaseUntil || row.leaseUntil > latest)) return false;
    if (row.leaseUntil < lease.leaseUntil) return false;
    const moved = isMoved(lease, row);
    const { leaseUntil, phase, frame, frames, fps } = row;
    Object.assign(lease, { leaseUntil, phase, frame, frames, fps, isDirty: false });
    this.#dirty.delete(lease);
    return moved;
  }

  #remove(lease: Lease): void {
    this.#byTask.delete(lease.taskId);
    this.#dirty.delete(lease);
    const own = this.#byNode.get(lease.nodeId);
    own?.delete(lease.taskId);
    if (own?.size === 0) this.#byNode.delete(lease.nodeId);
  }
}

/** Whether phase or progress differ. */
export function isMoved(
  a: Pick<LeaseState, 'phase' | 'frame' | 'frames' | 'fps'>,
  b: Pick<LeaseState, 'phase' | 'frame' | 'frames' | 'fps'>,
): boolean {
  return a.phase !== b.phase || a.frame !== b.frame || a.frames !== b.frames || a.fps !== b.fps;
}

/** A lease as the store takes it. */
export function leaseState(lease: Lease): LeaseState {
  const { taskId, epoch, nodeId, leaseUntil, phase, frame, frames, fps } = lease;
  return { taskId, epoch, nodeId, leaseUntil, phase, frame, frames, fps };
}
