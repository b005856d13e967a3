/** Open long-polls, by node and by what their nodes can do. */
import type { NodeFacts } from '../jobs/requirements.ts';
import type { JobWithTask } from '../store/store.ts';
import type { NodeEntry } from './registry.ts';

/** One open long-poll. */
export interface Waiter {
  readonly entry: NodeEntry;
  readonly claimId: string;
  group: Group;
  /** An attempt to claim is under way. */
  busy: boolean;
  /** Something came up meanwhile: ask the store once more. */
  again: boolean;
  /** Its time was up while it was busy. */
  late: boolean;
  /** When the store was asked last. */
  askedAt: number;
  /** Answered, timed out or gone: deliver nothing more. */
  over: boolean;
  stopTimer: () => void;
  readonly resolve: (work: JobWithTask | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Waiters of nodes that can do the same. */
export interface Group {
  readonly key: string;
  readonly facts: NodeFacts;
  /** In order of arrival. */
  readonly idle: Set<Waiter>;
  readonly busy: Set<Waiter>;
}

const NOTHING: NodeFacts = {
  id: '',
  roles: [],
  engines: {},
  memoryMb: 0,
  vramMb: 0,
  tags: [],
  blockedTemplates: [],
};

/** All waiters; each is in exactly one group, as idle or busy. */
export class Waiters {
  readonly #groups = new Map<string, Group>();
  readonly #byNode = new Map<string, Set<Waiter>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  groups(): Iterable<Group> {
    return this.#groups.values();
  }

  ofNode(nodeId: string): ReadonlySet<Waiter> {
    return this.#byNode.get(nodeId) ?? new Set();
  }

  all(): Waiter[] {
    return [...this.#byNode.values()].flatMap((waiters) => [...waiters]);
  }

  idle(): Waiter[] {
    return [...this.#groups.values()].flatMap((group) => [...group.idle]);
  }

  add(waiter: Waiter): void {
    const own = this.#byNode.get(waiter.entry.id) ?? new Set<Waiter>();
    own.add(waiter);
    this.#byNode.set(waiter.entry.id, own);
    this.#count += 1;
    this.setBusy(waiter, waiter.busy);
  }

  remove(waiter: Waiter): void {
    const own = this.#byNode.get(waiter.entry.id);
    if (!own?.delete(waiter)) return;
    this.#count -= 1;
    if (own.size === 0) this.#byNode.delete(waiter.entry.id);
    this.#leaveGroup(waiter);
  }

  setBusy(waiter: Waiter, busy: boolean): void {
    waiter.busy = busy;
    const { group } = waiter;
    (busy ? group.idle : group.busy).delete(waiter);
    (busy ? group.busy : group.idle).add(waiter);
    this.#groups.set(group.key, group);
  }

  /** What the waiter's node can do may have changed. */
  regroup(waiter: Waiter): void {
    const group = this.groupOf(waiter.entry);
    if (group === waiter.group) return;
    this.#leaveGroup(waiter);
    waiter.group = group;
    this.setBusy(waiter, waiter.busy);
  }

  groupOf({ facts }: NodeEntry): Group {
    const known = facts ?? NOTHING;
    const { id: _, ...abilities } = known;
    const key = JSON.stringify(abilities);
    return this.#groups.get(key) ?? { key, facts: known, idle: new Set(), busy: new Set() };
  }

  #leaveGroup(waiter: Waiter): void {
    const { group } = waiter;
    group.idle.delete(waiter);
    group.busy.delete(waiter);
    if (group.idle.size === 0 && group.busy.size === 0) this.#groups.delete(group.key);
  }
}
