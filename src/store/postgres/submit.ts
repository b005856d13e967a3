import { FlatrenderError } from '../../lib/errors.ts';
import type { InputValues } from '../../protocol/jobs.ts';
import { portableJson } from '../portable-text.ts';
import type { FarmChange } from '../shared.ts';
import type { JobRecord, NewJob, Store } from '../store.ts';
import type { Context } from './context.ts';
import type { Queries } from './database.ts';
import { JOB_COLUMNS, toJob } from './rows.ts';

type Idempotency = Parameters<Store['submit']>[1];
type Submitted = Awaited<ReturnType<Store['submit']>>;

/** Stores the jobs, or finds those of the first call with this idempotency key. */
export async function submit(
  context: Context,
  jobs: readonly NewJob[],
  idempotency: Idempotency,
): Promise<Submitted> {
  const { db, classes, counts, announce } = context;
  const known = await classes.intern(
    db,
    jobs.flatMap((job) => job.tasks.map(({ requirement }) => requirement)),
  );
  const classIds = known.map(({ id }) => id);
  const done = await db.transaction(async (queries): Promise<Submitted> => {
    if (idempotency !== undefined) {
      const earlier = await reserve(queries, jobs, idempotency);
      if (earlier !== null) return { jobs: earlier, repeated: true };
    }
    if (jobs.length === 0) return { jobs: [], repeated: false };
    const nums = await insert(queries, jobs, classIds);
    if (idempotency !== undefined)
      await queries.rows('update idempotency set job_nums = $2 where key = $1', [idempotency.key, nums]);
    return { jobs: jobs.map(recordOf), repeated: false };
  });
  if (done.repeated) return done;
  for (const job of jobs) {
    counts.job(null, isDelayed(job) ? 'scheduled' : 'queued');
    counts.task(null, isDelayed(job) ? 'blocked' : 'queued', job.tasks.length);
  }
  announce(jobs.flatMap(changesOf));
  return done;
}

/** Takes the key; a call under way with the same one is waited for. The jobs of the first call, when it was used. */
async function reserve(
  queries: Queries,
  jobs: readonly NewJob[],
  { key, bodySha256 }: NonNullable<Idempotency>,
): Promise<readonly JobRecord[] | null> {
  const usedAt = jobs[0]?.createdAt ?? 0;
  const taken = await queries.rows(
    `insert into idempotency (key, body_sha256, used_at, job_nums) values ($1, $2, $3, '{}')
     on conflict (key) do nothing returning key`,
    [key, bodySha256, usedAt],
    'idempotency-take',
  );
  if (taken.length > 0) return null;
  const [row] = await queries.rows('select body_sha256, job_nums from idempotency where key = $1', [key]);
  // Purged in between: as good as new.
  if (row === undefined) return reserve(queries, jobs, { key, bodySha256 });
  if (row.body_sha256 !== bodySha256) {
    throw new FlatrenderError(
      'IDEMPOTENCY_CONFLICT',
      `the idempotency key "${key}" was used before with another request`,
      { hint: 'use a new key for a new request' },
    );
  }
  const found = await queries.rows(
    `select ${JOB_COLUMNS} from jobs j where j.num = any($1::bigint[]) order by j.num`,
    [row.job_nums],
  );
  return found.map((job) => toJob(job).record);
}

async function insert(
  queries: Queries,
  jobs: readonly NewJob[],
  classIds: readonly number[],
): Promise<readonly number[]> {
  let at = 0;
  const tasks = jobs.flatMap((job, i) =>
    job.tasks.map(({ output }, idx) => {
      const class_id = classIds[at];
      at += 1;
      const delayed = isDelayed(job);
      const state = delayed ? 'blocked' : 'queued';
      return {
        i,
        idx,
        class_id,
        priority: job.priority,
        state,
        ready_at: delayed ? job.runAt : null,
        output,
      };
    }),
  );
  const assets = jobs.flatMap((job, i) => [...assetsOf(job.inputs)].map((sha256) => ({ i, sha256 })));
  const rows = await queries.rows(
    INSERT,
    [portableJson(jobs.map(jobRow)), portableJson(tasks), portableJson(assets)],
    'submit',
  );
  return rows.map(({ num }) => Number(num)).sort((a, b) => a - b);
}

function jobRow(job: NewJob, i: number): Record<string, unknown> {
  return {
    i,
    id: job.id,
    batch_id: job.batchId,
    name: job.name,
    template: job.template,
    version: job.version,
    bundle_sha256: job.bundleSha256,
    bundle_bytes: job.bundleBytes,
    priority: job.priority,
    inputs: job.inputs,
    run_at: job.runAt,
    node: job.node,
    webhook: job.webhook,
    created_at: job.createdAt,
    created_by: job.createdBy,
    tasks: job.tasks.length,
    state: isDelayed(job) ? 'scheduled' : 'queued',
  };
}

function recordOf({ tasks: _, ...job }: NewJob): JobRecord {
  const state = job.runAt !== null && job.runAt > job.createdAt ? 'scheduled' : 'queued';
  return { ...job, state, startedAt: null, endedAt: null, error: null };
}

function isDelayed({ runAt, createdAt }: NewJob): boolean {
  return runAt !== null && runAt > createdAt;
}

function changesOf(job: NewJob): FarmChange[] {
  const seen: FarmChange = { kind: 'job', jobId: job.id };
  if (isDelayed(job)) return [seen, { kind: 'delayed', runAt: job.runAt ?? 0 }];
  const queued = new Map<string, FarmChange & { kind: 'queued' }>();
  for (const { requirement } of job.tasks) {
    const key = JSON.stringify(requirement);
    queued.set(key, { kind: 'queued', requirement, count: (queued.get(key)?.count ?? 0) + 1 });
  }
  return [seen, ...queued.values()];
}

/** The digests of the files among the inputs, each once. */
function assetsOf(inputs: InputValues): ReadonlySet<string> {
  const digests = new Set<string>();
  for (const value of Object.values(inputs)) if (typeof value === 'object') digests.add(value.asset);
  return digests;
}

/** Jobs get their numbers in their order; their tasks and files find them by their place in the request. */
const INSERT = `with wanted as materialized (
  select nextval(pg_get_serial_sequence('jobs', 'num')) as num, w.* from (
    select * from json_to_recordset($1::json) as w (i int, id text, batch_id text, name text, template text, version text,
      bundle_sha256 text, bundle_bytes bigint, priority smallint, inputs json, run_at bigint, node text, webhook text,
      created_at bigint, created_by text, tasks int, state text) order by i
  ) w
), made as (
  insert into jobs (num, id, batch_id, name, template, version, bundle_sha256, bundle_bytes, priority, inputs, run_at, node,
    webhook, created_at, created_by, tasks, state)
  select num, id, batch_id, name, template, version, bundle_sha256, bundle_bytes, priority, inputs, run_at, node,
    webhook, created_at, created_by, tasks, state from wanted
), queued as (
  insert into tasks (job_num, idx, class_id, priority, state, ready_at, output)
  select j.num, w.idx, w.class_id, w.priority, w.state, w.ready_at, w.output
  from json_to_recordset($2::json) as w (i int, idx int, class_id bigint, priority smallint, state text, ready_at bigint,
    output json) join wanted j on j.i = w.i
), used as (
  insert into job_assets (sha256, job_num)
  select w.sha256, j.num from json_to_recordset($3::json) as w (i int, sha256 text) join wanted j on j.i = w.i
)
select num from wanted order by num`;
