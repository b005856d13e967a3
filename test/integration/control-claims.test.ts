import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  claimBody,
  finish,
  startTestControl,
  type TestControl,
  type TestNode,
  until,
} from '../helpers/control.ts';
import { type ManualClock, manualClock } from '../helpers/manual-clock.ts';
import { registration } from '../helpers/registration.ts';

/** Resolves when this many long-polls wait. */
async function untilWaiting(farm: TestControl, count: number): Promise<void> {
  await until(() => farm.control.dispatcher.waiting >= count);
  // Each has been told that there is nothing.
  for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

const beat = (farm: TestControl, node: TestNode, leases: unknown[] = []) =>
  farm.asNode(node, '/v1/agent/heartbeat', { leases, system: null });

const report = (task: { id: string; epoch: number }, frame = 1) => ({
  taskId: task.id,
  epoch: task.epoch,
  phase: 'render',
  frame,
  frames: 10,
  fps: 5,
});

test('a waiting node gets a submitted job at once, with everything it needs', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  const waits: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const poll = farm
      .asNode(node, '/v1/agent/claim', claimBody(10_000))
      .then((answer) => ({ answer, at: performance.now() }));
    await untilWaiting(farm, 1);
    const submittedAt = performance.now();
    const job = await farm.submit({ inputs: { title: 'Grüße' } });
    const { answer, at } = await poll;
    waits.push(at - submittedAt);
    assert.equal(answer.status, 200);
    const { task, bundle, assets } = answer.body;
    assert.equal(task.jobId, job);
    assert.deepEqual(task.inputs, { title: 'Grüße' });
    assert.equal(task.engine, 'mock');
    assert.equal(task.output.name, 'main');
    assert.match(bundle.url, new RegExp(`^${farm.url}/objects/bundles/b+\\.zip\\?`));
    assert.deepEqual(assets, []);
    assert.equal((await finish(farm, node, task)).body.state, 'succeeded');
  }
  // It is woken, not found by its next poll in 10 s; the median, because a busy machine may be late once.
  assert.ok((waits.sort((a, b) => a - b)[2] ?? 9999) < 1000, `waited ${waits.join(', ')} ms`);
});

test('a template that asks for memory, a newer engine or a tag waits for a node that has them, and says so', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate('heavy', {
    requires: { memoryMb: 500, engines: { mock: '1.0' }, tags: ['big'] },
  });
  await farm.addTemplate('huge', { requires: { memoryMb: 4000, vramMb: 8000, engines: { mock: '2' } } });
  const plain = await farm.addNode('plain');
  const big = await farm.addNode('big', ['mock'], { tags: ['big'] });
  const job = await farm.submit({ template: 'heavy' });
  const huge = await farm.call('POST', '/v1/jobs', { template: 'huge' });
  assert.equal(huge.status, 201);
  assert.equal(
    huge.body.warning,
    'no node can render huge (it needs mock 2 and 4000 MB of memory and 8000 MB of video memory): the job waits for one',
  );
  const why = async (id: string) => (await farm.call('GET', `/v1/jobs/${id}`)).body.tasks[0].waiting;
  assert.equal(
    await why(huge.body.jobs[0].id),
    'no node can render it: it needs mock 2 and 4000 MB of memory and 8000 MB of video memory',
  );
  assert.equal(await why(job), null, 'somebody can, and will');
  await farm.call('POST', '/v1/nodes/big/drain', {});
  assert.equal(await why(job), 'no node that can render it takes work now: big (drained)');
  await farm.call('POST', '/v1/nodes/big/resume', {});
  assert.equal((await farm.asNode(plain, '/v1/agent/claim', claimBody())).status, 204);
  const claimed = await farm.asNode(big, '/v1/agent/claim', claimBody());
  assert.equal(claimed.body.task.jobId, job);
  assert.equal((await farm.asNode(big, '/v1/agent/claim', claimBody())).status, 204);
});

