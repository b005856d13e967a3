import type { Api } from '../client/api.ts';
import type { FlatrenderError } from '../lib/errors.ts';
import type { JobView } from '../protocol/jobs.ts';
import { followJobs, isOver, jobActivity, jobProgress } from './follow-jobs.ts';
import { formatDuration, widthOf } from './output.ts';
import { isLive, paint } from './paint.ts';
import { bar, fittedProgress, progressLine } from './progress-line.ts';
import { createSteps, liveOptions, type Say } from './steps.ts';

/** A line per job in a log at most this often while it renders. */
const PLAIN_EVERY_MS = 5000;

/** Columns that phase, frames, rate and time left need; a job's name gives way to them. */
const LEAST_BESIDE_NAME = 50;

export interface WatchOptions {
  readonly signal: AbortSignal;
  /** Show nothing (with --json). */
  readonly quiet: boolean;
}

/**
 * Follows jobs to their end with a live bar each on a terminal, or plain lines on stderr; returns them as they ended.
 * Stopping to watch does not stop the jobs.
 */
export async function watchJobs(
  api: Api,
  ids: readonly string[],
  options: WatchOptions,
): Promise<readonly JobView[]> {
  const unique = [...new Set(ids)];
  if (options.quiet) return followJobs(api, unique, { signal: options.signal });
  if (!isLive(process.stderr)) return watchPlain(api, unique, options.signal);
  // What does not fit on the screen is cut off at the top, where the running ones are.
  const fits = unique.length <= (process.stderr.rows || 24) - 3;
  return fits ? watchLive(api, unique, options.signal) : watchBatch(api, unique, options.signal);
}

async function watchPlain(
  api: Api,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<readonly JobView[]> {
  const shown = new Map<string, { text: string; at: number }>();
  return followJobs(api, ids, {
    signal,
    onDisconnect: (error) => process.stderr.write(`${lostLine(error)}\n`),
    onUpdate: (job) => {
      const activity = jobActivity(job);
      const last = shown.get(job.id);
      const now = Date.now();
      if (last?.text === activity && (isOver(job) || now - last.at < PLAIN_EVERY_MS)) return;
      shown.set(job.id, { text: activity, at: now });
      process.stderr.write(`${jobLine(job)}\n`);
    },
  });
}

async function watchLive(api: Api, ids: readonly string[], signal: AbortSignal): Promise<readonly JobView[]> {
  const { Listr } = await import('listr2');
  const jobs = new Map<string, JobView>();
  const listeners = new Map<string, () => void>();
  let lost = '';
  let over = false;
  const refresh = (id: string): void => listeners.get(id)?.();
  const followed = followJobs(api, ids, {
    signal,
    onUpdate: (job) => {
      lost = '';
      jobs.set(job.id, job);
      refresh(job.id);
    },
    onDisconnect: (error) => {
      lost = lostLine(error);
      for (const id of ids) refresh(id);
    },
  }).finally(() => {
    over = true;
    for (const id of ids) refresh(id);
  });
  followed.catch(() => {}); // awaited below
  const display = new Listr(
    ids.map((id) => ({
      title: id,
      task: (_context: unknown, task: { title: string; skip(message: string): void }) =>
        new Promise<void>((resolve, reject) => {
          const update = (): void => {
            const job = jobs.get(id);
            // In the place of the bar: behind it, it would be cut off.
            if (job) task.title = lost && !isOver(job) ? `${id}  ${lost}` : jobLine(job, liveColumns());
            if (job && isOver(job)) {
              if (job.state === 'succeeded') resolve();
              else reject(new Error(job.state));
            } else if (over) {
              // Neither done nor failed: nobody looks any more.
              task.skip(task.title);
              resolve();
            }
          };
          listeners.set(id, update);
          update();
        }),
    })),
    { ...(await liveOptions()), concurrent: true, exitOnError: false },
  );
  await display.run();
  return followed;
}

/** More jobs than lines: one bar for all, and the jobs that render. */
async function watchBatch(
  api: Api,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<readonly JobView[]> {
  const jobs = new Map<string, JobView>();
  const work = async (say: Say): Promise<readonly JobView[]> =>
    followJobs(api, ids, {
      signal,
      onDisconnect: (error) => say(lostLine(error)),
      onUpdate: (job) => {
        jobs.set(job.id, job);
        const lines = Math.max(1, (process.stderr.rows || 24) - 5);
        const running = [...jobs.values()].filter((each) => each.state === 'running').slice(0, lines);
        say(
          [
            batchLine([...jobs.values()], ids.length),
            ...running.map((each) => `  ${jobLine(each, liveColumns())}`),
          ].join('\n'),
        );
      },
    });
  return createSteps({ quiet: false }).run(`${ids.length} jobs`, work, (ended) =>
    batchLine(ended, ids.length),
  );
}

/** `███░░ 12 of 60 done, 1 failed, 2 running`. */
export function batchLine(jobs: readonly JobView[], total: number): string {
  const count = (state: JobView['state']): number => jobs.filter((job) => job.state === state).length;
  const [failed, cancelled, running] = [count('failed'), count('cancelled'), count('running')];
  const done = jobs.reduce((sum, job) => sum + (isOver(job) ? 1 : job.progress), 0);
  return [
    `${bar(done / total, 24)}  ${jobs.filter(isOver).length} of ${total} done`,
    failed > 0 ? paint('error', `${failed} failed`, process.stderr) : '',
    cancelled > 0 ? `${cancelled} cancelled` : '',
    running > 0 ? `${running} running` : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
}

/** What a spinner, an indent and the edge leave of a line of the terminal. */
function liveColumns(): number {
  return (process.stderr.columns || 80) - 5;
}

/** One job in one line: for a log, or with a bar as long as the columns allow. */
function jobLine(job: JobView, columns?: number): string {
  const full = job.name ? `${job.id} ${job.name}` : job.id;
  const name = columns !== undefined && widthOf(full) > columns - LEAST_BESIDE_NAME ? job.id : full;
  const activity = jobActivity(job).padEnd(9);
  if (job.state === 'succeeded') {
    const took =
      job.startedAt && job.endedAt
        ? ` in ${formatDuration(Date.parse(job.endedAt) - Date.parse(job.startedAt))}`
        : '';
    return `${name}  ${paint('good', `succeeded${took}`, process.stderr)}`;
  }
  if (job.state === 'failed')
    return `${name}  ${paint('error', `failed: ${job.error?.message ?? 'no reason given'}`, process.stderr)}`;
  if (job.state !== 'running') return `${name}  ${activity.trimEnd()}`;
  const progress = jobProgress(job);
  const shown =
    columns === undefined
      ? progressLine(progress)
      : fittedProgress(progress, columns - widthOf(name) - 2 - activity.length - 1);
  return `${name}  ${paint('busy', activity, process.stderr)} ${shown}`;
}

function lostLine(error: FlatrenderError): string {
  return paint('warning', `${error.message}; connecting again, the jobs go on`, process.stderr);
}
