/** What an event makes of a task and its job: the part that is the same in every store. */

import { deriveJobState, isJobOver } from '../jobs/job-state.ts';
import type { Requirement } from '../jobs/requirements.ts';
import { isTaskOver, type Transition } from '../jobs/task-state-machine.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { TaskError, TaskResult, TaskState } from '../protocol/jobs.ts';
import type { AttemptRecord, Fence, JobRecord, TaskRecord } from './store.ts';

/** What comes with an event. */
export interface EventData {
  readonly now: number;
  /** claim */
  readonly nodeId?: string;
  readonly claimId?: string;
  /** claim, reattach */
  readonly leaseUntil?: number;
  /** complete */
  readonly result?: TaskResult;
  /** The attempt's error; the task's as well, unless told otherwise. */
  readonly error?: TaskError;
  /** The task's error when it fails for another reason than the attempt. */
  readonly taskError?: TaskError;
}

/** Whom the task asks for after the transition; the same object when that did not change. */
export function requirementAfter(old: TaskRecord, { avoid }: Transition): Requirement {
  const next = { keep: old.requirement.avoid, attempt: old.nodeId, nobody: null }[avoid];
  return next === old.requirement.avoid ? old.requirement : { ...old.requirement, avoid: next };
}

/** The task after the transition; `attempt`: the newest one before it. Its requirement is left as it is. */
export function taskAfter(
  old: TaskRecord,
  attempt: AttemptRecord | null,
  transition: Transition,
  data: EventData,
): TaskRecord {
  const { state, epoch, failures, losses } = transition;
  const isClaim = epoch !== old.epoch;
  return {
    ...old,
    state,
    epoch,
    failures,
    losses,
    nodeId: isClaim ? (data.nodeId ?? null) : old.nodeId,
    leaseUntil: state === 'running' ? (data.leaseUntil ?? old.leaseUntil) : null,
    ...progressAfter(old, transition, data),
    result: state === 'succeeded' ? (data.result ?? null) : null,
    error: errorAfter(old, state, data),
    startedAt: startedAfter(state, isClaim, attempt, data.now),
    endedAt: isTaskOver(state) ? data.now : null,
  };
}

/** The job after a task of it changed to `changed`; `tasks`: all of it, by index. `ended`: it was not over and is now. */
export function jobAfter(
  old: JobRecord,
  tasks: readonly Pick<TaskRecord, 'state' | 'error'>[],
  changed: TaskState,
  now: number,
): { readonly record: JobRecord; readonly ended: boolean } {
  const state = deriveJobState(tasks.map((task) => task.state));
  const isOver = isJobOver(state);
  const record: JobRecord = {
    ...old,
    state,
    startedAt: old.startedAt ?? (changed === 'running' ? now : null),
    endedAt: isOver ? now : null,
    error: tasks.find((task) => task.state === 'failed')?.error ?? null,
  };
  if (state === old.state && record.error === old.error) return { record: { ...old }, ended: false };
  return { record, ended: isOver && !isJobOver(old.state) };
}

/** The refusal of a fence that does not hold any more. */
export function leaseLost(fence: Fence, { state, epoch, nodeId }: TaskRecord): FlatrenderError {
  const holder = state === 'running' && epoch !== fence.epoch ? ` on ${nodeId}` : '';
  return new FlatrenderError(
    'LEASE_LOST',
    `node ${fence.nodeId} no longer holds task ${fence.taskId} (epoch ${fence.epoch}): it is ${state}${holder}, epoch ${epoch}`,
    { details: { state, epoch } },
  );
}

function startedAfter(
  state: TaskState,
  isClaim: boolean,
  attempt: AttemptRecord | null,
  now: number,
): number | null {
  if (state === 'queued' || state === 'blocked') return null;
  return isClaim ? now : (attempt?.startedAt ?? null);
}

/** Frames of an attempt that ended without success say nothing about the next one. */
function progressAfter(
  old: TaskRecord,
  { state }: Transition,
  { result }: EventData,
): Pick<TaskRecord, 'phase' | 'frame' | 'frames' | 'fps'> {
  if (state === 'succeeded') {
    const frames = result?.frames ?? old.frames;
    return { phase: 'done', frame: frames ?? old.frame, frames, fps: null };
  }
  if (state === 'running') return { phase: 'claimed', frame: 0, frames: null, fps: null };
  if (isTaskOver(state)) return { phase: old.phase, frame: old.frame, frames: old.frames, fps: null };
  return { phase: null, frame: 0, frames: null, fps: null };
}

function errorAfter(old: TaskRecord, state: TaskState, data: EventData): TaskError | null {
  if (state === 'failed') return data.taskError ?? data.error ?? old.error;
  // Waiting again: the error that sent it back stays visible.
  if (state === 'queued' && old.state !== 'failed') return data.error ?? old.error;
  return null;
}