test('a poll that finds nothing ends with 204 after waitMs, and one of a draining node as well', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  const poll = farm.asNode(node, '/v1/agent/claim', claimBody(5000));
  await untilWaiting(farm, 1);
  await clock.advance(4999);
  assert.equal(farm.control.dispatcher.waiting, 1);
  await clock.advance(1);
  assert.equal((await poll).status, 204);

  await farm.call('POST', '/v1/nodes/studio-1/drain', {});
  const job = await farm.submit();
  assert.equal((await beat(farm, node)).body.drain, true);
  const drained = farm.asNode(node, '/v1/agent/claim', claimBody(5000));
  await untilWaiting(farm, 1);
  await farm.call('POST', '/v1/nodes/studio-1/resume', {});
  assert.equal((await drained).body.task.jobId, job, 'resuming wakes the poll that is open');
});

test('one job wakes one of many waiting nodes; the others go on waiting', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const nodes = [];
  for (let i = 0; i < 20; i += 1) nodes.push(await farm.addNode(`node-${i}`));
  const other = await farm.addNode('other', ['ffmpeg']);
  let answered = 0;
  let claims = 0;
  const { store } = farm.control;
  const claim = store.claim.bind(store);
  store.claim = (input) => {
    claims += 1;
    return claim(input);
  };
  const polls = [other, ...nodes].map(async (node) => {
    const answer = await farm.asNode(node, '/v1/agent/claim', claimBody(60_000));
    if (answer.status === 200) answered += 1;
    return answer.body?.task?.jobId;
  });
  await untilWaiting(farm, 21);
  claims = 0;
  const jobs = [await farm.submit(), await farm.submit(), await farm.submit()];
  const winners = await Promise.all([...Array(3)].map(() => Promise.race(polls)));
  assert.ok(winners.every((job) => jobs.includes(job)));
  await until(() => answered >= 3);
  assert.equal(answered, 3);
  assert.equal(claims, 3, 'nobody else asked the store');
  assert.equal(farm.control.dispatcher.waiting, 18);
});

test('a lost answer is asked for again with its claimId: the same task', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  await farm.submit();
  const body = claimBody();
  const first = await farm.asNode(node, '/v1/agent/claim', body);
  const again = await farm.asNode(node, '/v1/agent/claim', body);
  assert.equal(again.body.task.id, first.body.task.id);
  assert.equal(again.body.task.epoch, first.body.task.epoch);
  assert.equal((await farm.asNode(node, '/v1/agent/claim', claimBody())).status, 204);
});

test('a node that hangs up stops waiting and loses no job', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const [gone, node] = [await farm.addNode('gone'), await farm.addNode('studio-1')];
  const hangUp = new AbortController();
  const poll = farm.asNode(gone, '/v1/agent/claim', claimBody(60_000), { signal: hangUp.signal });
  await untilWaiting(farm, 1);
  hangUp.abort();
  await assert.rejects(poll);
  await until(() => farm.control.dispatcher.waiting === 0);
  const job = await farm.submit();
  assert.equal((await farm.asNode(node, '/v1/agent/claim', claimBody())).body.task.jobId, job);
});

test('a task claimed for a node that hangs up meanwhile goes back at once, at no cost', async () => {
  await using farm = await startTestControl({ clock: manualClock() });
  await farm.addTemplate();
  const [gone, node] = [await farm.addNode('gone'), await farm.addNode('studio-1')];
  const job = await farm.submit();
  // The attempt to claim is under way when the line breaks.
  const { dispatcher, registry } = farm.control;
  let hangUp = (): void => undefined;
  const onGone = (callback: () => void): void => {
    hangUp = callback;
  };
  const poll = dispatcher.claim(registry.require(gone.id), { claimId: 'lost-line', waitMs: 1000, onGone });
  hangUp();
  assert.equal(await poll, null);
  const { body } = await farm.asNode(node, '/v1/agent/claim', claimBody(60_000));
  assert.equal(body.task.jobId, job);
  const [task] = (await farm.call('GET', `/v1/jobs/${job}`)).body.tasks;
  assert.deepEqual([task.losses, task.failures], [0, 0]);
  assert.deepEqual(
    task.attempts.map(({ node, outcome }: { node: string; outcome: string }) => [node, outcome]),
    [
      ['gone', 'interrupted'],
      ['studio-1', null],
    ],
  );
});

