import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { JobState } from '../../../src/protocol/jobs.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { claimOne, crash, fence, newJob, nodes, policy, result } from '../../conformance/store-samples.ts';

/** Tables that grow with the number of jobs. */
const BIG = /^SCAN (jobs|tasks|attempts|logs|job_assets|idempotency)\b/;

/** An index over the few rows that are running, due or finished, from one end. */
const PARTIAL = /USING (COVERING )?INDEX (tasks_running|tasks_ready|jobs_ended)\b/;

/** Calls everything that reads or changes jobs, tasks, attempts or logs. */
async function useAll(store: Store): Promise<void> {
  await nodes(store, 'a');
  const job = newJob({
    outputs: 3,
    batchId: 'b',
    inputs: { f: { asset: 'a'.repeat(64), name: 'f', sizeBytes: 1 } },
  });
  await store.submit([job, newJob(), newJob({ runAt: 9000 })], { key: 'k', bodySha256: 'x' });
  await store.submit([job], { key: 'k', bodySha256: 'x' });
  const task = await claimOne(store, 'a');
  await store.appendLog(task.id, 1, [{ at: 1, stream: 'engine', line: 'x' }], 100);
  await store.readLog(job.id, 0, 10);
  await store.saveLeases([
    { ...fence(task), leaseUntil: 3000, phase: 'render', frame: 1, frames: 2, fps: 1 },
  ]);
  await store.expireLeases(3001, policy);
  await store.reattach(fence(task), 4000, 3002);
  await store.fail(fence(task), crash, policy, 3003);
  await store.complete(fence(await claimOne(store, 'a')), result, policy, 3003);
  await store.release(fence(await claimOne(store, 'a')), 'x', 3004);
  await store.listRunning();
  await store.promoteDue(9000);
  for (const template of [undefined, 'card'])
    for (const batchId of [undefined, 'b'])
      for (const states of [undefined, JobState.options, ['queued'] as const])
        await store.listJobs({ template, batchId, states, limit: 5, before: job.id });
  await store.listAttempts(job.id);
  await store.getTask(task.id);
  await store.cancelJob(job.id, 9000);
  await store.retryJob(job.id, 9001);
  await store.cancelJob(job.id, 9002);
  await store.assetsInUse(['a'.repeat(64)]);
  await store.bundlesInUse(['b'.repeat(64)]);
  await store.purgeJobs({ endedBefore: 9e9, keep: 0, limit: 10 });
  await store.purgeIdempotency(9e9);
  await claimOne(store, 'a');
  await store.removeNode('a', 9999);
}

test('no statement walks a table that grows with the jobs', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-plans-'));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, 'flatrender.db');
  const prepare = DatabaseSync.prototype.prepare;
  const texts = new Set<string>();
  t.mock.method(DatabaseSync.prototype, 'prepare', function (this: DatabaseSync, text: string) {
    texts.add(text);
    return prepare.call(this, text);
  });
  const store = await openSqliteStore({ path });
  await useAll(store);
  await store.close();
  t.mock.restoreAll();

  const db = new DatabaseSync(path);
  const walks: string[] = [];
  for (const text of texts) {
    if (!/^\s*(select|insert|update|delete)\b/.test(text)) continue;
    for (const row of db.prepare(`explain query plan ${text}`).all()) {
      const detail = String(row.detail);
      if (BIG.test(detail) && !PARTIAL.test(detail)) walks.push(`${detail}: ${text}`);
      // From the newest job backwards until enough match: may be all of them.
      if (
        /^SEARCH jobs USING INTEGER PRIMARY KEY \(rowid<\?\)$/.test(detail) &&
        !text.includes('where  num <')
      ) {
        walks.push(`${detail}: ${text}`);
      }
      if (text.includes('where template = ? and state') && !detail.includes('INDEX jobs_template')) {
        walks.push(`${detail}: ${text}`);
      }
      if (/USE TEMP B-TREE/.test(detail)) walks.push(`${detail}: ${text}`);
    }
  }
  db.close();
  assert.deepEqual(walks, []);
  assert.ok(texts.size > 60, `${texts.size} statements`);
});
