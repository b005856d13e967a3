/** The farm's data and the lines of all control planes to it, with everything that goes wrong between them. */
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { FarmChange, SharedListener, SharedStore } from '../../src/store/shared.ts';
import type { LeaseState, Store } from '../../src/store/store.ts';
import type { FarmData } from './farm-data.ts';
import type { MemoryStore } from './memory-store.ts';
import type { Plan } from './plan.ts';
import { type StoreLine, storeOver } from './store-line.ts';
import type { Process, World } from './world.ts';

/** Told of every step on the data, at the moment it is done. */
export type Observer = (step: {
  readonly by: string;
  readonly name: string;
  readonly args: readonly unknown[];
  readonly value: unknown;
  readonly error: unknown;
}) => void;

interface Session {
  readonly process: Process;
  listener: SharedListener | null;
  /** It believes that it leads. */
  leads: boolean;
  /** Messages to it arrive in order. */
  arrivesAt: number;
  /** It knows that it does not reach the data. */
  outage: FlatrenderError | null;
}

/** What commits may be followed by a crash before anybody hears of them. */
const READS = /^(get|list|find|stats|read|queueAges|assetsInUse|bundlesInUse|load)/;

export interface DatabaseOptions {
  readonly world: World;
  readonly plan: Plan;
  readonly data: FarmData;
  readonly observe: Observer;
  /** Several control planes have it open. */
  readonly isShared: boolean;
}