test('a delayed job reaches a waiting node when its time has come', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  const job = await farm.submit({ runAt: new Date(clock.now() + 15_000).toISOString() });
  assert.equal((await farm.call('GET', `/v1/jobs/${job}`)).body.state, 'scheduled');
  const poll = farm.asNode(node, '/v1/agent/claim', claimBody(30_000));
  await untilWaiting(farm, 1);
  await clock.advance(10_000);
  assert.equal(farm.control.dispatcher.waiting, 1);
  // Silent for 10 s now; a heartbeat keeps it in the running.
  await beat(farm, node);
  await clock.advance(5001);
  assert.equal((await poll).body.task.jobId, job);
});

test('a cancelled job is told to its node with the next heartbeat, and its report is refused', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  const job = await farm.submit();
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  assert.deepEqual((await beat(farm, node, [report(task)])).body.cancel, []);
  const shown = await farm.call('GET', `/v1/jobs/${job}`);
  assert.deepEqual(
    [shown.body.state, shown.body.progress, shown.body.tasks[0].phase],
    ['running', 0.1, 'render'],
  );
  assert.equal((await farm.call('POST', `/v1/jobs/${job}/cancel`, {})).body.state, 'cancelled');
  const told = await beat(farm, node, [report(task)]);
  assert.deepEqual(told.body.cancel, [{ taskId: task.id, epoch: task.epoch }]);
  const late = await finish(farm, node, task);
  assert.equal(late.status, 409);
  assert.equal(late.body.error.code, 'LEASE_LOST');
  assert.equal(late.body.error.details.state, 'cancelled');
});

/** Lets time go by until a lease has run out; each second needs its write-behind to have ended. */
async function untilQueued(farm: TestControl, clock: ManualClock, job: string): Promise<void> {
  await until(async () => {
    await clock.advance(1000);
    return (await farm.call('GET', `/v1/jobs/${job}`)).body.state === 'queued';
  });
}

test('a silent node loses its lease, may take it up again, and must stop once another has the task', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  const [first, second] = [await farm.addNode('first'), await farm.addNode('second')];
  const job = await farm.submit();
  const { task } = (await farm.asNode(first, '/v1/agent/claim', claimBody())).body;
  await beat(farm, first, [report(task)]);
  await clock.advance(62_000);
  const state = async () => (await farm.call('GET', `/v1/jobs/${job}`)).body.state;
  await untilQueued(farm, clock, job);
  await until(async () => (await farm.call('GET', '/v1/nodes/first')).body.status === 'suspect');
  assert.deepEqual((await beat(farm, first, [report(task, 5)])).body.lost, []);
  assert.equal(await state(), 'running');

  await clock.advance(62_000);
  await untilQueued(farm, clock, job);
  await beat(farm, second);
  const taken = (await farm.asNode(second, '/v1/agent/claim', claimBody())).body.task;
  assert.deepEqual([taken.id, taken.epoch], [task.id, task.epoch + 1]);
  const told = await beat(farm, first, [report(task, 7)]);
  assert.deepEqual(told.body.lost, [{ taskId: task.id, epoch: task.epoch }]);
  assert.equal((await finish(farm, first, task)).body.error.code, 'LEASE_LOST');
  assert.equal((await finish(farm, second, taken)).body.state, 'succeeded');
  const repeated = await finish(farm, second, taken);
  assert.deepEqual([repeated.status, repeated.body.state], [200, 'succeeded']);
});

test('whatever a node that was cut off says first, its task is not taken from it', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  const job = await farm.submit();
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  await clock.advance(62_000);
  await untilQueued(farm, clock, job);

  const path = `/v1/agent/tasks/${task.id}`;
  const preview = { method: 'PUT', query: `epoch=${task.epoch}`, contentType: 'image/jpeg' };
  assert.equal(
    (await farm.asNode(node, `${path}/preview`, Uint8Array.of(0xff, 0xd8, 0xff, 1), preview)).status,
    204,
  );
  const lines = [{ at: new Date(clock.now()).toISOString(), stream: 'agent', line: 'still here' }];
  assert.equal((await farm.asNode(node, `${path}/log`, { epoch: task.epoch, lines })).status, 204);
  const file = { epoch: task.epoch, fileName: 'main.mp4', sizeBytes: 5, sha256: 'a'.repeat(64) };
  assert.equal((await farm.asNode(node, `${path}/uploads`, file)).status, 200);
  assert.deepEqual((await beat(farm, node, [report(task)])).body.lost, []);
  assert.equal((await finish(farm, node, task)).body.state, 'succeeded');
});

