import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimBody, finish, startTestControl, type TestControl, until } from '../helpers/control.ts';
import { follow, type Stream } from '../helpers/event-stream.ts';
import { manualClock } from '../helpers/manual-clock.ts';

const statesOf = (stream: Stream, job: string) =>
  stream.events.filter((event) => event.data.job?.id === job).map((event) => event.data.job.state);

async function runJob(farm: TestControl, node: { id: string; secret: string }): Promise<string> {
  const job = await farm.submit();
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  await finish(farm, node, task);
  return job;
}

test('a job is followed from submission to its end, in order', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  await using stream = await follow(farm);
  const job = await runJob(farm, node);
  await until(() => statesOf(stream, job).includes('succeeded'));
  assert.deepEqual([...new Set(statesOf(stream, job))], ['queued', 'running', 'succeeded']);
  assert.ok(stream.events.some((event) => event.type === 'node' && event.data.node.status === 'busy'));
});

test('filters let through one job, or only nodes', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  const other = await farm.submit();
  const mine = await farm.submit();
  await using one = await follow(farm, `?job=${mine}`);
  for (const job of [other, mine]) await farm.call('POST', `/v1/jobs/${job}/cancel`, {});
  await until(() => statesOf(one, mine).includes('cancelled'));
  assert.deepEqual(
    one.events.filter((event) => event.data.job?.id !== mine),
    [],
  );
  {
    await using nodes = await follow(farm, '?nodes=1');
    await runJob(farm, node);
    await farm.call('POST', '/v1/nodes/studio-1/drain', {});
    await until(() => nodes.events.some((event) => event.data.node?.intent === 'draining'));
    assert.deepEqual([...new Set(nodes.events.map((event) => event.type))], ['node']);
    await farm.call('DELETE', '/v1/nodes/studio-1');
    await until(() =>
      nodes.events.some((event) => event.type === 'node.removed' && event.data.id === 'studio-1'),
    );
  }
});

test('who reconnects gets what it missed, and is told to read anew when that is gone', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  let id: string;
  let first: string;
  {
    await using stream = await follow(farm);
    first = await runJob(farm, node);
    await until(() => statesOf(stream, first).includes('succeeded'));
    id = stream.lastId();
  }
  const missed = await runJob(farm, node);
  {
    await using again = await follow(farm, '', id);
    await until(() => statesOf(again, missed).includes('succeeded'));
    assert.deepEqual(statesOf(again, first), [], 'nothing twice');
    assert.ok(!again.events.some((event) => event.type === 'reset'));
  }
  for (const stale of ['00000000-5', 'nonsense', `${id.split('-')[0]}-99999`]) {
    await using reset = await follow(farm, '', stale);
    await until(() => reset.events[0]?.type === 'reset');
  }
  await farm.restart();
  await using reset = await follow(farm, '', id);
  await until(() => reset.events[0]?.type === 'reset');
});

test('what happened while nobody listened for long cannot be resumed', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  let id: string;
  {
    await using stream = await follow(farm);
    id = stream.lastId();
  }
  await clock.advance(6 * 60_000);
  await farm.submit();
  await using again = await follow(farm, '', id);
  await until(() => again.events[0]?.type === 'reset');
});

test('a delayed job is shown as queued when its time comes, also while no node is there', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  await using stream = await follow(farm);
  const job = await farm.submit({ runAt: new Date(clock.now() + 15_000).toISOString() });
  await until(() => statesOf(stream, job).includes('scheduled'));
  await clock.advance(15_001);
  await until(() => statesOf(stream, job).includes('queued'));
});

test('progress comes at most four times a second, its newest state last', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  const job = await farm.submit();
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  await using stream = await follow(farm, `?job=${job}`);
  for (let frame = 1; frame <= 8; frame += 1) {
    const lease = { taskId: task.id, epoch: 1, phase: 'render', frame, frames: 10, fps: 5 };
    await farm.asNode(node, '/v1/agent/heartbeat', { leases: [lease], system: null });
  }
  await clock.advance(300);
  await until(() => stream.events.at(-1)?.data.job.progress === 0.8);
  assert.ok(stream.events.length <= 3, `${stream.events.length} events`);
  await clock.advance(15_000);
  await until(() => stream.text().includes(': still here'));
});
