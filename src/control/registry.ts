/** The nodes of the farm in memory: who they are, when they were last heard of, what they can do. */
import type { ControlConfig } from '../config/control-config.ts';
import {
  isCapable,
  leavesToOthers,
  mayTake,
  type NodeFacts,
  type Requirement,
} from '../jobs/requirements.ts';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { SystemInfo } from '../protocol/nodes.ts';
import type { InvitationRecord, NodeRecord, Store } from '../store/store.ts';

/** `never`: created, but not heard of yet. */
export type Liveness = 'never' | 'online' | 'suspect' | 'offline';

/** One node as the control plane knows it right now. */
export interface NodeEntry {
  readonly id: string;
  record: NodeRecord;
  /** Newer than `record.lastSeenAt`, which is written behind. */
  lastSeenAt: number | null;
  /** The newest report; the one of the registration until a heartbeat brings another. */
  system: SystemInfo | null;
  liveness: Liveness;
  /** null until it has registered. */
  facts: NodeFacts | null;
  /** Its newest invitation. */
  invitation: InvitationRecord | null;
}

interface RegistryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly config: ControlConfig;
  readonly logger: Logger;
  /** Something that people see, or that decides who may take a task, has changed. */
  readonly onChange: (entry: NodeEntry) => void;
}

// A beat that is not written yet costs nothing but a few seconds in "last seen" after a crash.
const SAVE_BEATS_MS = 10_000;
// Other control planes see only what is written: between two beats of a node, the writing and their looking there must be
// room in `suspectSeconds`, also for clocks that differ by some seconds.
const SAVES_PER_SUSPECT = 8;
// Measured: 2,000 signed heartbeats a second take about a fifth of a core. Larger farms beat less often.
const BEATS_PER_SECOND = 2000;
// A progress bar that moves once a second feels alive.
const PROGRESS_MS = 1000;