test('a clock that is set, or a machine that slept, costs no lease; who is silent after it loses it all the same', async () => {
  for (const hours of [3, -3]) {
    const clock = manualClock();
    await using farm = await startTestControl({ clock });
    await farm.addTemplate();
    const node = await farm.addNode('first');
    const job = await farm.submit();
    const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
    clock.leap(hours * 3_600_000);
    await clock.advance(1500);
    const lease = farm.control.leases.get(task.id);
    assert.ok(lease && lease.leaseUntil > clock.now(), `${hours} h: the lease goes on`);
    const left = lease.leaseUntil - clock.now();
    assert.ok(left <= 60_000, `${hours} h: and ends in ${left} ms`);
    assert.equal((await farm.call('GET', '/v1/nodes/first')).body.status, 'busy');
    // A tick is armed anew only after the store has written.
    const later = async (path: string) => {
      await clock.advance(1000);
      return (await farm.call('GET', path)).body;
    };
    await clock.advance(25_000);
    await until(async () => (await later('/v1/nodes/first')).status === 'suspect');
    await clock.advance(35_000);
    await until(async () => (await later(`/v1/jobs/${job}`)).state === 'queued');
  }
});

test('a database written with a clock that was ahead shows no node and keeps no lease longer than any other', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  const node = await farm.addNode('first');
  await farm.submit();
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  const { store, leases } = farm.control;
  const wrong = clock.now() + 86_400_000;
  await store.saveBeats([{ nodeId: 'first', at: wrong }]);
  const lease = leases.get(task.id);
  assert.ok(lease);
  await store.saveLeases([{ ...lease, leaseUntil: wrong }]);
  await farm.restart();
  await clock.advance(62_000);
  await until(async () => {
    await clock.advance(1000);
    const { status } = (await farm.call('GET', '/v1/nodes/first')).body;
    return status === 'suspect' && farm.control.leases.size === 0;
  });
});

test('a large farm beats no more often than its control plane can take, also while all nodes render', async () => {
  await using farm = await startTestControl();
  const node = await farm.addNode('first');
  const pace = async () => {
    const { nextMs, progressMs } = (await beat(farm, node)).body;
    return [nextMs, progressMs];
  };
  assert.deepEqual(await pace(), [5000, 1000]);
  const record = farm.control.registry.require('first').record;
  for (let i = 1; i < 6000; i += 1) farm.control.registry.put({ ...record, id: `n${i}`, capabilities: null });
  assert.deepEqual(await pace(), [5000, 3000]);
  for (let i = 6000; i < 12_000; i += 1)
    farm.control.registry.put({ ...record, id: `n${i}`, capabilities: null });
  assert.deepEqual(await pace(), [6000, 6000]);
  const again = await farm.asNode(node, '/v1/agent/register', registration('first', ['mock'], []));
  assert.deepEqual([again.body.heartbeatMs, again.body.progressMs], [6000, 6000]);
});

test('leases survive a restart of the control plane: nobody else gets the task, and its node reports it', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  const [first, second] = [await farm.addNode('first'), await farm.addNode('second')];
  const job = await farm.submit();
  const { task } = (await farm.asNode(first, '/v1/agent/claim', claimBody())).body;
  await clock.advance(50_000);
  await farm.restart();
  // The lease would have ended after 60 s; a restart gives every lease its full time again.
  await clock.advance(55_000);
  assert.equal((await farm.asNode(second, '/v1/agent/claim', claimBody())).status, 204);
  assert.deepEqual((await beat(farm, first, [report(task)])).body.lost, []);
  assert.equal((await finish(farm, first, task)).body.state, 'succeeded');
  assert.equal((await farm.call('GET', `/v1/jobs/${job}`)).body.state, 'succeeded');
});

