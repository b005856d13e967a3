/** What the SQLite store keeps in memory: counts, classes, bundles, heads of the queue, claims that run. No jobs, no tasks. */
import { canonicalRequirement, type Requirement, requirementKey } from '../../jobs/requirements.ts';
import { JobState, TaskState } from '../../protocol/jobs.ts';
import { type Counted, CountedSet } from './counted-set.ts';
import { QueueHeads, type TaskKey } from './queue-heads.ts';
import type { Row, Sql } from './sql.ts';

export interface Bundle {
  readonly template: string;
  readonly version: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

type Counts<State extends string> = Record<State, number>;

function zeroes<State extends string>(states: readonly State[]): Counts<State> {
  return Object.fromEntries(states.map((state) => [state, 0])) as Counts<State>;
}

export class Memory {
  readonly classes = new CountedSet<Requirement>({
    load: (sql) =>
      sql.all('select id, key, requirement, tasks from classes').map((row) => ({
        id: Number(row.id),
        key: String(row.key),
        body: JSON.parse(String(row.requirement)) as Requirement,
        uses: Number(row.tasks),
        open: 0,
      })),
    insert: (sql, { id, key, body }) =>
      sql.run(
        'insert into classes (id, key, requirement, tasks) values (?, ?, ?, 0)',
        id,
        key,
        JSON.stringify(body),
      ),
    update: (sql, { id, uses }) => sql.run('update classes set tasks = ? where id = ?', uses, id),
    remove: (sql, id) => sql.run('delete from classes where id = ?', id),
  });
  readonly bundles = new CountedSet<Bundle>({
    load: (sql) =>
      sql
        .all('select id, template, version, sha256, size_bytes, jobs, unfinished from bundles')
        .map((row) => {
          const body = {
            template: String(row.template),
            version: String(row.version),
            sha256: String(row.sha256),
            sizeBytes: Number(row.size_bytes),
          };
          return {
            id: Number(row.id),
            key: bundleKey(body),
            body,
            uses: Number(row.jobs),
            open: Number(row.unfinished),
          };
        }),
    insert: (sql, { id, body }) =>
      sql.run(
        'insert into bundles (id, template, version, sha256, size_bytes, jobs, unfinished) values (?, ?, ?, ?, ?, 0, 0)',
        id,
        body.template,
        body.version,
        body.sha256,
        body.sizeBytes,
      ),
    update: (sql, { id, uses, open }) =>
      sql.run('update bundles set jobs = ?, unfinished = ? where id = ?', uses, open, id),
    remove: (sql, id) => sql.run('delete from bundles where id = ?', id),
  });
  readonly heads = new QueueHeads();
  jobs: Counts<JobState> = zeroes(JobState.options);
  tasks: Counts<TaskState> = zeroes(TaskState.options);
  #countsChanged = false;
  /** Ids of the nodes that were not removed. */
  nodes = new Set<string>();
  readonly #claims = new Map<string, TaskKey>();
  #nextJob = 1;

  /** Reads everything; after opening and after a rollback. */
  load(sql: Sql): void {
    const farm = sql.get('select next_job, job_counts, task_counts from farm');
    this.#nextJob = Number(farm?.next_job);
    this.#countsChanged = false;
    this.jobs = { ...zeroes(JobState.options), ...JSON.parse(String(farm?.job_counts)) };
    this.tasks = { ...zeroes(TaskState.options), ...JSON.parse(String(farm?.task_counts)) };
    this.classes.load(sql);
    this.bundles.load(sql);
    this.heads.reset(Iterator.from(this.classes.values()).map((entry) => entry.id));
    this.nodes = new Set(
      sql.all('select id from nodes where removed_at is null').map((row) => String(row.id)),
    );
    this.#claims.clear();
    for (const row of sql.all(
      "select job_num, idx, node_id, claim_id from tasks indexed by tasks_running where state = 'running'",
    )) {
      this.#claims.set(claimKey(row), { jobNum: Number(row.job_num), idx: Number(row.idx) });
    }
  }

  /** Writes the counts; before each commit. */
  flush(sql: Sql): void {
    for (const { id } of this.classes.flush(sql)) this.heads.drop(id);
    this.bundles.flush(sql);
    if (!this.#countsChanged) return;
    this.#countsChanged = false;
    sql.run(
      'update farm set next_job = ?, job_counts = ?, task_counts = ?',
      this.#nextJob,
      JSON.stringify(this.jobs),
      JSON.stringify(this.tasks),
    );
  }

  /** A job went from one state to the other; null: it was not there, or is not any more. */
  countJob(from: JobState | null, to: JobState | null): void {
    if (from !== null) this.jobs[from] -= 1;
    if (to !== null) this.jobs[to] += 1;
    this.#countsChanged = true;
  }

  /** The same for a task. */
  countTask(from: TaskState | null, to: TaskState | null): void {
    if (from !== null) this.tasks[from] -= 1;
    if (to !== null) this.tasks[to] += 1;
    this.#countsChanged = true;
  }

  /** Numbers of jobs: `count` in a row, the first is returned. */
  takeJobNumbers(count: number): number {
    const first = this.#nextJob;
    this.#nextJob += count;
    this.#countsChanged = true;
    return first;
  }

  classOf(sql: Sql, requirement: Requirement): Counted<Requirement> {
    return this.classes.intern(sql, requirementKey(requirement), () => canonicalRequirement(requirement));
  }

  bundleOf(sql: Sql, bundle: Bundle): Counted<Bundle> {
    return this.bundles.intern(sql, bundleKey(bundle), () => bundle);
  }

  /** The running task of that claim, or null. */
  claimed(nodeId: string, claimId: string): TaskKey | null {
    return this.#claims.get(`${nodeId} ${claimId}`) ?? null;
  }

  claimStarted(nodeId: string, claimId: string, task: TaskKey): void {
    this.#claims.set(`${nodeId} ${claimId}`, task);
  }

  claimEnded(nodeId: string, claimId: string): void {
    this.#claims.delete(`${nodeId} ${claimId}`);
  }
}

/** Node ids have no spaces. */
function claimKey(row: Row): string {
  return `${row.node_id} ${row.claim_id}`;
}

function bundleKey(bundle: Bundle): string {
  return `${bundle.template} ${bundle.version} ${bundle.sha256}`;
}
