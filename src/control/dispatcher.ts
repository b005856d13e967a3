/**
 * Long-polls that wait for work, and who is woken when there is some. A waiter that is idle has asked the store and found nothing that it may take. So new work needs to wake only as many
 * waiters as there are new tasks, and only such as may take them: 5,000 waiting nodes cost one submit nothing.
 */
import { isCapable, type Requirement } from '../jobs/requirements.ts';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { JobWithTask, Store } from '../store/store.ts';
import { DueJobs } from './due-jobs.ts';
import type { NodeEntry, Registry } from './registry.ts';
import { type Waiter, Waiters } from './waiters.ts';

interface DispatcherOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly leaseMs: () => number;
  /** A node hung up while a task was claimed for it, and does not ask again: nobody would ever miss it. */
  readonly onUndelivered: (work: JobWithTask, nodeId: string) => void;
  /** Jobs whose delayed tasks have become due. */
  readonly onDue: (jobIds: readonly string[]) => void;
}

interface ClaimCall {
  readonly claimId: string;
  readonly waitMs: number;
  /** Calls back when the client went away. */
  readonly onGone: (callback: () => void) => void;
}

// The protocol lets a node ask for up to 64 slots; more open polls of one node are leftovers of lost connections.
const WAITERS_PER_NODE = 64;
// An answer of the store that takes longer than this is not waited for: nodes give up 10 s after their wait.
const LATE_MS = 5000;
// Of what others queued nobody knows how much there is: so many ask, and as long as one of them gets something, again.
const POLL_WAKES = 16;
// Asking for every waiter is only done when who-may-take-what changed; once a second is soon enough then.
const SWEEP_EVERY_MS = 1000;
const SWEEP_PARALLEL = 16;