test('a completion without its output is refused, and so is one that names another place', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  await farm.submit();
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  const result = {
    sha256: 'a'.repeat(64),
    sizeBytes: 5,
    frames: 1,
    durationMs: 1,
    width: 2,
    height: 2,
    codec: 'h264',
    renderMs: 1,
    overheadMs: 1,
  };
  const complete = async (key: string) =>
    (
      await farm.asNode(node, `/v1/agent/tasks/${task.id}/complete`, {
        epoch: task.epoch,
        result: { ...result, key },
      })
    ).body.error.code;
  assert.equal(await complete(`outputs/${task.jobId}/${task.id}-1/main.mp4`), 'OUTPUT_INVALID');
  assert.equal(await complete(`outputs/${task.jobId}/${task.id}-2/main.mp4`), 'REQUEST_INVALID');
  assert.equal(await complete(`assets/${'a'.repeat(64)}`), 'REQUEST_INVALID');
  assert.equal(await complete(`outputs/${task.jobId}/${task.id}-1/../x`), 'REQUEST_INVALID');
});

test('a chosen node that does not exist is refused; a template that no node can render is queued with a warning', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const unknown = await farm.call('POST', '/v1/jobs', { template: 'mock-template', node: 'nobody' });
  assert.equal(unknown.body.error.code, 'NODE_NOT_FOUND');
  assert.equal((await farm.call('POST', '/v1/jobs', { template: 'mock-template' })).body.warning, undefined);
  const node = await farm.addNode('studio-1', ['ffmpeg']);
  const warned = await farm.call('POST', '/v1/jobs', { template: 'mock-template' });
  assert.equal(warned.status, 201);
  assert.match(warned.body.warning, /no node can render mock-template \(it needs mock\)/);
  assert.equal((await farm.asNode(node, '/v1/agent/claim', claimBody())).status, 204);
});

test('a batch is all or nothing, and an idempotency key makes it once', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const one = { template: 'mock-template' };
  const bad = await farm.call('POST', '/v1/jobs', { jobs: [one, { ...one, inputs: { titel: 'x' } }] });
  assert.equal(bad.status, 422);
  assert.match(bad.body.error.message, /^jobs\.1: .*did you mean "title"/s);
  assert.deepEqual((await farm.call('GET', '/v1/jobs')).body.jobs, []);
  const headers = { 'idempotency-key': 'k1' };
  const first = await farm.call('POST', '/v1/jobs', { jobs: [one, one] }, headers);
  const second = await farm.call('POST', '/v1/jobs', { jobs: [one, one] }, headers);
  assert.deepEqual([first.status, second.status], [201, 200]);
  assert.deepEqual(
    second.body.jobs.map((job: { id: string }) => job.id),
    first.body.jobs.map((job: { id: string }) => job.id),
  );
  const other = await farm.call('POST', '/v1/jobs', one, headers);
  assert.equal(other.body.error.code, 'IDEMPOTENCY_CONFLICT');
  assert.equal((await farm.call('GET', `/v1/jobs?batch=${first.body.batch}`)).body.jobs.length, 2);
});

test('a node that is removed while it waits gets nothing more, and its tasks go to others', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const [gone, node] = [await farm.addNode('gone'), await farm.addNode('studio-1')];
  const job = await farm.submit();
  const { task } = (await farm.asNode(gone, '/v1/agent/claim', claimBody())).body;
  const waiting = farm.asNode(gone, '/v1/agent/claim', claimBody(60_000));
  const other = farm.asNode(node, '/v1/agent/claim', claimBody(60_000));
  await untilWaiting(farm, 2);
  assert.equal((await farm.call('DELETE', '/v1/nodes/gone')).status, 204);
  assert.equal((await waiting).status, 204);
  const taken = (await other).body.task;
  assert.deepEqual([taken.id, taken.epoch, taken.jobId], [task.id, task.epoch + 1, job]);
});
