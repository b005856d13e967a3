/** Many schedules, on several cores. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { PlanChoice } from './plan.ts';
import type { Outcome } from './simulate.ts';

export interface SchedulesOptions {
  /** The first seed; the others follow it. */
  readonly seed: number;
  readonly schedules: number;
  /** Goes on until so many events were played; 0: as many schedules as said. */
  readonly steps?: number;
  readonly choice?: PlanChoice;
  readonly workers?: number;
  /** Ends at the first broken promise. */
  readonly stopsAtFirst?: boolean;
  /** Told of each batch. */
  readonly onProgress?: (summary: Summary) => void;
}

export type Broken = Pick<Outcome, 'seed' | 'violation'>;

export interface Summary {
  schedules: number;
  steps: number;
  virtualSeconds: number;
  readonly counts: Record<string, number>;
  readonly broken: Broken[];
  /** Lines of code that asked for real time, chance or timers. */
  readonly intruders: Set<string>;
}

/** What a worker says of its batch. */
export interface BatchDone {
  readonly schedules: number;
  readonly steps: number;
  readonly virtualSeconds: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly broken: readonly Broken[];
  readonly intruders: readonly string[];
}

/** A batch for a worker. */
export interface Batch {
  readonly seed: number;
  readonly count: number;
  readonly choice: PlanChoice;
}

const BATCH = 25;

/** Plays schedules; resolves when all are played, or one broke a promise and that is enough. */
export async function playSchedules(options: SchedulesOptions): Promise<Summary> {
  const { seed, schedules, steps = 0, choice = {}, stopsAtFirst = false, onProgress } = options;
  const workers = Math.max(1, options.workers ?? availableParallelism());
  const summary: Summary = {
    schedules: 0,
    steps: 0,
    virtualSeconds: 0,
    counts: {},
    broken: [],
    intruders: new Set(),
  };
  let next = seed;
  const take = (): Batch | null => {
    if (stopsAtFirst && summary.broken.length > 0) return null;
    const isEnough = steps > 0 ? summary.steps >= steps : next >= seed + schedules;
    if (isEnough) return null;
    const count = steps > 0 ? BATCH : Math.min(BATCH, seed + schedules - next);
    const batch = { seed: next, count, choice };
    next += count;
    return batch;
  };
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./worker.ts', import.meta.url));
      const give = (): void => {
        const batch = take();
        if (batch) worker.postMessage(batch);
        else void worker.terminate().then(() => resolve());
      };
      worker.on('message', (done: BatchDone) => {
        add(summary, done);
        onProgress?.(summary);
        give();
      });
      worker.on('error', reject);
      give();
    });
  await Promise.all(Array.from({ length: workers }, work));
  summary.broken.sort((a, b) => a.seed - b.seed);
  return summary;
}

function add(summary: Summary, done: BatchDone): void {
  summary.schedules += done.schedules;
  summary.steps += done.steps;
  summary.virtualSeconds += done.virtualSeconds;
  summary.broken.push(...done.broken);
  for (const line of done.intruders) summary.intruders.add(line);
  for (const [kind, count] of Object.entries(done.counts))
    summary.counts[kind] = (summary.counts[kind] ?? 0) + count;
}