export class Database {
  readonly #options: DatabaseOptions;
  readonly #sessions: Session[] = [];
  #downUntil = 0;
  readonly #cut = new Map<string, number>();
  #leader: Session | null = null;
  isHealed = false;
  /** Changes of a seeded bug: nobody is told. */
  isMute = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    if (options.isShared) this.#elect();
  }

  heal(): void {
    this.isHealed = true;
    this.#downUntil = 0;
    this.#cut.clear();
  }

  /** Nobody reaches it for a while. */
  outage(ms: number): void {
    this.#downUntil = this.#options.world.now + ms;
  }

  /** One control plane does not reach it for a while; its leadership is gone, and it may not know. */
  cutOff(process: Process, ms: number): void {
    this.#cut.set(process.id, this.#options.world.now + ms);
    if (this.#leader?.process === process) this.#depose(ms);
  }

  /** The leader's session breaks, and nothing else. */
  breakLeadership(): void {
    if (this.#leader) this.#depose(this.#options.world.random('leader').int(0, 8000));
  }

  /** The leader, if there is one that knows. */
  get leader(): Process | null {
    return this.#leader?.process ?? null;
  }

  open(process: Process): Store {
    const session: Session = {
      process,
      listener: null,
      leads: !this.#options.isShared,
      arrivesAt: 0,
      outage: null,
    };
    this.#sessions.push(session);
    process.onDeath(() => this.#closeSession(session));
    const line: StoreLine = {
      shared: this.#options.isShared ? this.#sharedOf(session) : null,
      send: (name, args, work) => this.#send(session, name, args, work),
      failure: () => session.outage,
      close: async () => undefined,
    };
    return storeOver(this.#options.data.operations, line);
  }

  #isReachable({ process }: Session): boolean {
    const { now } = this.#options.world;
    return this.#downUntil <= now && (this.#cut.get(process.id) ?? 0) <= now;
  }

  #send<T>(session: Session, name: string, args: readonly unknown[], work: () => T | Promise<T>): Promise<T> {
    const { world, plan, isShared } = this.#options;
    const { process } = session;
    const random = world.random('store');
    const faults = this.isHealed ? null : plan.faults;
    const isRead = READS.test(name);
    return new Promise<T>((resolve, reject) => {
      const answer = (settle: () => void, ms: number): void => void world.after(ms, settle, process);
      const refuse = (message: string, ms: number): void => {
        const error = isShared
          ? new FlatrenderError('UNAVAILABLE', message)
          : new FlatrenderError('STORE_FAILED', message);
        answer(() => {
          if (isShared) session.outage = error;
          reject(error);
        }, ms);
      };
      const perform = async (): Promise<void> => {
        if (!this.#isReachable(session))
          return refuse(`the database cannot be reached: ${name}`, random.int(0, 3000));
        let value: T | undefined;
        let error: unknown = null;
        try {
          value = await work();
        } catch (thrown) {
          error = thrown;
        }
        const changes = this.#options.data.memory?.changed.splice(0) ?? [];
        if (!isRead) {
          world.note(process.id, `${name} ${error === null ? 'done' : codeOf(error)}`);
          this.#options.observe({ by: process.id, name, args, value, error });
        }
        const crash = world.random('crashAtCommit');
        if (!isRead && faults?.has('crashAtCommit') && crash.chance(0.01 * plan.severity)) {
          process.kill(`right after ${name}`);
          return;
        }
        if (changes.length > 0) this.#tell(session, changes);
        if (
          error === null &&
          !isRead &&
          isShared &&
          faults?.has('ackLost') &&
          random.chance(0.03 * plan.severity)
        ) {
          return refuse(`the connection broke, nobody knows whether ${name} was done`, random.int(0, 2000));
        }
        answer(
          () => {
            session.outage = null;
            if (error === null) resolve(value as T);
            else reject(error);
          },
          random.int(0, isShared ? 6 : 2),
        );
      };
      // One file is written in order; a pool of connections is not.
      const slow = faults?.has('delay') && isShared && random.chance(0.02) ? random.int(100, 4000) : 0;
      world.after(isShared ? random.int(0, 6) + slow : 1, () => void perform(), isShared ? null : process);
    });
  }

  #tell(from: Session, changes: readonly FarmChange[]): void {
    const { world, plan, isShared } = this.#options;
    if (!isShared || this.isMute) return;
    const random = world.random('notify');
    // Sent by the control plane itself, after its commit: dead or cut off, it sends nothing.
    world.after(
      random.int(0, 5),
      () => {
        for (const to of this.#sessions) {
          if (to === from || !to.process.isAlive) continue;
          const faults = this.isHealed ? null : plan.faults;
          if (!this.#isReachable(from) || !this.#isReachable(to)) continue;
          if (faults?.has('notify') && random.chance(0.4 * plan.severity)) continue;
          const late =
            faults?.has('notify') && random.chance(0.2) ? random.int(100, 5000) : random.int(0, 10);
          to.arrivesAt = Math.max(to.arrivesAt, world.now + late);
          world.after(to.arrivesAt - world.now, () => to.listener?.onChanges(changes), to.process);
        }
      },
      from.process,
    );
  }

  #sharedOf(session: Session): SharedStore {
    const { world, data } = this.#options;
    const core = data.memory;
    if (core === null) throw new Error('one file belongs to one process');
    const { process } = session;
    const read = <T>(name: string, work: () => T): Promise<T> => this.#send(session, `list${name}`, [], work);
    return {
      replicaId: process.id,
      get isLeader() {
        return session.leads;
      },
      listen: (listener) => {
        session.listener = listener;
        if (session.leads) world.after(0, () => listener.onLeader(true), process);
      },
      listLeases: () => read('Leases', () => core.running().map(leaseOf)),
      listNodeMarks: () => read('NodeMarks', () => core.listNodeMarks()),
      listQueued: () => read('Queued', () => core.queueAges().map(({ requirement }) => requirement)),
      listReplicas: () =>
        read('Replicas', () =>
          this.#sessions.map((each) => ({
            id: each.process.id,
            hostname: each.process.id,
            version: '0.0.0',
            startedAt: 0,
            seenAt: world.now,
            isLeader: each.leads,
          })),
        ),
      agree: async (_, proposed) => proposed,
      savePreview: async () => undefined,
      loadPreview: async () => null,
      keepingFiles: (work) => work(),
      removingFiles: (work) => work(),
    };
  }

  #closeSession(session: Session): void {
    const { world } = this.#options;
    this.#sessions.splice(this.#sessions.indexOf(session), 1);
    if (this.#leader === session) this.#leader = null;
    for (const other of this.#sessions) {
      const ms = world.random('leader').int(500, 8000);
      world.after(ms, () => other.listener?.onGap('a control plane is gone'), other.process);
    }
  }

  /** The lock is free; who had it hears of that after `ms`. */
  #depose(ms: number): void {
    const { world } = this.#options;
    const old = this.#leader;
    this.#leader = null;
    if (old === null) return;
    world.note('database', `${old.process.id} leads no longer, and hears of it in ${ms} ms`);
    world.after(
      ms,
      () => {
        if (this.#leader === old || !old.leads) return;
        old.leads = false;
        old.listener?.onLeader(false);
      },
      old.process,
    );
  }

  /** Every two seconds somebody takes the lock if it is free. */
  #elect(): void {
    const { world } = this.#options;
    const ready = this.#sessions.filter((each) => each.listener !== null && this.#isReachable(each));
    const awake = ready.filter(({ process }) => process.pausedUntil <= world.now);
    if (this.#leader === null && awake.length > 0) {
      const next = world.random('leader').pick(awake);
      this.#leader = next;
      world.note('database', `${next.process.id} leads`);
      world.after(
        world.random('leader').int(0, 50),
        () => {
          if (next.leads) return;
          next.leads = true;
          next.listener?.onLeader(true);
        },
        next.process,
      );
    }
    world.after(2000, () => this.#elect());
  }
}

function leaseOf(task: ReturnType<MemoryStore['running']>[number]): LeaseState {
  const { id, epoch, nodeId, leaseUntil, phase, frame, frames, fps } = task;
  const progress = { phase: phase ?? ('claimed' as const), frame, frames, fps };
  return { taskId: id, epoch, nodeId: nodeId ?? '', leaseUntil: leaseUntil ?? 0, ...progress };
}

function codeOf(error: unknown): string {
  return error instanceof FlatrenderError ? error.code : String(error);
}
