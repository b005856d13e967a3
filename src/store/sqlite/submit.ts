import { FlatrenderError } from '../../lib/errors.ts';
import type { InputValues } from '../../protocol/jobs.ts';
import type { JobRecord, NewJob, Store } from '../store.ts';
import type { Context } from './context.ts';
import { JOB_COLUMNS, toJob } from './rows.ts';

type Idempotency = Parameters<Store['submit']>[1];
type Submitted = Awaited<ReturnType<Store['submit']>>;

/** Stores the jobs, or finds those of the first call with this idempotency key. */
export function submit(context: Context, jobs: readonly NewJob[], idempotency: Idempotency): Submitted {
  const { sql, memory } = context;
  if (idempotency !== undefined) {
    const earlier = findEarlier(context, idempotency);
    if (earlier !== null) return { jobs: earlier, repeated: true };
  }
  const [first] = jobs;
  if (first === undefined) return { jobs: [], repeated: false };
  const firstNum = memory.takeJobNumbers(jobs.length);
  const records = jobs.map((job, i) => insertJob(context, job, firstNum + i));
  if (idempotency !== undefined) {
    sql.run(
      'insert into idempotency (key, body_sha256, used_at, first_job, last_job) values (?, ?, ?, ?, ?)',
      idempotency.key,
      idempotency.bodySha256,
      first.createdAt,
      firstNum,
      firstNum + jobs.length - 1,
    );
  }
  return { jobs: records, repeated: false };
}

function findEarlier(
  { sql, memory }: Context,
  { key, bodySha256 }: NonNullable<Idempotency>,
): readonly JobRecord[] | null {
  const row = sql.get(
    'select body_sha256, first_job, last_job, job_nums from idempotency where key = ?',
    key,
  );
  if (row === null) return null;
  if (row.body_sha256 !== bodySha256) {
    throw new FlatrenderError(
      'IDEMPOTENCY_CONFLICT',
      `the idempotency key "${key}" was used before with another request`,
      { hint: 'use a new key for a new request' },
    );
  }
  return sql
    .all(
      `select ${JOB_COLUMNS} from jobs
       where num between ? and ? and (? is null or num in (select value from json_each(?))) order by num`,
      row.first_job ?? 0,
      row.last_job ?? 0,
      row.job_nums ?? null,
      row.job_nums ?? null,
    )
    .map((job) => toJob(job, memory).record);
}

function insertJob(context: Context, job: NewJob, num: number): JobRecord {
  const { sql, memory } = context;
  const isDelayed = job.runAt !== null && job.runAt > job.createdAt;
  const state = isDelayed ? 'scheduled' : 'queued';
  const bundle = memory.bundleOf(sql, {
    template: job.template,
    version: job.version,
    sha256: job.bundleSha256,
    sizeBytes: job.bundleBytes,
  });
  sql.run(
    `insert into jobs (num, id, batch_id, name, bundle_id, template, priority, inputs, run_at, node, webhook,
       created_at, created_by, tasks, state)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    num,
    job.id,
    job.batchId,
    job.name,
    bundle.id,
    job.template,
    job.priority,
    JSON.stringify(job.inputs),
    job.runAt,
    job.node,
    job.webhook,
    job.createdAt,
    job.createdBy,
    job.tasks.length,
    state,
  );
  memory.bundles.count(bundle, 1, 1);
  memory.countJob(null, state);
  for (const sha256 of assetsOf(job.inputs)) {
    sql.run('insert into job_assets (sha256, job_num) values (?, ?)', sha256, num);
  }
  for (const [idx, task] of job.tasks.entries()) insertTask(context, job, num, idx, task, isDelayed);
  const { tasks: _, ...fields } = job;
  return { ...fields, state, startedAt: null, endedAt: null, error: null };
}

function insertTask(
  { sql, memory }: Context,
  job: NewJob,
  jobNum: number,
  idx: number,
  { requirement, output }: NewJob['tasks'][number],
  isDelayed: boolean,
): void {
  const entry = memory.classOf(sql, requirement);
  const state = isDelayed ? 'blocked' : 'queued';
  sql.run(
    `insert into tasks (job_num, idx, class_id, priority, state, ready_at, epoch, failures, losses, frame, output)
     values (?, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?)`,
    jobNum,
    idx,
    entry.id,
    job.priority,
    state,
    isDelayed ? job.runAt : null,
    JSON.stringify(output),
  );
  memory.classes.count(entry, 1, 0);
  memory.countTask(null, state);
  if (!isDelayed) memory.heads.added(entry.id, { jobNum, idx, priority: job.priority });
}

/** The digests of the files among the inputs, each once. */
function assetsOf(inputs: InputValues): ReadonlySet<string> {
  const digests = new Set<string>();
  for (const value of Object.values(inputs)) if (typeof value === 'object') digests.add(value.asset);
  return digests;
}
