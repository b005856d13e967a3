/** Keeps the nodes in memory as the other control planes of the farm change them. */
import type { Clock } from '../lib/clock.ts';
import type { NodeRecord, Store } from '../store/store.ts';
import type { Enrolment } from './enrolment.ts';
import type { Registry } from './registry.ts';

interface NodeSyncOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly enrolment: Enrolment;
  readonly clock: Clock;
  /** Another control plane removed it. */
  readonly onRemoved: (nodeId: string) => void;
}

// More than so many changes at once (a farm that comes up) are read with all others.
const SINGLE_READS = 50;
// Invitations are read all at once; agents that register change nodes, too, and have none that is new.
const INVITATIONS_MS = 1000;
// Whoever signs with a wrong name or secret makes the store look at most this often.
const LOOK_AGAIN_MS = 5000;
const LOOKS_PER_SECOND = 20;
const LOOKS_REMEMBERED = 1000;

export class NodeSync {
  readonly #options: NodeSyncOptions;
  /** As compared last; a node of this control plane's own making has none yet. */
  #revisions = new Map<string, number>();
  readonly #changed = new Set<string>();
  readonly #lookedAt = new Map<string, number>();
  #looks = { second: 0, count: 0 };
  #invitationsAt = Number.NEGATIVE_INFINITY;
  #areInvitationsDue = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: NodeSyncOptions) {
    this.#options = options;
  }

  /** Before the registry is loaded: what changes from now on is noticed. */
  async begin(): Promise<void> {
    const marks = (await this.#options.store.shared?.listNodeMarks()) ?? [];
    this.#revisions = new Map(marks.map(({ nodeId, revision }) => [nodeId, revision]));
  }

  /** Another control plane changed the node. Rejects when the store cannot be read: the next {@link sync} does it then. */
  changed(nodeId: string): Promise<void> {
    this.#changed.add(nodeId);
    return this.#exclusive(() => this.#refresh(false));
  }

  /** Another control plane removed the node. */
  removed(nodeId: string): Promise<void> {
    return this.#exclusive(async () => this.#remove(nodeId));
  }

  /** Compares all nodes with the store: who came, changed, went, and who was heard of elsewhere. */
  sync(): Promise<void> {
    const { store, registry } = this.#options;
    const { shared } = store;
    if (shared === null) return Promise.resolve();
    return this.#exclusive(async () => {
      const before = new Set(Iterator.from(registry.all()).map(({ id }) => id));
      for (const { nodeId, revision, lastSeenAt } of await shared.listNodeMarks()) {
        before.delete(nodeId);
        const entry = registry.get(nodeId);
        if (entry) registry.heardElsewhere(entry, lastSeenAt);
        if (entry === undefined || this.#revisions.get(nodeId) !== revision) this.#changed.add(nodeId);
        this.#revisions.set(nodeId, revision);
      }
      for (const nodeId of before) this.#remove(nodeId);
      if (this.#changed.size > 0 || this.#areInvitationsDue) await this.#refresh(false);
    });
  }

  /**
   * Looks into the store whether a node is another than it is known here; true when it is. null: that was looked at a moment
   * ago, or too many ask.
   */
  lookUp(nodeId: string): Promise<boolean> | null {
    if (!this.#mayLook(nodeId)) return null;
    const { registry } = this.#options;
    const stateOf = (): string => {
      const entry = registry.get(nodeId);
      return JSON.stringify(entry ? [entry.record, entry.invitation] : null);
    };
    const before = stateOf();
    return this.#exclusive(async () => {
      this.#changed.add(nodeId);
      await this.#refresh(true);
      return stateOf() !== before;
    });
  }

  #mayLook(nodeId: string): boolean {
    const { store, clock } = this.#options;
    if (store.shared === null) return false;
    const now = clock.now();
    if (now - (this.#lookedAt.get(nodeId) ?? Number.NEGATIVE_INFINITY) < LOOK_AGAIN_MS) return false;
    const second = Math.floor(now / 1000);
    if (this.#looks.second !== second) this.#looks = { second, count: 0 };
    this.#looks.count += 1;
    if (this.#looks.count > LOOKS_PER_SECOND) return false;
    if (this.#lookedAt.size >= LOOKS_REMEMBERED) this.#lookedAt.clear();
    this.#lookedAt.set(nodeId, now);
    return true;
  }

  /** Reads what changed; what cannot be read stays to be read. */
  async #refresh(isUrgent: boolean): Promise<void> {
    const { store, registry, clock } = this.#options;
    const ids = [...this.#changed];
    if (ids.length > 0) {
      this.#areInvitationsDue = true;
      const records =
        ids.length > SINGLE_READS
          ? new Map((await store.listNodes()).map((record) => [record.id, record]))
          : new Map(await Promise.all(ids.map(async (id) => [id, await store.getNode(id)] as const)));
      for (const id of ids) {
        this.#changed.delete(id);
        const record = records.get(id);
        if (record) this.#put(record);
        else if (registry.get(id)) this.#remove(id);
      }
    }
    // Otherwise the next comparison does it.
    const isSoonEnough = isUrgent || clock.now() - this.#invitationsAt >= INVITATIONS_MS;
    if (!this.#areInvitationsDue || !isSoonEnough) return;
    this.#invitationsAt = clock.now();
    await this.#options.enrolment.reload();
    this.#areInvitationsDue = false;
  }

  #put(record: NodeRecord): void {
    const { registry } = this.#options;
    const entry = registry.get(record.id);
    if (entry === undefined || differs(entry.record, record)) registry.put(record);
    const now = registry.get(record.id);
    if (now) registry.heardElsewhere(now, record.lastSeenAt);
  }

  #remove(nodeId: string): void {
    this.#revisions.delete(nodeId);
    if (this.#options.registry.get(nodeId)) this.#options.onRemoved(nodeId);
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => undefined);
    return done;
  }
}

function differs(a: NodeRecord, b: NodeRecord): boolean {
  return JSON.stringify({ ...a, lastSeenAt: 0 }) !== JSON.stringify({ ...b, lastSeenAt: 0 });
}