/** Keeps every node of the farm in memory; the store stays the truth for everything but liveness. */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #nodes = new Map<string, NodeEntry>();
  readonly #beaten = new Set<NodeEntry>();
  #savedAt = 0;
  #online = 0;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** Reads all nodes; called once at start. */
  async load(): Promise<void> {
    const now = this.#options.clock.now();
    for (const record of await this.#options.store.listNodes()) {
      const entry = this.#add(record);
      // The clock may have been set back since: nobody was heard of in the future.
      if (entry.lastSeenAt !== null) entry.lastSeenAt = Math.min(entry.lastSeenAt, now);
      entry.liveness = this.#livenessAt(entry, now);
    }
    this.#countOnline();
  }

  get(id: string): NodeEntry | undefined {
    return this.#nodes.get(id);
  }

  /** The node, or NODE_NOT_FOUND. */
  require(id: string): NodeEntry {
    const entry = this.#nodes.get(id);
    if (entry) return entry;
    throw new FlatrenderError('NODE_NOT_FOUND', `there is no node "${id}"`, {
      hint: 'run "flatrender node list"',
    });
  }

  all(): Iterable<NodeEntry> {
    return this.#nodes.values();
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** Nodes that were heard of lately. */
  get onlineCount(): number {
    return this.#online;
  }

  /** Takes over what the store returned for a node. */
  put(record: NodeRecord): NodeEntry {
    const entry = this.#nodes.get(record.id) ?? this.#add(record);
    entry.record = record;
    entry.facts = factsOf(record);
    this.#options.onChange(entry);
    return entry;
  }

  /** Another control plane heard of the node at this time by its clock; null: nobody ever did. */
  heardElsewhere(entry: NodeEntry, at: number | null): void {
    if (at === null) return;
    const now = this.#options.clock.now();
    const seenAt = Math.min(at, now);
    if (entry.lastSeenAt !== null && entry.lastSeenAt >= seenAt) return;
    entry.lastSeenAt = seenAt;
    const liveness = this.#livenessAt(entry, now);
    if (liveness !== entry.liveness) this.#setLiveness(entry, liveness);
  }

  remove(id: string): void {
    const entry = this.#nodes.get(id);
    if (!entry) return;
    this.#nodes.delete(id);
    this.#beaten.delete(entry);
    this.#countOnline();
  }

  /** The node was heard of just now. */
  touch(entry: NodeEntry, system: SystemInfo | null = null): void {
    entry.lastSeenAt = this.#options.clock.now();
    if (system !== null) entry.system = system;
    this.#beaten.add(entry);
    if (entry.liveness !== 'online') this.#setLiveness(entry, 'online');
  }

  /** The clock went on by `ms` (back, when negative) without this program: no node was silent for it. */
  shift(ms: number): void {
    for (const entry of this.#nodes.values()) {
      if (entry.lastSeenAt !== null && (ms < 0 || entry.liveness !== 'offline')) entry.lastSeenAt += ms;
    }
  }

  /** Whether the node may be given work now. */
  claims(entry: NodeEntry): boolean {
    const { record } = entry;
    return (
      // A removed node may still have a poll open.
      this.#nodes.get(entry.id) === entry &&
      entry.facts !== null &&
      entry.liveness === 'online' &&
      record.intent === 'enabled' &&
      record.quarantine === null
    );
  }

  /** What is known of all nodes that ever joined, online or not. */
  *joined(): Generator<NodeFacts> {
    for (const { facts } of this.#nodes.values()) if (facts) yield facts;
  }

  /** Whether this node may take such a task now, given who else could. */
  accepts(requirement: Requirement, facts: NodeFacts): boolean {
    if (leavesToOthers(requirement, facts, this.joined())) return false;
    // Most tasks neither name a node nor avoid one: nobody else has to be looked at.
    if (requirement.node === null && requirement.avoid !== facts.id) return isCapable(requirement, facts);
    return mayTake(requirement, facts, this.#others(requirement, facts));
  }

  /** Whether any registered node, online or not, could ever run such a task. */
  isAnyCapable(requirement: Requirement): boolean {
    for (const entry of this.#nodes.values()) {
      if (entry.facts && isCapable(requirement, entry.facts)) return true;
    }
    return false;
  }

  /** Time between two heartbeats of a node: stretches with the farm, never beyond a third of `suspectSeconds`. */
  get heartbeatMs(): number {
    const { heartbeatSeconds, suspectSeconds } = this.#options.config.leases;
    const stretched = (this.#nodes.size / BEATS_PER_SECOND) * 1000;
    return Math.ceil(Math.max(heartbeatSeconds * 1000, Math.min(stretched, (suspectSeconds * 1000) / 3)));
  }

  /**
   * Time between two heartbeats of a node while people watch its frames: a second, stretched with the farm just the
   * same, so that a large busy farm does not beat more often than an idle one.
   */
  get progressMs(): number {
    const { heartbeatMs } = this;
    const stretched = Math.max(PROGRESS_MS, heartbeatMs / 5, (this.#nodes.size / BEATS_PER_SECOND) * 1000);
    return Math.ceil(Math.min(heartbeatMs, stretched));
  }

  /** Once a second: notices who fell silent, and writes the beats behind. */
  async sweep(): Promise<void> {
    const now = this.#options.clock.now();
    for (const entry of this.#nodes.values()) {
      const liveness = this.#livenessAt(entry, now);
      if (liveness !== entry.liveness) this.#setLiveness(entry, liveness);
    }
    if (now - this.#savedAt >= this.#saveBeatsMs) await this.flush();
  }

  /** Writes all beats behind. */
  async flush(): Promise<void> {
    this.#savedAt = this.#options.clock.now();
    if (this.#beaten.size === 0) return;
    const beaten = [...this.#beaten];
    this.#beaten.clear();
    try {
      await this.#options.store.saveBeats(
        beaten.map(({ id, lastSeenAt }) => ({ nodeId: id, at: lastSeenAt ?? 0 })),
      );
    } catch (error) {
      for (const entry of beaten) if (this.#nodes.get(entry.id) === entry) this.#beaten.add(entry);
      throw error;
    }
  }

  get #saveBeatsMs(): number {
    const { store, config } = this.#options;
    if (store.shared === null) return SAVE_BEATS_MS;
    return Math.min(SAVE_BEATS_MS, (config.leases.suspectSeconds * 1000) / SAVES_PER_SUSPECT);
  }

  #add(record: NodeRecord): NodeEntry {
    const entry: NodeEntry = {
      id: record.id,
      record,
      lastSeenAt: record.lastSeenAt,
      system: record.capabilities?.system ?? null,
      liveness: record.lastSeenAt === null ? 'never' : 'offline',
      facts: factsOf(record),
      invitation: null,
    };
    this.#nodes.set(record.id, entry);
    return entry;
  }

  #livenessAt(entry: NodeEntry, now: number): Liveness {
    if (entry.lastSeenAt === null) return 'never';
    const silent = now - entry.lastSeenAt;
    const { suspectSeconds, offlineSeconds } = this.#options.config.leases;
    if (silent < suspectSeconds * 1000) return 'online';
    return silent < offlineSeconds * 1000 ? 'suspect' : 'offline';
  }

  #setLiveness(entry: NodeEntry, liveness: Liveness): void {
    const before = entry.liveness;
    entry.liveness = liveness;
    this.#online += Number(liveness === 'online') - Number(before === 'online');
    const level = liveness === 'online' ? 'info' : 'warn';
    this.#options.logger[level](`node.${liveness}`, { nodeId: entry.id, before });
    this.#options.onChange(entry);
  }

  #countOnline(): void {
    this.#online = 0;
    for (const entry of this.#nodes.values()) if (entry.liveness === 'online') this.#online += 1;
  }

  *#others(requirement: Requirement, facts: NodeFacts): Generator<NodeFacts> {
    const named = requirement.node === null ? undefined : this.#nodes.get(requirement.node);
    if (named?.facts && this.claims(named)) yield named.facts;
    if (requirement.avoid !== facts.id) return;
    for (const entry of this.#nodes.values()) {
      if (entry !== named && entry.facts && this.claims(entry)) yield entry.facts;
    }
  }
}

function factsOf(record: NodeRecord): NodeFacts | null {
  if (record.capabilities === null) return null;
  return {
    id: record.id,
    roles: record.roles,
    engines: Object.fromEntries(
      record.capabilities.engines
        .filter((engine) => engine.available)
        .map((engine) => [engine.name, engine.version ?? '']),
    ),
    memoryMb: record.capabilities.system.memory.total,
    vramMb: record.capabilities.system.gpu?.vram.total ?? 0,
    tags: record.capabilities.tags,
    blockedTemplates: record.blockedTemplates,
  };
}
