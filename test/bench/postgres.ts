/**
 * The PostgreSQL store by itself, against the bare SQL of claim and complete in the same run: one and two control planes
 * (threads of their own), at so many queued jobs. The server is private, on the disk of $TMPDIR, with everything on the disk
 * before it is acknowledged.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { percentile } from '../helpers/load-client.ts';
import { noPostgres, type Postgres, startPostgres, type TestDatabase } from '../helpers/postgres.ts';
import { benchJob, benchResult } from './bench-job.ts';
import type { ReplicaFigures, ReplicaOrder } from './postgres-replica.ts';
import { round } from './process-usage.ts';

export interface PostgresFigures {
  readonly queuedJobs: number;
  readonly submitsPerSecond: number;
  /** Bare SQL on so many connections. */
  readonly barePairsPerSecond: number;
  readonly onePairsPerSecond: number;
  readonly twoPairsPerSecond: number;
  /** Of bare SQL. */
  readonly oneShare: number;
  readonly twoShare: number;
  readonly claimP50Ms: number;
  readonly claimP99Ms: number;
}

const BARE_CONNECTIONS = 16;
const WORKERS = 64;
/** More jobs than this are copied in the database: submitting a million takes minutes. */
const MOST_SUBMITTED = 50_000;
const NODE = 'node-a';

/** Measures each size; `report` gets a row as soon as it is known. */
export async function benchPostgres(
  sizes: readonly number[],
  pairs: number,
  report: (row: object) => void,
): Promise<PostgresFigures[]> {
  if (noPostgres !== false) {
    report({ skipped: noPostgres });
    return [];
  }
  await using cluster = await startPostgres({
    durable: true,
    settings: ['shared_buffers = 512MB', 'max_wal_size = 4GB', 'checkpoint_timeout = 15min'],
  });
  const rows: PostgresFigures[] = [];
  for (const size of sizes) {
    const row = await measure(cluster, size, Math.min(pairs, Math.floor(size / 4)));
    report(row);
    rows.push(row);
  }
  return rows;
}

async function measure(cluster: Postgres, size: number, pairs: number): Promise<PostgresFigures> {
  const database = await cluster.createDatabase();
  const first = Math.min(size, MOST_SUBMITTED);
  const submitsPerSecond = await seed(database, first);
  if (size > first) await cluster.query(copies(first, Math.ceil(size / first) - 1), database.name);
  await cluster.query(BARE, database.name);
  await cluster.query(
    `insert into bare select n, 50 + n % 3, 'queued', 0, null, null, null, null, '${JSON.stringify(benchResult)}'
     from generate_series(1, ${size}) n`,
    database.name,
  );
  for (const sql of ['vacuum analyze', 'checkpoint']) await cluster.query(sql, database.name);
  const order = { url: database.url, pairs, node: NODE };
  const bare = await run([{ ...order, kind: 'bare', workers: BARE_CONNECTIONS }]);
  const one = await run([{ ...order, kind: 'store', workers: WORKERS }]);
  const half = { ...order, kind: 'store', pairs: Math.floor(pairs / 2), workers: WORKERS / 2 } as const;
  const two = await run([half, half]);
  return {
    queuedJobs: size,
    submitsPerSecond,
    barePairsPerSecond: bare.perSecond,
    onePairsPerSecond: one.perSecond,
    twoPairsPerSecond: two.perSecond,
    oneShare: round(one.perSecond / bare.perSecond),
    twoShare: round(two.perSecond / bare.perSecond),
    claimP50Ms: round(percentile([...one.claimMs], 0.5)),
    claimP99Ms: round(percentile([...one.claimMs], 0.99)),
  };
}

/** Fills the store; jobs per second, 500 to a request. */
async function seed(database: TestDatabase, size: number): Promise<number> {
  const store = await openPostgresStore({ url: database.url });
  try {
    await store.createNode({ id: NODE, name: NODE }, Date.now());
    const started = performance.now();
    for (let i = 0; i < size; i += 500) {
      await store.submit(Array.from({ length: Math.min(500, size - i) }, (_, k) => benchJob(i + k)));
    }
    return Math.round((size * 1000) / (performance.now() - started));
  } finally {
    await store.close();
  }
}

/** Each submitted job so many times more, with its task. */
function copies(stored: number, times: number): string {
  return `insert into jobs select (jsonb_populate_record(j,
      jsonb_build_object('num', j.num + n * ${stored}, 'id', j.id || n))).* from jobs j, generate_series(1, ${times}) n;
    insert into tasks select (jsonb_populate_record(t, jsonb_build_object('job_num', t.job_num + n * ${stored}))).*
      from tasks t, generate_series(1, ${times}) n;
    select setval(pg_get_serial_sequence('jobs', 'num'), (select max(num) from jobs))`;
}

/** The rows of a queue as small as they can be. */
const BARE = `create table bare (num bigint primary key, priority int not null, state text not null, epoch int not null,
    node_id text, lease_until bigint, started_at bigint, ended_at bigint, body text not null, result text)
    with (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
  create index bare_queued on bare (priority desc, num) where state = 'queued'`;

async function run(orders: readonly ReplicaOrder[]): Promise<{ perSecond: number; claimMs: number[] }> {
  const workers = orders.map(
    (workerData) => new Worker(new URL('./postgres-replica.ts', import.meta.url), { workerData }),
  );
  try {
    // `once` rejects when the thread fails.
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    const answers = workers.map((worker) => once(worker, 'message'));
    const started = performance.now();
    for (const worker of workers) worker.postMessage('go');
    const figures = (await Promise.all(answers)).map(([answer]) => answer as ReplicaFigures);
    const elapsed = Math.max(...figures.map(({ ms }) => ms), 0);
    const pairs = orders.reduce((sum, order) => sum + order.pairs, 0);
    if (elapsed > performance.now() - started + 1) throw new Error('the clocks of the threads disagree');
    return {
      perSecond: Math.round((pairs * 1000) / elapsed),
      claimMs: figures.flatMap(({ claimMs }) => [...claimMs]),
    };
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
