/**
 * What several control planes on one database tell each other. Everything here only makes them quicker: the truth is in
 * the rows, and whoever missed something compares anew.
 */
import type { Requirement } from '../jobs/requirements.ts';
import type { TaskState } from '../protocol/jobs.ts';
import type { LeaseState } from './store.ts';

/** Something that one control plane changed and that others show, or decide by. */
export type FarmChange =
  /** Anything that people see of a job. */
  | { readonly kind: 'job'; readonly jobId: string }
  /** Tasks of this requirement came into the queue. */
  | { readonly kind: 'queued'; readonly requirement: Requirement; readonly count: number }
  /** A job waits for this time (epoch ms). */
  | { readonly kind: 'delayed'; readonly runAt: number }
  /** A task was claimed, ended, or came back into the queue. */
  | {
      readonly kind: 'task';
      readonly taskId: string;
      readonly epoch: number;
      readonly nodeId: string | null;
      readonly state: TaskState;
    }
  /** Log lines of a job after this cursor of `readLog`. */
  | { readonly kind: 'log'; readonly jobId: string; readonly after: number }
  | { readonly kind: 'node'; readonly nodeId: string }
  | { readonly kind: 'nodeRemoved'; readonly nodeId: string }
  | { readonly kind: 'template'; readonly name: string }
  | { readonly kind: 'token'; readonly id: string }
  /** A webhook waits to be delivered. */
  | { readonly kind: 'delivery' };

/** How a control plane hears of the others. None of these may throw. */
export interface SharedListener {
  /** Changes of others, in the order of each of them; never one's own. */
  onChanges(changes: readonly FarmChange[]): void;
  /** Changes may have been missed (connection lost, a replica died): what is in memory is compared with the store. */
  onGap(reason: string): void;
  /** Background work is this one's now, or not any more. */
  onLeader(isLeader: boolean): void;
}

/** What is compared now and then to notice missed changes of nodes. */
export interface NodeMark {
  readonly nodeId: string;
  /** Grows with every change but beats. */
  readonly revision: number;
  readonly lastSeenAt: number | null;
}

export interface Replica {
  readonly id: string;
  readonly hostname: string;
  readonly version: string;
  readonly startedAt: number;
  readonly seenAt: number;
  readonly isLeader: boolean;
}

/** A store that several control planes have open at once. */
export interface SharedStore {
  /** This one, new with every start. */
  readonly replicaId: string;
  /** Expiry, due jobs, retention and deliveries are done by one of them. */
  readonly isLeader: boolean;
  /** At most one listener; called from the first change on after this call. */
  listen(listener: SharedListener): void;
  /** Every lease as stored. */
  listLeases(): Promise<readonly LeaseState[]>;
  /** Every node, without its record. */
  listNodeMarks(): Promise<readonly NodeMark[]>;
  /** Requirements that have queued tasks. */
  listQueued(): Promise<readonly Requirement[]>;
  listReplicas(): Promise<readonly Replica[]>;
  /**
   * Keeps a value that all control planes must have in common (key: a name such as `farm-secret`), unless there is one;
   * returns the one that is kept.
   */
  agree(key: string, value: string): Promise<string>;
  /**
   * Runs `work` while nobody removes files; any number of control planes at once. For files that are old enough to be
   * removed: from the look at them until what needs them is stored.
   */
  keepingFiles<T>(work: () => Promise<T>): Promise<T>;
  /** Runs `work`, which looks what is needed and removes the rest, while nobody is in `keepingFiles`. */
  removingFiles<T>(work: () => Promise<T>): Promise<T>;
  /** The latest picture of a task; lost when the database crashes. */
  savePreview(taskId: string, jpeg: Uint8Array, at: number): Promise<void>;
  loadPreview(taskId: string): Promise<Uint8Array | null>;
}
