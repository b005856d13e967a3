/** Faults of a kind that a change could bring, put in by hand: the simulation must find each. */
import type { TaskBoardOptions } from '../../src/agent/task-board.ts';
import type { Control } from '../../src/control/context.ts';
import { newId } from '../../src/lib/ids.ts';
import type { Bug } from './farm.ts';
import type { MemoryStore } from './memory-store.ts';
import type { INVARIANTS } from './oracle.ts';
import type { PlanChoice } from './plan.ts';

export interface SeededBug extends Bug {
  readonly name: string;
  /** What it breaks; any of these. */
  readonly breaks: readonly (keyof typeof INVARIANTS)[];
  /** Schedules in which it can show. */
  readonly choice: PlanChoice;
}

/** Replaces one method of an object by a function that gets the original. */
function wrap<T extends object, K extends keyof T>(target: T, name: K, make: (original: T[K]) => T[K]): void {
  const original = target[name];
  const bound = typeof original === 'function' ? (original.bind(target) as T[K]) : original;
  Object.defineProperty(target, name, { value: make(bound), configurable: true, writable: true });
}

export const BUGS: readonly SeededBug[] = [
  {
    name: 'a completion is taken whatever its token says',
    breaks: ['fence', 'terminal'],
    choice: {
      replicas: 1,
      gentle: false,
      only: ['partition', 'drop'],
      fixed: { agents: 3, jobs: 10, leaseSeconds: 10, renderMs: 40_000, severity: 1, faultMs: 90_000 },
    },
    core: (core: MemoryStore) =>
      wrap(core, 'complete', (complete) => (fence, ...rest) => {
        const task = core.getTask(fence.taskId);
        const isOpen = task?.state === 'running' && task.nodeId !== null;
        return complete(isOpen ? { ...fence, epoch: task.epoch, nodeId: task.nodeId ?? '' } : fence, ...rest);
      }),
  },
  {
    name: 'heartbeats renew leases that others hold by now',
    breaks: ['zombie'],
    choice: {
      replicas: 1,
      gentle: false,
      only: ['partition'],
      fixed: { agents: 3, jobs: 10, leaseSeconds: 10, renderMs: 40_000, severity: 1, faultMs: 90_000 },
    },
    control: ({ leases }: Control) =>
      wrap(leases, 'beat', (beat) => async (nodeId, reports) => ({
        ...(await beat(nodeId, reports)),
        lost: [],
      })),
  },
  {
    name: 'nobody is told of new work, and nobody looks',
    breaks: ['starving'],
    choice: { replicas: 2, only: [] },
    database: (database) => {
      database.isMute = true;
    },
    control: ({ dispatcher }: Control) => wrap(dispatcher, 'poll', () => async () => undefined),
  },
  {
    name: 'a claim does not raise the epoch',
    breaks: ['epochs'],
    choice: { replicas: 1, only: ['engine'], gentle: false },
    core: (core: MemoryStore) =>
      wrap(core, 'claim', (claim) => (input) => {
        const work = claim(input);
        const task = work && core.find(work.task.id)?.task;
        if (!work || !task || task.record.epoch === 1 || task.claimId !== input.claimId) return work;
        task.record = { ...task.record, epoch: task.record.epoch - 1 };
        return { ...work, task: task.record };
      }),
  },
  {
    name: 'the outbox is empty after a crash',
    breaks: ['outbox'],
    choice: { replicas: 1, gentle: false, only: ['crashAgent', 'delay'] },
    files: (files) => ({
      ...files,
      open: async (directory) => (directory.endsWith('outbox') ? [] : await files.open(directory)),
    }),
  },
  {
    name: 'nodes do not hear of cancelled tasks',
    breaks: ['cancel'],
    choice: { replicas: 1, gentle: false, only: ['operators'] },
    control: ({ leases }: Control) =>
      wrap(leases, 'beat', (beat) => async (nodeId, reports) => ({
        ...(await beat(nodeId, reports)),
        cancel: [],
      })),
  },
  {
    name: 'every question for work has a new claimId',
    breaks: ['repeated'],
    choice: { replicas: 1, shared: true, gentle: true, only: ['crashControl', 'crashAtCommit', 'ackLost'] },
    board: (options: TaskBoardOptions) => {
      const { journal, clock } = options;
      const forgetful = {
        get pending() {
          return newId('c', clock.now());
        },
        get running() {
          return journal.running;
        },
        claimed: journal.claimed,
        ended: journal.ended,
      };
      return { ...options, journal: forgetful };
    },
  },
  {
    name: 'a restarted control plane gives leases no grace',
    breaks: ['repeated', 'early'],
    choice: { replicas: 1, gentle: true, only: ['crashControl'] },
    control: ({ leases, clock }: Control) =>
      wrap(leases, 'load', (load) => async () => {
        // It takes the time for long past: what it grants is over when it begins.
        const { now } = clock;
        Object.assign(clock, { now: () => now() - 3_600_000 });
        await load();
        Object.assign(clock, { now });
      }),
  },
  {
    name: 'leases expire a lease time early',
    breaks: ['early', 'repeated'],
    choice: { replicas: 1, only: ['partition'] },
    core: (core: MemoryStore) =>
      wrap(core, 'expireLeases', (expire) => (now, policy) => expire(now + 60_000, policy)),
  },
  {
    name: 'a job’s end leaves no webhook behind',
    breaks: ['delivery'],
    choice: { replicas: 1 },
    core: (core: MemoryStore) => wrap(core, 'addDelivery', () => (delivery) => delivery as never),
  },
  {
    name: 'a submission is stored anew each time it is repeated',
    breaks: ['once'],
    choice: { replicas: 1, shared: true, only: ['drop', 'ackLost'] },
    core: (core: MemoryStore) => wrap(core, 'submit', (submit) => (jobs) => submit(jobs)),
  },
];
