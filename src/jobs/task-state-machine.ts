/**
 * The one table that knows which event leads a task where, and what it does to the fencing epoch, the newest attempt
 * and the budgets. Whether the sender holds the token `(taskId, epoch)` is checked before; the table then decides
 * whether that token still counts.
 */
import type { AttemptOutcome, TaskState } from '../protocol/jobs.ts';
import type { RetryPolicy } from './retry-policy.ts';

export type TaskEvent =
  /** Its start time has come, or what it waits for is done. */
  | { readonly type: 'ready' }
  | { readonly type: 'claim' }
  | { readonly type: 'complete' }
  | {
      readonly type: 'fail';
      readonly retryable: boolean;
      readonly policy: Pick<RetryPolicy, 'maxFailures'>;
    }
  | { readonly type: 'release' }
  | { readonly type: 'expire'; readonly policy: Pick<RetryPolicy, 'maxLosses'> }
  | { readonly type: 'reattach' }
  | { readonly type: 'cancel' }
  /** `due`: its start time has come. */
  | { readonly type: 'retry'; readonly due: boolean };

export type TaskEventType = TaskEvent['type'];

export interface TaskFacts {
  readonly state: TaskState;
  readonly epoch: number;
  readonly failures: number;
  readonly losses: number;
  /** Outcome of the newest attempt; null while it runs and when there was none. */
  readonly attempt: AttemptOutcome | null;
}

/** The facts after the event, and which node to avoid: the attempt's, nobody, or as before. */
export interface Transition extends TaskFacts {
  readonly avoid: 'keep' | 'attempt' | 'nobody';
  /** Outcome that the attempt before a new claim gets, when it changes. */
  readonly previousAttempt: AttemptOutcome | null;
}

/** null: refused in this state. */
type Rule = (task: TaskFacts, event: TaskEvent) => Transition | null;

const refuse: Rule = () => null;

function to(task: TaskFacts, changes: Partial<Transition>): Transition {
  const { state, epoch, failures, losses, attempt } = task;
  return { state, epoch, failures, losses, attempt, avoid: 'keep', previousAttempt: null, ...changes };
}

const queue: Rule = (task) => to(task, { state: 'queued' });

/**
 * The only event that raises the epoch: from here on the token before it is dead, and an attempt that was lost but
 * could have come back is superseded.
 */
const claim: Rule = (task) =>
  to(task, {
    state: 'running',
    epoch: task.epoch + 1,
    attempt: null,
    previousAttempt: task.attempt === 'lost' ? 'superseded' : null,
  });

const succeed: Rule = (task) => to(task, { state: 'succeeded', attempt: 'succeeded' });

const fail: Rule = (task, event) => {
  if (event.type !== 'fail') return null;
  const failures = task.failures + 1;
  const over = !event.retryable || failures >= event.policy.maxFailures;
  return to(task, {
    state: over ? 'failed' : 'queued',
    failures,
    attempt: 'failed',
    avoid: over ? 'keep' : 'attempt',
  });
};

const release: Rule = (task) => to(task, { state: 'queued', attempt: 'interrupted' });

/** The epoch stays: until another node claims the task, its old one may come back with the old token. */
const expire: Rule = (task, event) => {
  if (event.type !== 'expire') return null;
  const losses = task.losses + 1;
  return to(task, {
    state: losses >= event.policy.maxLosses ? 'failed' : 'queued',
    losses,
    attempt: 'lost',
  });
};

const reattach: Rule = (task) => to(task, { state: 'running', attempt: null });

/** A running task ends at once; its node hears of it with the next heartbeat. */
const cancel: Rule = (task) =>
  to(task, {
    state: 'cancelled',
    // A lost attempt must not come back after a later retry.
    attempt: task.state === 'running' || task.attempt === 'lost' ? 'cancelled' : task.attempt,
  });

/** The epoch goes on counting: reports of earlier attempts stay refused. */
const retry: Rule = (task, event) =>
  event.type === 'retry'
    ? to(task, { state: event.due ? 'queued' : 'blocked', failures: 0, losses: 0, avoid: 'nobody' })
    : null;

/**
 * For a queued task whose lease expired and that nobody took since: the node was there all the time, so the loss is
 * given back.
 */
function late(rule: Rule): Rule {
  return (task, event) =>
    task.attempt === 'lost'
      ? rule({ ...task, attempt: null, losses: Math.max(0, task.losses - 1) }, event)
      : null;
}

const over = {
  ready: refuse,
  claim: refuse,
  complete: refuse,
  fail: refuse,
  release: refuse,
  expire: refuse,
  reattach: refuse,
  cancel: refuse,
  retry: refuse,
};

const TABLE: Readonly<Record<TaskState, Readonly<Record<TaskEventType, Rule>>>> = {
  blocked: { ...over, ready: queue, cancel },
  queued: {
    ready: refuse,
    claim,
    complete: late(succeed),
    fail: late(fail),
    release: late(release),
    expire: refuse,
    reattach: late(reattach),
    cancel,
    retry: refuse,
  },
  running: {
    ready: refuse,
    claim: refuse,
    complete: succeed,
    fail,
    release,
    expire,
    reattach,
    cancel,
    retry: refuse,
  },
  succeeded: over,
  failed: { ...over, retry },
  cancelled: { ...over, retry },
};

/** Where the event leads the task; null when it is refused in this state. */
export function applyTaskEvent(task: TaskFacts, event: TaskEvent): Transition | null {
  return TABLE[task.state][event.type](task, event);
}

/** Whether an attempt with this outcome has already had this report accepted: the same report again changes nothing. */
export function isRepeated(report: 'complete' | 'fail' | 'release', outcome: AttemptOutcome | null): boolean {
  const accepted = { complete: 'succeeded', fail: 'failed', release: 'interrupted' } as const;
  return outcome === accepted[report];
}

/** Whether a task of this state is over. */
export function isTaskOver(state: TaskState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}
