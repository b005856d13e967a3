/** What a job shows, derived from its tasks. */
import type { JobState, TaskState } from '../protocol/jobs.ts';
import { isTaskOver } from './task-state-machine.ts';

/** Whether a job of this state is over (a retry can open it again). */
export function isJobOver(state: JobState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/**
 * The job's state. While some tasks are over and others wait it is running; over with cancelled tasks it is
 * cancelled, whatever failed before: that was somebody's last word.
 */
export function deriveJobState(tasks: readonly TaskState[]): JobState {
  const has = (state: TaskState): boolean => tasks.includes(state);
  if (tasks.every(isTaskOver)) return has('cancelled') ? 'cancelled' : has('failed') ? 'failed' : 'succeeded';
  if (has('running') || tasks.some(isTaskOver)) return 'running';
  return has('queued') ? 'queued' : 'scheduled';
}

export interface TaskProgress {
  readonly state: TaskState;
  readonly frame: number;
  readonly frames: number | null;
}

/**
 * The done part of a job, 0 to 1: the mean over its tasks. A task that has not succeeded stays below 1: after the last
 * frame come verification and upload.
 */
export function jobProgress(tasks: readonly TaskProgress[]): number {
  if (tasks.length === 0) return 0;
  let done = 0;
  for (const { state, frame, frames } of tasks) {
    if (state === 'succeeded') done += 1;
    else if (frames !== null && frames > 0) done += Math.min(0.99, frame / frames);
  }
  return done / tasks.length;
}
