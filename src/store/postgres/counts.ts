import { JobState, TaskState } from '../../protocol/jobs.ts';
import type { StoreStats } from '../store.ts';
import type { Database } from './database.ts';

type Counts<State extends string> = Record<State, number>;

/** No count is older than this; a database that takes long to count is asked less often. */
const FRESH_MS = 5000;
const PAUSE_PER_COUNT = 50;

/**
 * How many jobs and tasks there are by state. One's own changes count at once; those of other control planes are counted
 * anew every few seconds.
 */
export class StateCounts {
  readonly #db: Database;
  #jobs = zeroes(JobState.options);
  #tasks = zeroes(TaskState.options);
  /** Own changes so far: a count that they overlapped is not taken. */
  #changes = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(db: Database) {
    this.#db = db;
  }

  get stats(): StoreStats {
    return { jobs: { ...this.#jobs }, tasks: { ...this.#tasks } };
  }

  job(from: JobState | null, to: JobState | null, count = 1): void {
    this.#changes += 1;
    if (from !== null) this.#jobs[from] -= count;
    if (to !== null) this.#jobs[to] += count;
  }

  task(from: TaskState | null, to: TaskState | null, count = 1): void {
    this.#changes += 1;
    if (from !== null) this.#tasks[from] -= count;
    if (to !== null) this.#tasks[to] += count;
  }

  /** Counts now, and again every few seconds until `close`. */
  async start(): Promise<void> {
    await this.#count();
    this.#arm(FRESH_MS);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #arm(ms: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(async () => {
      const startedAt = performance.now();
      // A database that is away is not counted; the next time will do.
      await this.#count().catch(() => undefined);
      this.#arm(Math.max(FRESH_MS, PAUSE_PER_COUNT * (performance.now() - startedAt)));
    }, ms);
    this.#timer.unref();
  }

  async #count(): Promise<void> {
    const before = this.#changes;
    const [jobs, tasks] = await Promise.all([
      this.#db.rows('select state, count(*) as n from jobs group by state'),
      this.#db.rows('select state, count(*) as n from tasks group by state'),
    ]);
    if (before !== this.#changes) return;
    this.#jobs = { ...zeroes(JobState.options), ...byState(jobs) };
    this.#tasks = { ...zeroes(TaskState.options), ...byState(tasks) };
  }
}

function zeroes<State extends string>(states: readonly State[]): Counts<State> {
  return Object.fromEntries(states.map((state) => [state, 0])) as Counts<State>;
}

function byState(rows: readonly Record<string, unknown>[]): Record<string, number> {
  return Object.fromEntries(rows.map(({ state, n }) => [String(state), Number(n)]));
}