/** Matches queued tasks and waiting nodes. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #waiters = new Waiters();
  readonly #due: DueJobs;
  #closed = false;
  #sweepDue = false;
  #sweptAt = Number.NEGATIVE_INFINITY;
  #polling = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#due = new DueJobs(options);
  }

  /** Open long-polls. */
  get waiting(): number {
    return this.#waiters.count;
  }

  /** A task for this node, now or within `waitMs`; null when none came, the client left or the server closes. */
  claim(entry: NodeEntry, call: ClaimCall): Promise<JobWithTask | null> {
    if (this.#closed) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        entry,
        claimId: call.claimId,
        group: this.#waiters.groupOf(entry),
        busy: true,
        again: false,
        late: false,
        askedAt: 0,
        over: false,
        stopTimer: () => undefined,
        resolve,
        reject,
      };
      this.#enter(waiter);
      call.onGone(() => this.#giveUp(waiter));
      const { clock } = this.#options;
      waiter.stopTimer = clock.after(call.waitMs + LATE_MS, () => this.#giveUpLate(waiter));
      void this.#attempt(waiter).then(() => {
        if (waiter.over) return;
        waiter.stopTimer();
        if (call.waitMs === 0) this.#finish(waiter, null);
        else waiter.stopTimer = clock.after(call.waitMs, () => this.#timeOut(waiter));
      });
    });
  }

  /** `count` new tasks of this requirement are in the queue. */
  wake(requirement: Requirement, count = 1): void {
    this.#offer(requirement, count);
  }

  /** Looks for tasks that came into the queue without a word: some other control plane may have died before it told. */
  async poll(): Promise<void> {
    const { shared } = this.#options.store;
    if (shared === null || this.#polling) return;
    this.#polling = true;
    try {
      for (let more = true; more && !this.#closed && this.#waiters.count > 0; ) {
        const queued = await shared.listQueued();
        const asked = queued.flatMap((requirement) => this.#offer(requirement, POLL_WAKES));
        more = (await Promise.all(asked)).includes(true);
      }
    } finally {
      this.#polling = false;
    }
  }

  /** Lets up to `count` idle waiters ask; each resolves to whether it got something. */
  #offer(requirement: Requirement, count: number): Promise<boolean>[] {
    let left = count;
    const asked: Promise<boolean>[] = [];
    const start = (waiter: Waiter): void => {
      if (left === 0) return;
      if (!this.#options.registry.claims(waiter.entry)) return;
      const { facts } = waiter.entry;
      if (!facts || !this.#options.registry.accepts(requirement, facts)) return;
      if (waiter.busy) {
        waiter.again = true;
      } else {
        left -= 1;
        asked.push(this.#attempt(waiter));
      }
    };
    if (requirement.node !== null) {
      for (const waiter of this.#waiters.ofNode(requirement.node)) start(waiter);
      if (!requirement.fallback) return asked;
    }
    for (const group of this.#waiters.groups()) {
      if (left === 0) return asked;
      if (!isCapable(requirement, group.facts)) continue;
      for (const waiter of group.idle) {
        if (left === 0) return asked;
        start(waiter);
      }
    }
    // Whoever is asking right now may have asked just before the tasks were there.
    for (const group of this.#waiters.groups()) for (const waiter of group.busy) start(waiter);
    return asked;
  }

  /** The node can do other things than before, or may claim again. */
  nodeChanged(entry: NodeEntry): void {
    for (const waiter of [...this.#waiters.ofNode(entry.id)]) {
      this.#waiters.regroup(waiter);
      if (waiter.busy) waiter.again = true;
      else void this.#attempt(waiter);
    }
  }

  /** The node is gone: its polls are answered with nothing. */
  nodeRemoved(nodeId: string): void {
    for (const waiter of [...this.#waiters.ofNode(nodeId)]) this.#giveUp(waiter);
  }

  /** Who may take what has changed in a way that concerns more than one node: soon, all waiters ask again. */
  sweep(): void {
    if (this.#sweepDue || this.#closed || this.#waiters.count === 0) return;
    const { clock } = this.#options;
    // Not longer, should the clock have been set back since.
    const wait = Math.min(this.#sweptAt + SWEEP_EVERY_MS - clock.now(), SWEEP_EVERY_MS);
    if (wait <= 0) {
      void this.#sweepNow();
      return;
    }
    this.#sweepDue = true;
    clock.after(wait, () => {
      this.#sweepDue = false;
      void this.#sweepNow();
    });
  }

  /** A delayed task becomes due at this time; the control plane that leads sees to it. */
  dueAt(time: number): void {
    this.#due.at(time);
  }

  /** Queues the delayed tasks that are due, and arms the timer for the next. */
  promote(): Promise<void> {
    return this.#due.promote();
  }

  /** Answers every waiter with nothing. */
  close(): void {
    this.#closed = true;
    this.#due.close();
    for (const waiter of this.#waiters.all()) this.#giveUp(waiter);
  }

  /** True when the waiter got something. */
  async #attempt(waiter: Waiter): Promise<boolean> {
    this.#waiters.setBusy(waiter, true);
    let work: JobWithTask | null = null;
    try {
      do {
        waiter.again = false;
        work = await this.#ask(waiter);
      } while (work === null && waiter.again && !waiter.over);
    } catch (error) {
      if (!waiter.over) {
        this.#leave(waiter);
        waiter.reject(error);
      }
      return false;
    }
    if (waiter.over) {
      if (work) this.#undelivered(waiter, work);
      return false;
    }
    this.#waiters.setBusy(waiter, false);
    if (work || waiter.late) this.#finish(waiter, work);
    return work !== null;
  }

  #undelivered({ entry, claimId, askedAt }: Waiter, work: JobWithTask): void {
    // The same question is asked again already: it is answered with this task.
    for (const other of this.#waiters.ofNode(entry.id)) if (other.claimId === claimId) return;
    // It had the task before: the same question was answered meanwhile, here or by another control plane.
    if (work.task.startedAt !== askedAt) return;
    this.#options.onUndelivered(work, entry.id);
  }

  #ask(waiter: Waiter): Promise<JobWithTask | null> {
    const { entry, claimId } = waiter;
    const { store, registry, clock, leaseMs } = this.#options;
    const { facts } = entry;
    // A node that may not claim still gets the task that an earlier answer with this claimId failed to bring.
    const accepts =
      facts && registry.claims(entry)
        ? (requirement: Requirement) => registry.accepts(requirement, facts)
        : () => false;
    const now = clock.now();
    waiter.askedAt = now;
    return store.claim({ nodeId: entry.id, claimId, accepts, now, leaseUntil: now + leaseMs() });
  }

  async #sweepNow(): Promise<void> {
    this.#sweptAt = this.#options.clock.now();
    // Counts in memory may be seconds old when others write, too.
    if (this.#options.store.shared) return await this.poll().catch(() => undefined);
    const waiters = this.#waiters.idle();
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < waiters.length && this.#options.store.stats().tasks.queued > 0) {
        const waiter = waiters[next];
        next += 1;
        if (waiter && !waiter.over && !waiter.busy) await this.#attempt(waiter);
      }
    };
    await Promise.all(Array.from({ length: SWEEP_PARALLEL }, work));
  }

  /** The time is up; an attempt that is under way may still bring a task, and ends the poll. */
  #timeOut(waiter: Waiter): void {
    if (!waiter.busy) {
      this.#giveUp(waiter);
      return;
    }
    waiter.late = true;
    waiter.stopTimer = this.#options.clock.after(LATE_MS, () => this.#giveUpLate(waiter));
  }

  /** The store does not answer: what it may still give goes back. */
  #giveUpLate(waiter: Waiter): void {
    if (waiter.over) return;
    this.#leave(waiter);
    waiter.reject(new FlatrenderError('UNAVAILABLE', 'the database does not answer at the moment'));
  }

  #giveUp(waiter: Waiter): void {
    if (!waiter.over) this.#finish(waiter, null);
  }

  #finish(waiter: Waiter, work: JobWithTask | null): void {
    this.#leave(waiter);
    waiter.resolve(work);
  }

  #enter(waiter: Waiter): void {
    for (const other of [...this.#waiters.ofNode(waiter.entry.id)]) {
      if (other.claimId === waiter.claimId) this.#giveUp(other);
    }
    const own = this.#waiters.ofNode(waiter.entry.id);
    const [oldest] = own;
    if (oldest && own.size >= WAITERS_PER_NODE) this.#giveUp(oldest);
    this.#waiters.add(waiter);
  }

  #leave(waiter: Waiter): void {
    waiter.over = true;
    waiter.stopTimer();
    this.#waiters.remove(waiter);
  }
}
