import { JobState } from '../../src/protocol/jobs.ts';
import type { Store } from '../../src/store/store.ts';
import { claimOne, crash, fence, newJob, nodes, policy, result } from '../conformance/store-samples.ts';

/** Calls everything that reads or changes jobs, tasks, attempts or logs. */
export async function useAll(store: Store): Promise<void> {
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
