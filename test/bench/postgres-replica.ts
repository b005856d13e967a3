/** One control plane's store, or the bare SQL it is compared with, in a thread of its own; see postgres.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';
import { defaultControlConfig } from '../../src/config/control-schema.ts';
import { newId } from '../../src/lib/ids.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { benchResult } from './bench-job.ts';

export interface ReplicaOrder {
  readonly kind: 'store' | 'bare';
  readonly url: string;
  /** Claim and complete so many, with so many at a time. */
  readonly pairs: number;
  readonly workers: number;
  readonly node: string;
}

export interface ReplicaFigures {
  readonly ms: number;
  /** How long each claim took. */
  readonly claimMs: readonly number[];
}

const order = workerData as ReplicaOrder;
const { retries: policy } = defaultControlConfig();

/** Opens, says `ready`, waits for `go`, and answers with the figures. */
async function main(): Promise<void> {
  const run = order.kind === 'store' ? await storePairs() : await barePairs();
  parentPort?.postMessage('ready');
  await new Promise((resolve) => parentPort?.once('message', resolve));
  const claimMs: number[] = [];
  const started = performance.now();
  let left = order.pairs;
  const worker = async (): Promise<void> => {
    while (left-- > 0) claimMs.push(await run.pair());
  };
  await Promise.all(Array.from({ length: order.workers }, worker));
  const figures: ReplicaFigures = { ms: performance.now() - started, claimMs };
  await run.close();
  parentPort?.postMessage(figures);
}

async function storePairs() {
  const store = await openPostgresStore({ url: order.url });
  return {
    async pair(): Promise<number> {
      const now = Date.now();
      const at = performance.now();
      const claimed = await store.claim({
        nodeId: order.node,
        claimId: newId('c', now),
        accepts: () => true,
        now,
        leaseUntil: now + 60_000,
      });
      const took = performance.now() - at;
      if (claimed === null) throw new Error('nothing to claim');
      const { id: taskId, epoch } = claimed.task;
      await store.complete({ taskId, epoch, nodeId: order.node }, benchResult, policy, Date.now());
      return took;
    },
    close: () => store.close(),
  };
}

/** Two statements, each its own transaction, on a connection per worker: what everybody's first queue in PostgreSQL does. */
async function barePairs() {
  const pool = new pg.Pool({ connectionString: order.url, max: order.workers, min: order.workers });
  await Promise.all(Array.from({ length: order.workers }, () => pool.query('select pg_sleep(0.05)')));
  const output = JSON.stringify(benchResult);
  return {
    async pair(): Promise<number> {
      const at = performance.now();
      const claimed = await pool.query({
        name: 'claim',
        text: `update bare set state = 'running', epoch = epoch + 1, node_id = $1, lease_until = $2, started_at = $2
               where num = (select num from bare where state = 'queued' order by priority desc, num
                            limit 1 for update skip locked)
               returning num, epoch, body`,
        values: [order.node, Date.now()],
      });
      const took = performance.now() - at;
      const { num, epoch } = claimed.rows[0];
      await pool.query({
        name: 'complete',
        text: `update bare set state = 'succeeded', ended_at = $3, result = $4
               where num = $1 and epoch = $2 and state = 'running'`,
        values: [num, epoch, Date.now(), output],
      });
      return took;
    },
    close: () => pool.end(),
  };
}

await main();
