/**
 * Measures the SQLite store by itself: node test/bench/store.ts [jobs…] (default 1000 50000 1000000). One JSON line each.
 * Claims are measured while that many tasks are queued in 20 classes; writes go to the disk of $TMPDIR.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultControlConfig } from '../../src/config/control-schema.ts';
import type { Requirement } from '../../src/jobs/requirements.ts';
import { newId } from '../../src/lib/ids.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { JobWithTask, Store } from '../../src/store/store.ts';
import { benchJob, benchResult } from './bench-job.ts';

const { retries: policy } = defaultControlConfig();
/** Runs `total` calls with so many at a time; calls per second. */
async function rate(
  total: number,
  concurrent: number,
  call: (i: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const started = performance.now();
  const worker = async (): Promise<void> => {
    for (let i = next++; i < total; i = next++) await call(i);
  };
  await Promise.all(Array.from({ length: concurrent }, worker));
  return Math.round((total * 1000) / (performance.now() - started));
}

function claim(
  store: Store,
  nodeId: string,
  accepts: (requirement: Requirement) => boolean,
): Promise<JobWithTask | null> {
  const now = Date.now();
  return store.claim({ nodeId, claimId: newId('c', now), accepts, now, leaseUntil: now + 60_000 });
}

function rssMb(): number {
  return Math.round(process.memoryUsage().rss / 2 ** 20);
}

async function measure(jobs: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-bench-'));
  const path = join(directory, 'farm.db');
  let store = await openSqliteStore({ path });
  try {
    await store.createNode({ id: 'node-a', name: 'Node A' }, Date.now());
    const rssBefore = rssMb();
    const seeded = performance.now();
    for (let i = 0; i < jobs; i += 1000) {
      await store.submit(Array.from({ length: Math.min(1000, jobs - i) }, (_, k) => benchJob(i + k)));
    }
    const seedPerSecond = Math.round((jobs * 1000) / (performance.now() - seeded));
    await store.close();
    const opening = performance.now();
    store = await openSqliteStore({ path });
    const openMs = Math.round(performance.now() - opening);

    const any = (): boolean => true;
    const n = Math.min(2000, jobs);
    await claim(store, 'node-a', any);
    const oneAtATime = await rate(Math.min(300, n), 1, () => claim(store, 'node-a', any));
    const submits = await rate(5000, 100, (i) => store.submit([benchJob(i)]));
    const claimed: JobWithTask[] = [];
    // In one turn of the event loop: the statement's own cost, with the fsync spread over all.
    const claims = await rate(n, 100, async () => {
      const got = await claim(store, 'node-a', any);
      if (got !== null) claimed.push(got);
    });
    const narrow = await rate(n, 100, () => claim(store, 'node-a', (r) => r.template === 'template-7'));
    const nothing = await rate(20_000, 100, () => claim(store, 'node-a', () => false));
    const completes = await rate(claimed.length, 100, (i) => {
      const { id, epoch } = (claimed[i] ?? (claimed[0] as JobWithTask)).task;
      return store.complete({ taskId: id, epoch, nodeId: 'node-a' }, benchResult, policy, Date.now());
    });
    const listing = performance.now();
    for (let i = 0; i < 20; i += 1) await store.listJobs({ limit: 50, template: 'template-3' });
    const listMs = (performance.now() - listing) / 20;
    const line = {
      jobs,
      seedPerSecond,
      openMs,
      submitsPerSecond100: submits,
      claimMicroseconds: Math.round(1e6 / claims),
      claimOneClassMicroseconds: Math.round(1e6 / narrow),
      claimNothingMicroseconds: Number((1e6 / nothing).toFixed(1)),
      claimAloneMicroseconds: Math.round(1e6 / oneAtATime),
      completeMicroseconds: Math.round(1e6 / completes),
      list50Ms: Number(listMs.toFixed(2)),
      rssMb: rssMb(),
      rssGrowthMb: rssMb() - rssBefore,
      fileMb: Math.round(statSync(path).size / 2 ** 20),
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  } finally {
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

const sizes = process.argv.slice(2).map(Number);
for (const jobs of sizes.length > 0 ? sizes : [1000, 50_000, 1_000_000]) await measure(jobs);
