import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanUp } from '../../src/control/background.ts';
import type { FarmChange } from '../../src/store/shared.ts';
import { keptLog } from '../helpers/agent-under-test.ts';
import { claimBody, finish, type TestControl, type TestNode, until } from '../helpers/control.ts';
import { follow } from '../helpers/event-stream.ts';
import { type ManualClock, manualClock } from '../helpers/manual-clock.ts';
import { type SharedReplicas, startSharedReplicas } from '../helpers/replicas.ts';

const LEASE_MS = 60_000;

const beat = (control: TestControl, node: TestNode, leases: unknown[] = []) =>
  control.asNode(node, '/v1/agent/heartbeat', { leases, system: null });

const report = (task: { id: string; epoch: number }, frame = 1) => ({
  taskId: task.id,
  epoch: task.epoch,
  phase: 'render',
  frame,
  frames: 10,
  fps: 5,
});

const stateOf = async (control: TestControl, job: string): Promise<string> =>
  (await control.call('GET', `/v1/jobs/${job}`)).body.state;

/** Goes on second by second, each when what the one before set off is done: all who tick have set their timer again. */
async function pass(clocks: ManualClock | readonly ManualClock[], seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    for (const clock of [clocks].flat()) {
      const { pending } = clock;
      await clock.advance(1000);
      const limit = performance.now() + 50;
      while (clock.pending < pending && performance.now() < limit)
        await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** The same until something holds. */
async function passUntil(
  clocks: ManualClock | readonly ManualClock[],
  check: () => boolean | Promise<boolean>,
): Promise<void> {
  await until(async () => {
    if (await check()) return true;
    await pass(clocks, 1);
    return await check();
  });
}

async function setUp(count: number, options: Partial<Parameters<typeof startSharedReplicas>[0]> = {}) {
  const replicas = await startSharedReplicas({ count, ...options });
  const [a, b, c = b] = replicas.all;
  const [viewA, viewB] = replicas.views;
  assert.ok(a && b && c && viewA && viewB);
  await a.addTemplate();
  return { replicas, a, b, c, viewA, viewB };
}

/** Nobody hears of anybody any more. */
function silence({ views }: SharedReplicas): void {
  for (const view of views) view.hears = 'never';
}

test('without a word of the others, a queued job, a cancellation, a drained node and a revoked token come through all the same', async () => {
  const { replicas, a, b } = await setUp(2);
  await using _ = replicas;
  const node = await a.addNode('studio-1');
  silence(replicas);
  const poll = b.asNode(node, '/v1/agent/claim', claimBody(20_000));
  await until(() => b.control.dispatcher.waiting === 1);
  const job = await a.submit();
  const { task } = (await poll).body;
  assert.equal(task.jobId, job);

  const reader = await a.newToken('read');
  const asReader = (control: TestControl) =>
    control.call('GET', '/v1/jobs', undefined, { authorization: `Bearer ${reader.token}` });
  assert.equal((await asReader(b)).status, 200);
  await a.call('DELETE', `/v1/tokens/${reader.id}`);
  await a.call('POST', '/v1/nodes/studio-1/drain', {});
  await a.call('POST', `/v1/jobs/${job}/cancel`, {});
  await until(async () => {
    const { body } = await beat(b, node, [report(task)]);
    return body.drain && body.cancel.length === 1;
  });
  const since = performance.now();
  while ((await asReader(b)).status !== 401) {
    assert.ok(performance.now() - since < 8000, 'a revoked token works for seconds at most');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

test('what was told late, twice or out of order does no harm', async () => {
  const { replicas, a, b, viewB } = await setUp(2);
  await using _ = replicas;
  const node = await a.addNode('studio-1');
  await until(() => b.control.registry.get('studio-1') !== undefined);
  viewB.hears = 'late';
  const job = await a.submit();
  const { task } = (await a.asNode(node, '/v1/agent/claim', claimBody())).body;
  await finish(b, node, task);
  const before = replicas.farm.told.filter(({ kind }) => kind === 'task');
  viewB.catchUp();
  viewB.hears = 'at-once';
  // A lease of a task that is over came into the table with the late word; comparing takes it out again.
  await until(() => b.control.leases.size === 0);
  assert.equal(await stateOf(b, job), 'succeeded');
  assert.ok(before.length >= 2);
});

test('kinds of changes that only a newer version knows are passed over', async () => {
  const { replicas, a, b } = await setUp(2);
  await using _ = replicas;
  const listener = { changes: [{ kind: 'weather', of: 'tomorrow' }] as unknown as FarmChange[] };
  replicas.farm.tell(listener.changes);
  const node = await b.addNode('studio-1');
  const poll = b.asNode(node, '/v1/agent/claim', claimBody(10_000));
  const job = await a.submit();
  assert.equal((await poll).body.task.jobId, job);
});

test('clients that follow read anew when changes were missed, and when they resume at another control plane', async () => {
  const { replicas, a, b, viewB } = await setUp(2);
  await using _ = replicas;
  await using stream = await follow(b);
  viewB.gap('the connection was lost');
  await until(() => stream.events.some(({ type }) => type === 'reset'));
  await using resumed = await follow(a, '', stream.lastId());
  await until(() => resumed.events.some(({ type }) => type === 'reset'));
  assert.match(String(resumed.events[0]?.data.reason), /another one answers/);
});

test('only the one that leads ends leases; one that takes over gives every node a lease time first', async () => {
  const clock = manualClock();
  const { replicas, a, b, viewA, viewB } = await setUp(2, { clock });
  await using _ = replicas;
  const [one, other] = [await a.addNode('one'), await a.addNode('other')];
  await a.submit();
  const job = await a.submit();
  const { task } = (await b.asNode(one, '/v1/agent/claim', claimBody())).body;
  const lasting = (await b.asNode(other, '/v1/agent/claim', claimBody())).body.task;
  replicas.farm.lead(null);
  await pass(clock, LEASE_MS / 1000 + 10);
  assert.equal(b.control.leases.size, 2, 'nobody leads: nothing ends');
  assert.equal(viewB.shared.isLeader, false);

  replicas.farm.lead(viewA);
  for (let second = 0; second < 50; second += 5) {
    await pass(clock, 5);
    await beat(b, other, [report(lasting, second)]);
  }
  assert.equal(await stateOf(a, task.jobId), 'running', 'a lease time has not passed since');
  for (let second = 0; second < 20; second += 5) {
    await pass(clock, 5);
    await beat(b, other, [report(lasting, second)]);
  }
  await passUntil(clock, async () => (await stateOf(a, task.jobId)) === 'queued');
  assert.equal(await stateOf(a, lasting.jobId), 'running', 'renewed at the other control plane');
  assert.ok(job);
  // Nobody took it: the node may take it up again, wherever it asks.
  assert.deepEqual((await beat(a, one, [report(task)])).body.lost, []);
  assert.equal(await stateOf(b, task.jobId), 'running');
});

test('clocks that differ by seconds cost no lease and make no node suspect', async () => {
  const clocks = [manualClock(), manualClock(Date.parse('2026-01-28T10:30:06Z'))] as const;
  const { replicas, a, b } = await setUp(2, { clock: (index) => clocks[index] ?? clocks[0] });
  await using _ = replicas;
  const node = await a.addNode('studio-1');
  const job = await a.submit();
  const { task } = (await a.asNode(node, '/v1/agent/claim', claimBody())).body;
  // All its heartbeats go to the one whose clock is behind, then all to the one that is ahead.
  for (const [at, rounds] of [[a, 6] as const, [b, 6] as const, [a, 2] as const]) {
    for (let round = 0; round < rounds; round += 1) {
      const { body } = await beat(at, node, [report(task, round)]);
      assert.deepEqual([body.cancel, body.lost], [[], []]);
      await pass(clocks, 5);
      for (const control of [a, b])
        assert.equal(control.control.registry.get('studio-1')?.liveness, 'online', `round ${round}`);
    }
  }
  assert.equal(await stateOf(b, job), 'running');
  const attempts = await a.control.store.listAttempts(job);
  assert.equal(attempts.length, 1);
});

test('a control plane that stood still does not take back what others renewed meanwhile', async () => {
  const clocks = [manualClock(), manualClock()] as const;
  const { replicas, a, b } = await setUp(2, { clock: (index) => clocks[index] ?? clocks[0] });
  await using _ = replicas;
  const node = await b.addNode('studio-1');
  const job = await b.submit();
  const { task } = (await b.asNode(node, '/v1/agent/claim', claimBody())).body;
  // Renewed at B, not written yet; then B stands still for two lease times.
  await beat(b, node, [report(task, 1)]);
  for (let second = 0; second < 120; second += 5) {
    await pass(clocks[0], 5);
    await beat(a, node, [report(task, second)]);
  }
  clocks[1].leap(120_000);
  await pass(clocks, 3);
  await beat(a, node, [report(task, 9)]);
  await pass(clocks, 3);
  assert.equal(await stateOf(a, job), 'running');
  assert.equal((await a.control.store.listAttempts(job)).length, 1);
});

test('delayed jobs are queued by whoever leads, also when that one dies', async () => {
  const clock = manualClock();
  const { replicas, b, viewA } = await setUp(2, { clock });
  await using _ = replicas;
  silence(replicas);
  const job = await b.submit({ runAt: new Date(clock.now() + 30_000).toISOString() });
  await pass(clock, 10);
  viewA.die();
  await pass(clock, 25);
  await passUntil(clock, async () => (await stateOf(b, job)) === 'queued');
});

test('a database that is away: 503 with Retry-After, said once, back without a restart, and nobody loses a lease for it', async () => {
  const clock = manualClock();
  const logs = [keptLog(), keptLog()];
  const { replicas, a, b, viewA } = await setUp(2, {
    clock,
    logger: (index) => logs[index]?.logger ?? keptLog().logger,
  });
  await using _ = replicas;
  const node = await a.addNode('studio-1');
  const job = await a.submit();
  const { task } = (await a.asNode(node, '/v1/agent/claim', claimBody())).body;
  await beat(a, node, [report(task)]);
  await pass(clock, 2);

  for (const view of replicas.views) view.cut();
  await pass(clock, 2);
  const refused = await a.call('POST', '/v1/jobs', { template: 'mock-template' });
  assert.deepEqual([refused.status, refused.body.error.code], [503, 'UNAVAILABLE']);
  assert.equal(refused.headers.get('retry-after'), '1');
  const asked = performance.now();
  const health = await a.call('GET', '/health');
  assert.deepEqual([health.status, health.body.error.details.part], [503, 'database']);
  assert.ok(performance.now() - asked < 500);
  const poll = await a.asNode(node, '/v1/agent/claim', claimBody(20_000));
  assert.equal(poll.status, 503);
  // A short outage is nobody's business; what could not be written for long is not promised.
  assert.equal((await beat(a, node, [report(task)])).status, 200);
  await pass(clock, 12);
  assert.equal((await beat(a, node, [report(task)])).status, 503);
  await pass(clock, LEASE_MS / 1000);

  for (const view of replicas.views) view.mend();
  await pass(clock, 5);
  assert.equal((await a.call('GET', '/health')).status, 200);
  assert.equal(await stateOf(b, job), 'running', 'a lease time of grace');
  assert.deepEqual((await beat(b, node, [report(task)])).body.lost, []);
  assert.equal((await finish(a, node, task)).body.state, 'succeeded');
  for (const { lines } of logs) {
    // The store says once that it is away, and once that it is back; nobody else says it again and again.
    const told = lines.filter(({ level }) => level === 'error').map(({ event }) => event);
    assert.deepEqual(told, []);
    assert.equal(lines.filter(({ event }) => event === 'request.refused').length, 0, 'not per request');
    assert.equal(lines.filter(({ event }) => event === 'replica.gap').length, 2, 'everything is compared');
  }
  assert.ok(viewA.shared.isLeader);
});

test('one that does not reach the database leaves its nodes to the others', async () => {
  const clock = manualClock();
  const { replicas, a, b, viewA } = await setUp(2, { clock });
  await using _ = replicas;
  const node = await a.addNode('studio-1');
  const job = await a.submit();
  const { task } = (await a.asNode(node, '/v1/agent/claim', claimBody())).body;
  await beat(a, node, [report(task)]);
  await pass(clock, 3);
  viewA.cut();
  for (let second = 0; second < 90; second += 5) {
    await pass(clock, 5);
    // What a load balancer does with a 503 of /health.
    const at = (await a.call('GET', '/health')).status === 503 ? b : a;
    assert.equal((await beat(at, node, [report(task)])).status, 200);
  }
  assert.equal(await stateOf(b, job), 'running');
  assert.equal((await finish(b, node, task)).body.state, 'succeeded');
  viewA.mend();
  await passUntil(clock, () => a.control.leases.size === 0);
});

test('the clean-up runs at the one that leads', async () => {
  const { replicas, a, b } = await setUp(2, { config: { retention: { cron: '* * * * * *' } } });
  await using _ = replicas;
  const ran: string[] = [];
  for (const [name, { control }] of Object.entries({ a, b })) {
    const purge = control.store.purgeJobs;
    control.store.purgeJobs = (options) => {
      ran.push(name);
      return purge(options);
    };
  }
  await until(() => ran.length >= 2);
  assert.deepEqual([...new Set(ran)], ['a']);
  await cleanUp(b.control, AbortSignal.timeout(10_000));
  assert.ok(ran.includes('b'), 'it could');
});
