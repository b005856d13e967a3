/**
 * One control plane among several on one database. What the others tell is a hint: it makes this one quick. Every two
 * seconds, and whenever something may have been missed, what is in memory is compared with the store.
 */
import type { Clock } from '../lib/clock.ts';
import type { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { FarmChange, Replica, SharedStore } from '../store/shared.ts';
import type { Store } from '../store/store.ts';

/** What is done about changes; each part compares with the store by itself. */
export interface ReplicaParts {
  /** One change of another control plane. Kinds that a newer version tells of are passed over. */
  readonly onChange: (change: FarmChange) => void;
  /** Compares leases and nodes with the store. */
  readonly compare: () => Promise<void>;
  /** Looks for work that nobody told of. */
  readonly poll: () => Promise<void>;
  /** Changes were missed and everything was compared since: caches are dropped, clients read anew. */
  readonly onGap: (reason: string) => void;
  /** Background work is this one's from now on. */
  readonly onLead: () => void;
  /** The database is there again. */
  readonly onBack: () => void;
}

interface ReplicasOptions extends ReplicaParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A node silent for this long is suspect: comparing must be more often. */
  readonly suspectMs: number;
}

// A database that restarts is away for a few seconds: heartbeats are answered from memory for so long.
const UNWRITTEN_MS = 10_000;
const COMPARE_MS = 2000;
const COMPARES_PER_SUSPECT = 5;
// Who else is there is only shown to people.
const LIST_MS = 5000;

export class Replicas {
  readonly #options: ReplicasOptions;
  #isStarted = false;
  #comparedAt = Number.NEGATIVE_INFINITY;
  #listedAt = Number.NEGATIVE_INFINITY;
  #all: readonly Replica[] = [];
  /** Why something may have been missed; null: nothing was. */
  #gap: string | null = null;
  #comparing: Promise<void> | null = null;
  #awaySince: number | null = null;

  constructor(options: ReplicasOptions) {
    this.#options = options;
  }

  get #shared(): SharedStore | null {
    return this.#options.store.shared;
  }

  /** This control plane's name among the others; null: there can be no others. */
  get id(): string | null {
    return this.#shared?.replicaId ?? null;
  }

  /** Whether background work is done here. */
  get isLeader(): boolean {
    return this.#shared?.isLeader !== false;
  }

  /** All control planes of the farm, as of some seconds ago; empty: there can be no others. */
  get all(): readonly Replica[] {
    return this.#all;
  }

  /** Others are there to be told of previews and the like. */
  get hasOthers(): boolean {
    return this.#all.length > 1;
  }

  /** Why the database cannot be reached, as far as it was noticed; null while it can. */
  get outage(): FlatrenderError | null {
    const { store, clock } = this.#options;
    const failure = store.failure();
    if (failure?.code !== 'UNAVAILABLE') return null;
    this.#awaySince ??= clock.now();
    return failure;
  }

  /**
   * UNAVAILABLE when the database has been away for so long that what is kept in memory must not be promised any more: another
   * control plane may reach it, and end these leases.
   */
  requireWritten(): void {
    const { outage } = this;
    if (outage && this.#options.clock.now() - (this.#awaySince ?? 0) > UNWRITTEN_MS) throw outage;
  }

  /** Hears of the others from now on. Once. */
  start(): void {
    const shared = this.#shared;
    if (this.#isStarted || shared === null) return;
    this.#isStarted = true;
    const { logger, onChange } = this.#options;
    shared.listen({
      onChanges: (changes) => {
        for (const change of changes) this.#guard('change', () => onChange(change));
      },
      onGap: (reason) => this.#missed(reason),
      onLeader: (isLeader) => {
        logger.debug(isLeader ? 'replica.leads' : 'replica.leads-no-more', { replica: shared.replicaId });
        if (isLeader) this.#guard('lead', this.#options.onLead);
      },
    });
  }

  /** Once a second. Rejects when the store cannot be read; the next call tries again. */
  async tick(): Promise<void> {
    const shared = this.#shared;
    if (shared === null) return;
    const { clock, suspectMs } = this.#options;
    const every = Math.min(COMPARE_MS, suspectMs / COMPARES_PER_SUSPECT);
    if (clock.now() - this.#comparedAt < every) return;
    await this.#compare();
    await this.#options.poll();
    if (clock.now() - this.#listedAt < LIST_MS) return;
    this.#all = await shared.listReplicas();
    this.#listedAt = clock.now();
  }

  /** All control planes of the farm, asked now. */
  async list(): Promise<readonly Replica[]> {
    this.#all = (await this.#shared?.listReplicas()) ?? [];
    return this.#all;
  }

  #missed(reason: string): void {
    this.#options.logger.info('replica.gap', { reason });
    this.#gap = reason;
    // What cannot be compared now is compared by the next tick.
    this.#compare()
      .then(this.#options.poll)
      .catch(() => undefined);
  }

  async #compare(): Promise<void> {
    // What is under way may have begun before the changes that were missed.
    while (this.#comparing) await this.#comparing.catch(() => undefined);
    const gap = this.#gap;
    this.#gap = null;
    this.#comparing = this.#options.compare();
    try {
      await this.#comparing;
      this.#comparedAt = this.#options.clock.now();
      if (gap !== null) this.#options.onGap(gap);
    } catch (error) {
      this.#gap ??= gap;
      throw error;
    } finally {
      this.#comparing = null;
    }
  }

  /** Once a second, however busy or away the store is: after an outage everything is compared. The store logs both. */
  watch(): void {
    const { clock, onBack } = this.#options;
    if (this.outage !== null || this.#awaySince === null) return;
    const awayMs = clock.now() - this.#awaySince;
    this.#awaySince = null;
    onBack();
    this.#missed(`the database was away for ${Math.ceil(awayMs / 1000)} s`);
  }

  /** Nothing that somebody else tells may end this process. */
  #guard(what: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.logger.error('replica.failed', { what, error });
    }
  }
}
