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
  /** Own changes of each count so far: as many as fall into the time of counting, the count may be wrong. */
  readonly #moves = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(db: Database) {
    this.#db = db;
  }

  get stats(): StoreStats {
    return { jobs: { ...this.#jobs }, tasks: { ...this.#tasks } };
  }

  job(from: JobState | null, to: JobState | null, count = 1): void {
    this.#move('job', [from, to], count);
    if (from !== null) this.#jobs[from] -= count;
    if (to !== null) this.#jobs[to] += count;
  }

  task(from: TaskState | null, to: TaskState | null, count = 1): void {
    this.#move('task', [from, to], count);
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
    const before = new Map(this.#moves);
    const [jobs, tasks] = await Promise.all([
      this.#db.rows('select state, count(*) as n from jobs group by state'),
      this.#db.rows('select state, count(*) as n from tasks group by state'),
    ]);
    const counted = { job: byState(jobs), task: byState(tasks) };
    for (const state of JobState.options) {
      this.#jobs[state] = this.#corrected(before, `job ${state}`, this.#jobs[state], counted.job[state] ?? 0);
    }
    for (const state of TaskState.options) {
      this.#tasks[state] = this.#corrected(
        before,
        `task ${state}`,
        this.#tasks[state],
        counted.task[state] ?? 0,
      );
    }
  }

  /** What was counted, unless one's own changes meanwhile explain the difference. */
  #corrected(before: ReadonlyMap<string, number>, key: string, known: number, counted: number): number {
    const meanwhile = (this.#moves.get(key) ?? 0) - (before.get(key) ?? 0);
    return Math.abs(counted - known) > meanwhile ? counted : known;
  }

  #move(kind: 'job' | 'task', states: readonly (string | null)[], count: number): void {
    for (const state of states) {
      const key = `${kind} ${state}`;
      if (state !== null) this.#moves.set(key, (this.#moves.get(key) ?? 0) + count);
    }
  }
}

function zeroes<State extends string>(states: readonly State[]): Counts<State> {
  return Object.fromEntries(states.map((state) => [state, 0])) as Counts<State>;
}

function byState(rows: readonly Record<string, unknown>[]): Record<string, number> {
  return Object.fromEntries(rows.map(({ state, n }) => [String(state), Number(n)]));
}
