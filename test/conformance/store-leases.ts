import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayTake, type NodeFacts, type Requirement } from '../../src/jobs/requirements.ts';
import type { LeaseState } from '../../src/store/store.ts';
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
  policy,
  refused,
  requirement,
  result,
} from './store-samples.ts';

function facts(id: string, changes: Partial<NodeFacts> = {}): NodeFacts {
  return {
    id,
    roles: ['render'],
    engines: { mock: '1' },
    memoryMb: 1000,
    vramMb: 0,
    tags: [],
    blockedTemplates: [],
    ...changes,
  };
}

function acceptsAs(node: NodeFacts, ...others: NodeFacts[]): (requirement: Requirement) => boolean {
  return (wanted) => mayTake(wanted, node, [node, ...others]);
}

/** Claims, reports, fencing, expiry. */
export function leaseTests(open: () => Promise<OpenStore>): void {
  test('claims take the highest priority first, then the oldest, over all classes', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const jobs = [
      newJob({ priority: 50 }),
      newJob({ priority: 50, template: 'other' }),
      newJob({ priority: 90, template: 'other' }),
      newJob({ priority: 50 }),
      newJob({ priority: 0 }),
      newJob({ priority: 100, outputs: 2 }),
    ];
    await store.submit(jobs);
    const order: number[] = [];
    for (let task = await claim(store, 'a'); task !== null; task = await claim(store, 'a')) {
      order.push(jobs.findIndex((job) => job.id === task?.job.id));
    }
    assert.deepEqual(order, [5, 5, 2, 0, 1, 3, 4]);
  });

  test('a claim leases the task: epoch, node, times and attempt', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const job = newJob();
    await store.submit([job]);
    const claimed = await claim(store, 'a', { now: 2000, leaseUntil: 3000 });
    assert.equal(claimed?.job.state, 'running');
    assert.equal(claimed?.job.startedAt, 2000);
    const { state, epoch, nodeId, leaseUntil, phase, startedAt } = claimed?.task ?? assert.fail();
    assert.deepEqual(
      { state, epoch, nodeId, leaseUntil, phase, startedAt },
      { state: 'running', epoch: 1, nodeId: 'a', leaseUntil: 3000, phase: 'claimed', startedAt: 2000 },
    );
    assert.deepEqual(await store.listAttempts(job.id), [
      {
        taskId: `${job.id}.0`,
        epoch: 1,
        nodeId: 'a',
        startedAt: 2000,
        endedAt: null,
        outcome: null,
        error: null,
      },
    ]);
    const reopened = await opened.reopen();
    assert.deepEqual(await reopened.listRunning(), [claimed?.task]);
  });

  test('each task goes to one claim however many ask at once', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a', 'b');
    await store.submit(Array.from({ length: 50 }, () => newJob()));
    const got = await Promise.all(
      Array.from({ length: 80 }, (_, i) => claim(store, i % 2 === 0 ? 'a' : 'b')),
    );
    const ids = got.flatMap((each) => (each === null ? [] : [each.task.id]));
    assert.equal(ids.length, 50);
    assert.equal(new Set(ids).size, 50);
  });

  test('the same claim repeated returns the same task while it runs, also after a restart', async () => {
    await using opened = await open();
    let { store } = opened;
    await nodes(store, 'a', 'b');
    await store.submit([newJob(), newJob(), newJob()]);
    const first = await claimOne(store, 'a', { claimId: 'once-0001' });
    const again = await claimOne(store, 'a', { claimId: 'once-0001', leaseUntil: 3500 });
    assert.deepEqual(again, { ...first, leaseUntil: 3500 });
    store = await opened.reopen();
    assert.equal((await claimOne(store, 'a', { claimId: 'once-0001' })).id, first.id);
    assert.notEqual((await claimOne(store, 'b', { claimId: 'once-0001' })).id, first.id, 'of another node');
    await store.complete(fence(first), result, policy, 2100);
    assert.notEqual((await claimOne(store, 'a', { claimId: 'once-0001' })).id, first.id, 'after the attempt');
    assert.equal(store.stats().tasks.running, 2);
  });

  test('a claim gets only what its node accepts; classes without queued tasks are not asked for', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    await store.submit([newJob({ template: 'one' }), newJob({ template: 'two' })]);
    const asked: string[] = [];
    const accepts = (wanted: Requirement): boolean => {
      asked.push(wanted.template);
      return wanted.template === 'two';
    };
    assert.equal((await claimOne(store, 'a', { accepts })).requirement.template, 'two');
    assert.equal(await claim(store, 'a', { accepts }), null);
    asked.length = 0;
    assert.equal(await claim(store, 'a', { accepts }), null);
    assert.deepEqual(asked, ['one']);
    await refused(claim(store, 'nobody'), 'NODE_NOT_FOUND');
  });

  test('a task for a chosen node waits for it, or falls back while that one is away', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a', 'b');
    const strict = newJob({ requirement: { node: 'b', fallback: false } });
    const loose = newJob({ requirement: { node: 'b', fallback: true } });
    await store.submit([strict, loose]);
    const [a, b] = [facts('a'), facts('b')];
    assert.equal(await claim(store, 'a', { accepts: acceptsAs(a, b) }), null);
    assert.equal((await claimOne(store, 'a', { accepts: acceptsAs(a) })).jobId, loose.id);
    assert.equal(await claim(store, 'a', { accepts: acceptsAs(a) }), null);
    assert.equal((await claimOne(store, 'b', { accepts: acceptsAs(b, a) })).jobId, strict.id);
  });

  test('a completion ends task, attempt and job; sent again it changes nothing', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const job = newJob();
    await store.submit([job]);
    const token = fence(await claimOne(store, 'a'));
    const done = await store.complete(token, result, policy, 2500);
    assert.deepEqual(
      { ...done, task: null, job: null },
      { task: null, job: null, jobEnded: true, repeated: false, node: null },
    );
    assert.deepEqual(done.task.result, result);
    assert.deepEqual(
      [
        done.task.state,
        done.task.phase,
        done.task.frame,
        done.task.frames,
        done.task.leaseUntil,
        done.task.endedAt,
      ],
      ['succeeded', 'done', 50, 50, null, 2500],
    );
    assert.deepEqual([done.job.state, done.job.endedAt], ['succeeded', 2500]);
    const again = await store.complete(token, { ...result, frames: 1 }, policy, 2600);
    assert.deepEqual(again, { ...done, jobEnded: false, repeated: true });
    const [attempt] = await store.listAttempts(job.id);
    assert.deepEqual([attempt?.outcome, attempt?.endedAt], ['succeeded', 2500]);
    const lost = await refused(store.fail(token, crash, policy, 2700), 'LEASE_LOST');
    assert.deepEqual(lost.details, { state: 'succeeded', epoch: 1 });
    assert.match(lost.message, new RegExp(`node a .*${job.id}\\.0`));
    await assertCounted(store);
  });

  test('reports with a token that never was are refused', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a', 'b');
    const job = newJob();
    await store.submit([job, newJob()]);
    const task = await claimOne(store, 'a');
    const token = fence(task);
    for (const bad of [
      { ...token, nodeId: 'b' },
      { ...token, epoch: 2 },
      { ...token, epoch: 0 },
    ]) {
      await refused(store.complete(bad, result, policy, 2500), 'LEASE_LOST');
      await refused(store.fail(bad, crash, policy, 2500), 'LEASE_LOST');
      await refused(store.release(bad, 'x', 2500), 'LEASE_LOST');
      assert.equal(await store.reattach(bad, 9000, 2500), null);
    }
    for (const taskId of ['j-none.0', `${job.id}.7`]) {
      await refused(store.complete({ ...token, taskId }, result, policy, 2500), 'TASK_NOT_FOUND');
      assert.equal(await store.reattach({ ...token, taskId }, 9000, 2500), null);
    }
    assert.deepEqual(await store.getTask(task.id), task);
  });

  test('a failed task goes to another node if there is one, and fails for good the third time', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a', 'b');
    const job = newJob();
    await store.submit([job]);
    const [a, b] = [facts('a'), facts('b')];
    const first = await store.fail(fence(await claimOne(store, 'a')), crash, policy, 2100);
    assert.deepEqual(
      [first.task.state, first.task.failures, first.task.requirement.avoid, first.jobEnded, first.job.state],
      ['queued', 1, 'a', false, 'queued'],
    );
    assert.deepEqual(first.task.error, crash);
    assert.equal(await claim(store, 'a', { accepts: acceptsAs(a, b) }), null, 'left to b');
    const second = await store.fail(
      fence(await claimOne(store, 'b', { accepts: acceptsAs(b, a) })),
      crash,
      policy,
      2200,
    );
    assert.equal(second.task.requirement.avoid, 'b');
    const third = await store.fail(
      fence(await claimOne(store, 'b', { accepts: acceptsAs(b) })),
      crash,
      policy,
      2300,
    );
    assert.deepEqual([third.task.state, third.task.failures, third.jobEnded], ['failed', 3, true]);
    assert.deepEqual(third.job.error, crash);
    assert.deepEqual(
      (await store.listAttempts(job.id)).map(({ epoch, nodeId, outcome, error }) => [
        epoch,
        nodeId,
        outcome,
        error?.code,
      ]),
      [
        [1, 'a', 'failed', crash.code],
        [2, 'b', 'failed', crash.code],
        [3, 'b', 'failed', crash.code],
      ],
    );
    await assertCounted(store);
  });

  test('an error that no retry can help ends the task at once', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    await store.submit([newJob()]);
    const outcome = await store.fail(fence(await claimOne(store, 'a')), hopeless, policy, 2100);
    assert.deepEqual([outcome.task.state, outcome.jobEnded, outcome.node], ['failed', true, null]);
  });

  test('a failure reported twice counts once, also after somebody else took the task', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a', 'b');
    await store.submit([newJob()]);
    const token = fence(await claimOne(store, 'a'));
    await store.fail(token, crash, policy, 2100);
    const again = await store.fail(token, crash, policy, 2200);
    assert.deepEqual([again.repeated, again.task.failures, again.task.state], [true, 1, 'queued']);
    await claimOne(store, 'b');
    const late = await store.fail(token, crash, policy, 2300);
    assert.deepEqual([late.repeated, late.task.failures, late.task.state], [true, 1, 'running']);
  });

  test('a released task costs nothing and is queued at its old place', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a', 'b');
    const jobs = [newJob(), newJob()];
    await store.submit(jobs);
    const token = fence(await claimOne(store, 'a'));
    const released = await store.release(token, 'shutting down', 2100);
    assert.deepEqual([released.task.state, released.task.failures, released.task.losses], ['queued', 0, 0]);
    assert.equal((await store.release(token, 'shutting down', 2200)).repeated, true);
    const [attempt] = await store.listAttempts(jobs[0]?.id ?? '');
    assert.deepEqual([attempt?.outcome, attempt?.error?.message], ['interrupted', 'shutting down']);
    await refused(store.complete(token, result, policy, 2300), 'LEASE_LOST');
    assert.equal(await store.reattach(token, 9000, 2300), null);
    const next = await claimOne(store, 'b');
    assert.deepEqual([next.jobId, next.epoch], [jobs[0]?.id, 2]);
  });

  test('an expired lease queues the task with its epoch; its node may come back until another one claims', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const job = newJob();
    await store.submit([job]);
    const token = fence(await claimOne(store, 'a', { leaseUntil: 3000 }));
    assert.deepEqual(await store.expireLeases(3000, policy), []);
    const [change] = await store.expireLeases(3001, policy);
    assert.deepEqual(
      [change?.task.state, change?.task.epoch, change?.task.losses, change?.task.nodeId, change?.job.state],
      ['queued', 1, 1, 'a', 'queued'],
    );
    assert.equal((await store.listAttempts(job.id))[0]?.outcome, 'lost');
    const back = await store.reattach(token, 9000, 3100);
    assert.deepEqual(
      [back?.state, back?.epoch, back?.losses, back?.leaseUntil, back?.startedAt],
      ['running', 1, 0, 9000, 2000],
    );
    const [attempt] = await store.listAttempts(job.id);
    assert.deepEqual([attempt?.outcome, attempt?.endedAt], [null, null]);
    assert.equal(await claim(store, 'a'), null);
    assert.equal((await store.reattach(token, 9500, 3200))?.leaseUntil, 9500, 'one that holds is confirmed');
    await store.complete(token, result, policy, 3300);
    assert.equal(await store.reattach(token, 9999, 3400), null);
    await assertCounted(store);
  });

  test('a completion after the lease expired is accepted while nobody else has the task', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    await store.submit([newJob()]);
    const token = fence(await claimOne(store, 'a'));
    await store.expireLeases(4000, policy);
    const done = await store.complete(token, result, policy, 4100);
    assert.deepEqual(
      [done.task.state, done.task.losses, done.task.startedAt, done.jobEnded],
      ['succeeded', 0, 2000, true],
    );
    assert.equal(await claim(store, 'a'), null);
    await assertCounted(store);
  });

  test('once another node claimed the task, everything of the first one is refused with state and epoch', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a', 'b');
    const job = newJob();
    await store.submit([job]);
    const token = fence(await claimOne(store, 'a'));
    await store.expireLeases(4000, policy);
    const other = await claimOne(store, 'b', { now: 4100, leaseUntil: 5000 });
    assert.equal(other.epoch, 2);
    const lost = await refused(store.complete(token, result, policy, 4200), 'LEASE_LOST');
    assert.deepEqual(lost.details, { state: 'running', epoch: 2 });
    await refused(store.fail(token, crash, policy, 4200), 'LEASE_LOST');
    await refused(store.release(token, 'x', 4200), 'LEASE_LOST');
    assert.equal(await store.reattach(token, 9000, 4200), null);
    assert.deepEqual(
      (await store.listAttempts(job.id)).map((attempt) => attempt.outcome),
      ['superseded', null],
    );
    assert.equal((await store.complete(fence(other), result, policy, 4300)).task.state, 'succeeded');
    await refused(store.complete(token, result, policy, 4400), 'LEASE_LOST');
  });

  test('a task that loses its fifth lease fails with LOST_TOO_OFTEN', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    await store.submit([newJob()]);
    for (let i = 1; i <= 5; i += 1) {
      await claimOne(store, 'a', { now: i * 1000, leaseUntil: i * 1000 + 500 });
      const [change] = await store.expireLeases(i * 1000 + 600, policy);
      assert.deepEqual(
        [change?.task.state, change?.task.losses, change?.jobEnded],
        [i < 5 ? 'queued' : 'failed', i, i === 5],
      );
      assert.equal(change?.job.error?.code, i < 5 ? undefined : 'LOST_TOO_OFTEN');
    }
    assert.equal(await claim(store, 'a'), null);
    await assertCounted(store);
  });

  test('leases expire however many do at once', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    await store.submit(Array.from({ length: 501 }, () => newJob()));
    await Promise.all(Array.from({ length: 501 }, () => claim(store, 'a', { leaseUntil: 3000 })));
    assert.equal((await store.expireLeases(3001, policy)).length, 501);
    assert.equal(store.stats().tasks.queued, 501);
  });

  test('renewals and progress are written for leases that hold, and left alone for others', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a', 'b');
    await store.submit([newJob(), newJob()]);
    const first = await claimOne(store, 'a');
    const second = await claimOne(store, 'a');
    const state = { leaseUntil: 8000, phase: 'render', frame: 7, frames: 50, fps: 12.5 } as const;
    const save: LeaseState[] = [
      { ...fence(first), ...state },
      { ...fence(second), ...state, epoch: 9 },
      { ...fence(second), ...state, nodeId: 'b' },
      { taskId: 'j-none.0', epoch: 1, nodeId: 'a', ...state },
    ];
    assert.deepEqual(await store.saveLeases(save), [second.id, second.id, 'j-none.0']);
    assert.deepEqual(await store.saveLeases([]), []);
    const reopened = await opened.reopen();
    assert.deepEqual(await reopened.getTask(first.id), { ...first, ...state });
    assert.deepEqual(await reopened.getTask(second.id), second);
    const expired = await reopened.expireLeases(5000, policy);
    assert.deepEqual(
      expired.map(({ task }) => [task.id, task.frame, task.phase]),
      [[second.id, 0, null]],
    );
  });

  test('a class whose last task moved on is asked for again when one comes back', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a', 'b');
    const job = newJob({ requirement: { tags: ['gpu'] } });
    await store.submit([job]);
    const gpu = (wanted: Requirement): boolean => wanted.tags.includes('gpu');
    const first = await claimOne(store, 'a', { accepts: gpu });
    assert.equal(await claim(store, 'b', { accepts: gpu }), null);
    await store.release(fence(first), 'x', 2100);
    const second = await claimOne(store, 'b', { accepts: gpu });
    await store.fail(fence(second), crash, policy, 2200);
    const third = await claimOne(store, 'a', { accepts: gpu });
    assert.deepEqual(third.requirement, requirement({ tags: ['gpu'], avoid: 'b' }));
    await store.cancelJob(job.id, 2300);
    assert.equal((await store.retryJob(job.id, 2400)).tasks[0]?.requirement.avoid, null);
    assert.equal((await claimOne(store, 'a', { accepts: gpu })).epoch, 4);
  });
}
