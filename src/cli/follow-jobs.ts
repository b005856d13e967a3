import type { Api } from '../client/api.ts';
import { farmEvents } from '../client/events.ts';
import type { FlatrenderError } from '../lib/errors.ts';
import type { JobView } from '../protocol/jobs.ts';
import type { ProgressFacts } from './progress-line.ts';

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** The newest state of a job, with its tasks; called at least once per job. */
  readonly onUpdate?: (job: JobView) => void;
  /** The connection broke; the jobs go on, and so does this as soon as the control plane is back. */
  readonly onDisconnect?: (error: FlatrenderError) => void;
}

const DETAILED_JOBS = 20;
const PARALLEL_READS = 16;

/** Whether nothing more will happen to a job by itself. */
export function isOver(job: Pick<JobView, 'state'>): boolean {
  return job.state === 'succeeded' || job.state === 'failed' || job.state === 'cancelled';
}

/**
 * Follows jobs over the event stream until all are over; returns them in the order asked for, with their tasks.
 * JOB_NOT_FOUND for an id that does not exist. The state is read anew when the stream says so, and when an event comes
 * without the tasks; so no change is missed, whatever was missed of the stream.
 */
export async function followJobs(
  api: Api,
  ids: readonly string[],
  options: FollowOptions,
): Promise<readonly JobView[]> {
  const wanted = new Set(ids);
  const jobs = new Map<string, JobView>();
  const store = (job: JobView): void => {
    jobs.set(job.id, job);
    options.onUpdate?.(job);
  };
  const open = (): string[] =>
    ids.filter((id) => !jobs.get(id) || !isOver(jobs.get(id) ?? { state: 'queued' }));
  const stream = new AbortController();
  const signal = AbortSignal.any([options.signal, stream.signal]);
  try {
    for await (const event of farmEvents(api.target, {
      jobs: ids,
      signal,
      ...(options.onDisconnect ? { onDisconnect: options.onDisconnect } : {}),
    })) {
      if (event.type === 'reset') await readAll(api, open(), store);
      else if (event.type === 'job' && wanted.has(event.job.id)) {
        const { job } = event;
        // Frames and phases are in the tasks. Of many jobs nobody reads them, and each costs a request.
        store(job.tasks || (wanted.size > DETAILED_JOBS && !isOver(job)) ? job : await api.getJob(job.id));
      }
      if (open().length === 0) break;
    }
  } finally {
    stream.abort();
  }
  return ids.map((id) => jobs.get(id)).filter((job) => job !== undefined);
}

/** Reads the state of jobs, some at a time: one after the other takes long over a slow line. */
async function readAll(api: Api, ids: readonly string[], store: (job: JobView) => void): Promise<void> {
  for (let start = 0; start < ids.length; start += PARALLEL_READS) {
    const part = ids.slice(start, start + PARALLEL_READS);
    for (const job of await Promise.all(part.map((id) => api.getJob(id)))) store(job);
  }
}

/** A job's progress in frames over all its tasks; the rate is that of what runs now. */
export function jobProgress(job: JobView): ProgressFacts {
  const tasks = job.tasks ?? [];
  const known = tasks.every((task) => task.frames !== null || task.result !== null);
  const sum = (pick: (task: (typeof tasks)[number]) => number): number =>
    tasks.reduce((total, task) => total + pick(task), 0);
  return {
    fraction: job.progress,
    frame: sum((task) => task.result?.frames ?? task.frame),
    frames: known && tasks.length > 0 ? sum((task) => task.result?.frames ?? task.frames ?? 0) : null,
    fps: sum((task) => (task.state === 'running' ? (task.fps ?? 0) : 0)) || null,
  };
}

/** What a job is doing, in a word or two: its state, or the phase its node is in. */
export function jobActivity(job: JobView): string {
  if (job.state !== 'running') return job.state;
  const phases = (job.tasks ?? [])
    .filter((task) => task.state === 'running')
    .map((task) => task.phase ?? 'claimed');
  const [phase] = phases;
  return phase === undefined ? 'running' : phases.length > 1 ? `${phase} (${phases.length} tasks)` : phase;
}
