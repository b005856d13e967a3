import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobRecord, NewJob } from '../../src/store/store.ts';
import {
  assertCounted,
  claim,
  claimOne,
  crash,
  fence,
  hopeless,
  newJob,
  nodes,
  type OpenStore,
  output,
  policy,
  refused,
  requirement,
  result,
} from './store-samples.ts';

/** Submitting, reading, cancelling, retrying. */
export function jobTests(open: () => Promise<OpenStore>): void {
  test('how long each requirement waits is known, over all priorities and without what waits for its time', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    assert.deepEqual(await store.queueAges(), []);
    const gpu = requirement({ tags: ['gpu'] });
    await store.submit([
      newJob({ createdAt: 3000, priority: 90 }),
      newJob({ createdAt: 2000, priority: 10 }),
      newJob({ createdAt: 1000, runAt: 9_000_000, requirement: { tags: ['gpu'] } }),
    ]);
    const ages = async () => (await store.queueAges()).map((age) => [age.requirement, age.since]);
    assert.deepEqual(await ages(), [[requirement(), 3000]]);
    await store.promoteDue(9_000_000);
    assert.deepEqual(new Map((await ages()) as [unknown, unknown][]).size, 2);
    assert.deepEqual(
      (await ages()).find(([wanted]) => (wanted as typeof gpu).tags[0] === 'gpu'),
      [gpu, 9_000_000],
    );
    await claimOne(store, 'a', { accepts: (wanted) => wanted.tags.length === 0 });
    assert.deepEqual(
      (await ages()).find(([wanted]) => (wanted as typeof gpu).tags.length === 0),
      [requirement(), 2000],
    );
  });

  test('a submitted job is stored whole, with its tasks queued', async () => {
    await using opened = await open();
    const job = newJob({
      name: 'First',
      batchId: 'b1',
      webhook: 'https://example.com/hook',
      outputs: 2,
      inputs: {
        title: 'Grüße 字',
        n: 1.5,
        on: true,
        logo: { asset: 'c'.repeat(64), name: 'l.png', sizeBytes: 3 },
      },
      requirement: { tags: ['gpu', 'a'], node: 'desk', fallback: false },
      node: 'desk',
    });
    const { jobs, repeated } = await opened.store.submit([job]);
    const { tasks: _, ...fields } = job;
    const record: JobRecord = { ...fields, state: 'queued', startedAt: null, endedAt: null, error: null };
    assert.deepEqual(jobs, [record]);
    assert.equal(repeated, false);
    for (const open of [async () => opened.store, () => opened.reopen()]) {
      const store = await open();
      const found = await store.getJob(job.id);
      assert.deepEqual(found?.job, record);
      assert.deepEqual(
        found?.tasks.map((task) => task.id),
        [`${job.id}.0`, `${job.id}.1`],
      );
      assert.deepEqual(found?.tasks[1], {
        id: `${job.id}.1`,
        jobId: job.id,
        index: 1,
        state: 'queued',
        epoch: 0,
        nodeId: null,
        priority: 50,
        requirement: requirement({ tags: ['a', 'gpu'], node: 'desk', fallback: false }),
        output,
        failures: 0,
        losses: 0,
        leaseUntil: null,
        phase: null,
        frame: 0,
        frames: null,
        fps: null,
        result: null,
        error: null,
        startedAt: null,
        endedAt: null,
      });
      assert.deepEqual(await store.getTask(`${job.id}.1`), found?.tasks[1]);
    }
  });

  test('what is not there is null, and nothing that only looks like an id is found', async () => {
    await using opened = await open();
    const { store } = opened;
    const job = newJob();
    await store.submit([job]);
    assert.equal(await store.getJob('j-none'), null);
    for (const id of [
      `${job.id}.1`,
      `${job.id}.00`,
      `${job.id}.`,
      `${job.id}.x`,
      job.id,
      '',
      '.0',
      `${job.id}.0 `,
    ]) {
      assert.equal(await store.getTask(id), null, id);
    }
    assert.deepEqual(await store.listAttempts('j-none'), []);
  });

  test('jobs are stored all or none', async () => {
    await using opened = await open();
    const { store } = opened;
    const first = newJob();
    const second = newJob();
    await store.submit([first]);
    // Fails in the middle; the submission beside it, in the same turn, does not.
    const [bad, good] = await Promise.allSettled([
      store.submit([newJob(), first, newJob()]),
      store.submit([second]),
    ]);
    assert.equal(bad.status, 'rejected');
    assert.equal(good.status, 'fulfilled');
    assert.deepEqual(
      (await store.listJobs({ limit: 10 })).map(({ job }) => job.id),
      [second.id, first.id],
    );
    await assertCounted(store);
    await nodes(store, 'a');
    assert.equal((await claimOne(store, 'a')).jobId, first.id);
    assert.equal((await claimOne(store, 'a')).jobId, second.id);
    assert.equal(await claim(store, 'a'), null);
    assert.deepEqual(await store.submit([]), { jobs: [], repeated: false });
  });

  test('an idempotency key stores once, answers the same again, refuses another body and can be forgotten', async () => {
    await using opened = await open();
    const { store } = opened;
    const body = [newJob({ createdAt: 5000 }), newJob({ createdAt: 5000 })];
    const first = await store.submit(body, { key: 'k', bodySha256: 'one' });
    assert.equal(first.repeated, false);
    const again = await store.submit([newJob(), newJob()], { key: 'k', bodySha256: 'one' });
    assert.deepEqual(again, { jobs: first.jobs, repeated: true });
    await refused(store.submit([newJob()], { key: 'k', bodySha256: 'two' }), 'IDEMPOTENCY_CONFLICT');
    assert.equal(store.stats().jobs.queued, 2);
    const both = await Promise.all(
      [1, 2].map(() => store.submit([newJob({ createdAt: 6000 })], { key: 'race', bodySha256: 'x' })),
    );
    assert.deepEqual(both[0]?.jobs, both[1]?.jobs, 'two at once are one');
    assert.equal(
      (await opened.reopen().then((s) => s.submit([newJob()], { key: 'k', bodySha256: 'one' }))).repeated,
      true,
    );
  });

  test('forgotten idempotency keys can be used again', async () => {
    await using opened = await open();
    const { store } = opened;
    await store.submit([newJob({ createdAt: 5000 })], { key: 'old', bodySha256: 'one' });
    await store.submit([newJob({ createdAt: 7000 })], { key: 'new', bodySha256: 'one' });
    assert.equal(await store.purgeIdempotency(7000), 1);
    assert.equal((await store.submit([newJob()], { key: 'old', bodySha256: 'two' })).repeated, false);
    assert.equal((await store.submit([newJob()], { key: 'new', bodySha256: 'one' })).repeated, true);
  });

  test('jobs are listed newest first, by state, template and batch, in pages', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const jobs: NewJob[] = [];
    for (let i = 0; i < 12; i += 1) {
      jobs.push(newJob({ template: i % 2 === 0 ? 'even' : 'odd', batchId: i < 6 ? 'low' : null }));
    }
    await store.submit(jobs);
    for (let i = 0; i < 4; i += 1) {
      const task = await claimOne(store, 'a');
      if (i < 3) await store.complete(fence(task), result, policy, 2000);
    }
    const ids = async (filter: Partial<Parameters<typeof store.listJobs>[0]>): Promise<number[]> =>
      (await store.listJobs({ limit: 100, ...filter })).map(({ job }) =>
        jobs.findIndex((each) => each.id === job.id),
      );
    assert.deepEqual(await ids({}), [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert.deepEqual(await ids({ limit: 3 }), [11, 10, 9]);
    assert.deepEqual(await ids({ limit: 3, before: jobs[9]?.id }), [8, 7, 6]);
    assert.deepEqual(await ids({ states: ['succeeded'] }), [2, 1, 0]);
    assert.deepEqual(await ids({ states: ['succeeded', 'running'], limit: 2 }), [3, 2]);
    assert.deepEqual(await ids({ states: ['succeeded', 'running'], before: jobs[2]?.id }), [1, 0]);
    assert.deepEqual(await ids({ states: [] }), []);
    assert.deepEqual(await ids({ template: 'even' }), [10, 8, 6, 4, 2, 0]);
    assert.deepEqual(await ids({ template: 'even', limit: 2, before: jobs[8]?.id }), [6, 4]);
    assert.deepEqual(await ids({ template: 'odd', states: ['running', 'succeeded'] }), [3, 1]);
    assert.deepEqual(await ids({ batchId: 'low' }), [5, 4, 3, 2, 1, 0]);
    assert.deepEqual(await ids({ batchId: 'low', states: ['queued'], template: 'odd' }), [5]);
    assert.deepEqual(await ids({ batchId: 'none' }), []);
    assert.deepEqual(await ids({ before: 'j' }), []);
    const [newest] = await store.listJobs({ limit: 1 });
    assert.equal(newest?.tasks.length, 1);
  });

  test('a list goes on after a job that was removed meanwhile', async () => {
    await using opened = await open();
    const { store } = opened;
    const jobs = [newJob(), newJob(), newJob()];
    await store.submit(jobs);
    await store.cancelJob(jobs[1]?.id ?? '', 3000);
    await store.purgeJobs({ endedBefore: 4000, keep: 100, limit: 10 });
    const rest = await store.listJobs({ limit: 10, before: jobs[1]?.id });
    assert.deepEqual(
      rest.map(({ job }) => job.id),
      [jobs[0]?.id],
    );
  });

  test('cancelling ends what is not over, running tasks at once, and only once', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const job = newJob({ outputs: 3 });
    await store.submit([job]);
    await store.complete(fence(await claimOne(store, 'a')), result, policy, 2100);
    const running = await claimOne(store, 'a');
    const cancelled = await store.cancelJob(job.id, 2200);
    assert.deepEqual(
      cancelled.tasks.map((task) => [task.index, task.state, task.endedAt]),
      [
        [1, 'cancelled', 2200],
        [2, 'cancelled', 2200],
      ],
    );
    assert.equal(cancelled.job.state, 'cancelled');
    assert.equal(cancelled.job.endedAt, 2200);
    const attempts = await store.listAttempts(job.id);
    assert.deepEqual(
      attempts.map((attempt) => attempt.outcome),
      ['succeeded', 'cancelled'],
    );
    const lost = await refused(store.complete(fence(running), result, policy, 2300), 'LEASE_LOST');
    assert.deepEqual(lost.details, { state: 'cancelled', epoch: 1 });
    assert.equal(await store.reattach(fence(running), 9000, 2300), null);
    assert.equal(await claim(store, 'a'), null);
    await refused(store.cancelJob(job.id, 2400), 'JOB_STATE');
    await refused(store.cancelJob('j-none', 2400), 'JOB_NOT_FOUND');
    await assertCounted(store);
  });

  test('of a cancel and a completion at the same moment exactly one wins, and the other is refused', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    for (const cancelFirst of [true, false]) {
      const job = newJob();
      await store.submit([job]);
      const token = fence(await claimOne(store, 'a'));
      const cancel = () => store.cancelJob(job.id, 2500);
      const complete = () => store.complete(token, result, policy, 2500);
      const calls = cancelFirst ? [cancel(), complete()] : [complete(), cancel()];
      const settled = await Promise.allSettled<unknown>(calls);
      const [won] = settled.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []));
      assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 1);
      const isCancelled = (won === 0) === cancelFirst;
      assert.equal((await store.getJob(job.id))?.job.state, isCancelled ? 'cancelled' : 'succeeded');
    }
  });

  test('a retry gives failed and cancelled tasks a fresh budget and keeps what succeeded', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const job = newJob({ outputs: 2 });
    await store.submit([job]);
    await refused(store.retryJob(job.id, 2000), 'JOB_STATE');
    await refused(store.retryJob('j-none', 2000), 'JOB_NOT_FOUND');
    await store.complete(fence(await claimOne(store, 'a')), result, policy, 2100);
    const failed = await claimOne(store, 'a');
    const over = await store.fail(fence(failed), hopeless, policy, 2200);
    assert.equal(over.job.state, 'failed');
    assert.deepEqual(over.job.error, hopeless);
    assert.equal(over.jobEnded, true);

    const again = await store.retryJob(job.id, 2300);
    assert.deepEqual(
      again.tasks.map(({ index, state, failures, losses, error, endedAt }) => ({
        index,
        state,
        failures,
        losses,
        error,
        endedAt,
      })),
      [{ index: 1, state: 'queued', failures: 0, losses: 0, error: null, endedAt: null }],
    );
    assert.deepEqual(
      { state: again.job.state, error: again.job.error, endedAt: again.job.endedAt },
      { state: 'running', error: null, endedAt: null },
    );
    // The old token stays dead.
    assert.equal(await store.reattach(fence(failed), 9000, 2350), null);
    await refused(store.complete(fence(failed), result, policy, 2350), 'LEASE_LOST');
    const task = await claimOne(store, 'a', { now: 2400 });
    assert.equal(task.epoch, 2);
    const done = await store.complete(fence(task), result, policy, 2500);
    assert.equal(done.job.state, 'succeeded');
    assert.equal(done.jobEnded, true);
    await assertCounted(store);
  });

  test('the error of a job is that of its first failed task', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const job = newJob({ outputs: 2 });
    await store.submit([job]);
    const first = await claimOne(store, 'a');
    const second = await claimOne(store, 'a');
    const other = { ...crash, retryable: false };
    assert.equal((await store.fail(fence(second), other, policy, 2100)).job.state, 'running');
    const ended = await store.fail(fence(first), hopeless, policy, 2200);
    assert.equal(ended.job.state, 'failed');
    assert.deepEqual(ended.job.error, hopeless);
  });

  test('a delayed job waits for its time, also when it was cancelled and retried before', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const job = newJob({ runAt: 5000, outputs: 2 });
    const later = newJob({ runAt: 8000 });
    const past = newJob({ runAt: 500 });
    await store.submit([job, later, past]);
    assert.equal((await store.getJob(job.id))?.job.state, 'scheduled');
    assert.equal((await store.getJob(past.id))?.job.state, 'queued');
    assert.equal((await claimOne(store, 'a')).jobId, past.id);
    assert.equal(await claim(store, 'a'), null);
    assert.deepEqual(await store.promoteDue(4999), { promoted: 0, jobIds: [], nextAt: 5000 });
    await store.cancelJob(job.id, 4999);
    assert.equal((await store.retryJob(job.id, 4999)).job.state, 'scheduled');
    assert.deepEqual(await store.promoteDue(5000), { promoted: 2, jobIds: [job.id], nextAt: 8000 });
    assert.equal((await store.getJob(job.id))?.job.state, 'queued');
    assert.equal((await claimOne(store, 'a')).jobId, job.id);
    await store.cancelJob(later.id, 6000);
    assert.deepEqual(await store.promoteDue(9000), { promoted: 0, jobIds: [], nextAt: null });
    assert.equal((await store.retryJob(later.id, 9000)).job.state, 'queued');
    await assertCounted(store);
  });

  test('a thousand tasks that come due at once are all promoted', async () => {
    await using opened = await open();
    const { store } = opened;
    await store.submit(Array.from({ length: 1001 }, () => newJob({ runAt: 5000 })));
    const { promoted, jobIds, nextAt } = await store.promoteDue(5000);
    assert.deepEqual([promoted, new Set(jobIds).size, nextAt], [1001, 1001, null]);
    assert.equal(store.stats().jobs.queued, 1001);
  });
}
