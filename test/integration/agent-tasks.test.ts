import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { mockBundle, setUp, startTestAgent } from '../helpers/agent-under-test.ts';
import type { FakeCall, FakeControl } from '../helpers/fake-control.ts';

/** Cuts the connection of the first call of a kind, after doing what `before` says. */
function cutOnce(
  control: FakeControl,
  wanted: (call: FakeCall) => boolean,
  before?: (response: ServerResponse) => void,
): void {
  let isCut = false;
  control.faults.push((call, response) => {
    if (isCut || !wanted(call)) return false;
    isCut = true;
    before?.(response);
    response.destroy();
    return true;
  });
}

test('a task is claimed, rendered, uploaded and completed, and nothing is left behind', async (t) => {
  const { control, dir } = await setUp(t);
  await using agent = startTestAgent(control, dir);
  const ready = await agent.ready;
  assert.deepEqual(
    ready.engines.filter((engine) => engine.name === 'mock').map((engine) => engine.available),
    [true],
  );
  // A second of rendering: long enough for a heartbeat, which a task that rushes through its phases goes without.
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle({ frameMs: 100 }) });
  await control.until('completion', () => task.state === 'succeeded');
  const { result } = task;
  assert.ok(result);
  const uploaded = control.objects.get(result.key);
  assert.equal(
    createHash('sha256')
      .update(uploaded ?? '')
      .digest('hex'),
    result.sha256,
  );
  assert.equal(uploaded?.length, result.sizeBytes);
  assert.deepEqual([result.frames, result.durationMs], [10, 1000]);
  agent.shutdown();
  await agent.done;
  assert.deepEqual(await agent.leftovers(), []);
  const phases = control
    .callsOf('heartbeat')
    .flatMap((call) => call.body.leases.map((lease: { phase: string }) => lease.phase));
  assert.ok(phases.length > 0, 'the lease was renewed');
  const lines = control
    .callsOf('taskLog')
    .flatMap((call) => call.body.lines.map((line: { line: string }) => line.line));
  assert.match(lines.join('\n'), /mock: 10 frames/);
  assert.match(lines.join('\n'), /rendered 10 frames/);
});

test('a template is downloaded once for all tasks that use it', async (t) => {
  const { control, dir } = await setUp(t);
  const bundle = await mockBundle({ frameMs: 5 });
  const tasks = [0, 1, 2, 3].map((index) => control.addTask({ id: `j1.${index}`, bundle }));
  await using agent = startTestAgent(control, dir, { maxConcurrentJobs: 3 });
  await control.until('all four', () => tasks.every((task) => task.state === 'succeeded'));
  const downloads = control.calls.filter(
    (call) => call.method === 'GET' && call.path.startsWith('/objects/bundles/'),
  );
  assert.equal(downloads.length, 1);
  assert.ok(agent.log.events().includes('task.ended'));
});

test('as many tasks run at once as the node may run, and not more', async (t) => {
  const { control, dir } = await setUp(t);
  const bundle = await mockBundle({ frameMs: 40 });
  const tasks = [0, 1, 2, 3].map((index) => control.addTask({ id: `j1.${index}`, bundle }));
  await using _ = startTestAgent(control, dir, { maxConcurrentJobs: 2 });
  await control.until('all four', () => tasks.every((task) => task.state === 'succeeded'));
  const together = control.callsOf('heartbeat').map((call) => call.body.leases.length);
  assert.equal(Math.max(...together), 2);
});

test('an engine failure is reported with its code, and the next task is taken', async (t) => {
  const { control, dir } = await setUp(t);
  await using agent = startTestAgent(control, dir);
  const bad = control.addTask({ id: 'j1.0', bundle: await mockBundle({ fail: 'middle', retryable: false }) });
  await control.until('failure', () => bad.state === 'failed');
  assert.equal(bad.error?.code, 'ENGINE_FAILED');
  assert.equal(bad.error?.retryable, false);
  const good = control.addTask({ id: 'j2.0', bundle: await mockBundle() });
  await control.until('success', () => good.state === 'succeeded');
  const lines = control.callsOf('taskLog').filter((call) => call.taskId === 'j1.0');
  assert.match(JSON.stringify(lines.map((call) => call.body)), /failed: ENGINE_FAILED/);
  agent.shutdown();
  await agent.done;
  assert.deepEqual(await agent.leftovers(), []);
});

test('a crash of the engine is reported as such and the agent lives on', async (t) => {
  const { control, dir } = await setUp(t);
  await using _ = startTestAgent(control, dir);
  const bad = control.addTask({ id: 'j1.0', bundle: await mockBundle({ fail: 'crash' }) });
  await control.until('failure', () => bad.state === 'failed');
  assert.equal(bad.error?.code, 'ENGINE_CRASHED');
  const good = control.addTask({ id: 'j2.0', bundle: await mockBundle() });
  await control.until('success', () => good.state === 'succeeded');
});

test('a download that is cut goes on where it stopped', async (t) => {
  const { control, dir } = await setUp(t);
  const asset = control.putObject('assets/footage', Buffer.alloc(600_000, 'flatrender'));
  let cutAt = 0;
  control.faults.push((call, response) => {
    if (cutAt > 0 || call.path !== '/objects/assets/footage') return false;
    cutAt = 200_000;
    const bytes = control.objects.get('assets/footage') ?? Buffer.alloc(0);
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, cutAt), () => setImmediate(() => response.destroy()));
    return true;
  });
  await using _ = startTestAgent(control, dir);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle(), assets: [asset] });
  await control.until('success', () => task.state === 'succeeded');
  const [first, second, ...more] = control.calls.filter((call) => call.path === '/objects/assets/footage');
  assert.equal(first?.headers.range, undefined);
  const from = Number(/^bytes=(\d+)-$/.exec(second?.headers.range ?? '')?.[1]);
  assert.ok(from > 0 && from <= cutAt, `resumed at ${second?.headers.range}`);
  assert.deepEqual(more, []);
});

test('a control plane that goes away during a download costs no attempt, however long it takes', async (t) => {
  const { control, dir } = await setUp(t);
  const asset = control.putObject('assets/footage', Buffer.alloc(100_000, 'flatrender'));
  let down: Promise<void> | undefined;
  control.faults.push((call, response) => {
    if (down || call.path !== '/objects/assets/footage') return false;
    response.destroy();
    down = control.goDown();
    return true;
  });
  // All tries of a download take half a minute; here 100 times less.
  const clock = {
    ...systemClock,
    after: (ms: number, callback: () => void) => systemClock.after(ms / 100, callback),
  };
  await using agent = startTestAgent(control, dir, {}, { clock });
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle(), assets: [asset] });
  while (!agent.log.events().includes('download.waits'))
    await new Promise((resolve) => setTimeout(resolve, 10));
  await control.comeBack();
  await control.until('success', () => task.state === 'succeeded');
  assert.deepEqual([task.epoch, control.callsOf('fail')], [1, []]);
  assert.ok(agent.log.events().includes('download.resumed'));
});

test('a file with other contents than promised is refused, and the message shows no signature', async (t) => {
  const { control, dir } = await setUp(t);
  const asset = control.putObject('assets/logo', Buffer.from('what the user uploaded'));
  control.objects.set('assets/logo', Buffer.from('what somebody made of '));
  await using _ = startTestAgent(control, dir);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle(), assets: [asset] });
  await control.until('failure', () => task.state === 'failed');
  assert.equal(task.error?.code, 'OBJECT_CORRUPT');
  assert.equal(task.error?.retryable, true, 'another node may get the right bytes');
  assert.match(task.error?.message ?? '', /\/objects\/assets\/logo arrived with other contents/);
  assert.doesNotMatch(JSON.stringify(task.error), /sig=/);
});

test('a lost claim answer is asked for again with the same claimId', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle() });
  cutOnce(
    control,
    (call) => call.route === 'claim',
    () => {},
  );
  await using _ = startTestAgent(control, dir);
  await control.until('success', () => task.state === 'succeeded');
  const [lost, again] = control.callsOf('claim');
  assert.equal(again?.body.claimId, lost?.body.claimId);
  assert.equal(task.epoch, 1);
});

test('a lost completion answer is repeated, and the render is not', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle() });
  cutOnce(control, (call) => call.route === 'complete');
  await using _ = startTestAgent(control, dir);
  await control.until('success', () => task.state === 'succeeded');
  assert.equal(control.callsOf('complete').length, 2);
  assert.equal(control.callsOf('taskUploads').length, 1);
});

test('an output that the store lost is uploaded again before the completion is repeated', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle() });
  control.faults.push((call) => {
    if (call.route === 'complete' && control.callsOf('complete').length === 1)
      control.objects.delete(call.body.result.key);
    return false;
  });
  await using _ = startTestAgent(control, dir);
  await control.until('success', () => task.state === 'succeeded');
  assert.equal(control.callsOf('taskUploads').length, 2);
});

test('a render goes on while the control plane is away, and is reported when it is back', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle({ frameMs: 60 }) });
  await using agent = startTestAgent(control, dir);
  await control.until('rendering', () =>
    control.callsOf('heartbeat').some((call) => call.body.leases[0]?.phase === 'render'),
  );
  await control.goDown();
  const isDelivering = () => agent.log.lines.some((line) => line.event === 'task.report-waits');
  while (!isDelivering()) await new Promise((resolve) => setTimeout(resolve, 20));
  await control.comeBack();
  await control.until('success', () => task.state === 'succeeded');
  assert.equal(task.epoch, 1, 'rendered once');
  await control.until('a new registration', () => control.callsOf('register').length >= 2);
});

test('a cancelled task is aborted within a second of the news and leaves nothing', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle({ frameMs: 2000 }) });
  await using agent = startTestAgent(control, dir);
  await control.until('rendering', () =>
    control.callsOf('heartbeat').some((call) => call.body.leases[0]?.phase === 'render'),
  );
  task.state = 'cancelled';
  const told = Date.now();
  await control.until(
    'the lease to be given up',
    () => control.callsOf('heartbeat').at(-1)?.body.leases.length === 0,
  );
  assert.ok(Date.now() - told < 1500, `took ${Date.now() - told} ms with a heartbeat of 200 ms`);
  agent.shutdown();
  await agent.done;
  assert.deepEqual(await agent.leftovers(), []);
  for (const route of ['complete', 'fail', 'release', 'taskUploads'] as const)
    assert.deepEqual(control.callsOf(route), [], route);
});

test('a task that another node has meanwhile is stopped and not reported', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle({ frameMs: 500 }) });
  await using agent = startTestAgent(control, dir);
  await control.until('rendering', () =>
    control.callsOf('heartbeat').some((call) => call.body.leases[0]?.phase === 'render'),
  );
  task.epoch += 1;
  await control.until(
    'the lease to be given up',
    () => control.callsOf('heartbeat').at(-1)?.body.leases.length === 0,
  );
  agent.shutdown();
  await agent.done;
  assert.deepEqual(await agent.leftovers(), []);
  assert.deepEqual(control.callsOf('complete'), []);
  assert.ok(agent.log.events().includes('task.lost'));
});

test('a report that is refused because the lease is lost is dropped', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle() });
  control.settings = { ...control.settings, heartbeatMs: 60_000 };
  control.faults.push((call) => {
    if (call.route === 'taskUploads') task.epoch = 2;
    return false;
  });
  await using agent = startTestAgent(control, dir);
  await control.until('the refused upload', () => control.callsOf('taskUploads').length === 1);
  agent.shutdown();
  await agent.done;
  assert.deepEqual(await agent.leftovers(), []);
  assert.deepEqual([control.callsOf('complete'), control.callsOf('fail')], [[], []]);
});

test('a full disk is this node’s problem: the task is failed at once so that another node takes it', async (t) => {
  const { control, dir } = await setUp(t);
  await using _ = startTestAgent(
    control,
    dir,
    { minFreeBytes: 1e9 },
    { freeBytes: async () => 1_000_300_000 },
  );
  const task = control.addTask({
    id: 'j1.0',
    bundle: await mockBundle(),
    output: { width: 1920, height: 1080 },
  });
  await control.until('failure', () => task.state === 'failed');
  assert.equal(task.error?.code, 'DISK_FULL');
  assert.equal(task.error?.retryable, true);
  assert.match(
    task.error?.message ?? '',
    /needs \d+ MB in .*work and 1000 MB must stay free, but only 1000 MB are free/,
  );
});

test('a draining node finishes what it has and claims nothing until it is resumed', async (t) => {
  const { control, dir } = await setUp(t);
  const bundle = await mockBundle({ frameMs: 80 });
  const first = control.addTask({ id: 'j1.0', bundle });
  await using agent = startTestAgent(control, dir);
  await control.until('rendering', () =>
    control.callsOf('heartbeat').some((call) => call.body.leases[0]?.phase === 'render'),
  );
  control.isDraining = true;
  await control.until('the news', () => agent.log.events().includes('agent.draining'));
  await control.until('success', () => first.state === 'succeeded');
  const second = control.addTask({ id: 'j2.0', bundle });
  const beats = control.callsOf('heartbeat').length;
  await control.until('some beats', () => control.callsOf('heartbeat').length > beats + 2);
  assert.equal(second.state, 'queued');
  control.isDraining = false;
  await control.until('success', () => second.state === 'succeeded');
});

test('previews are sent with the fencing token, at the pace the control plane asks for', async (t) => {
  const { control, dir } = await setUp(t);
  control.settings = { ...control.settings, previewMs: 100 };
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle({ frameMs: 50 }) });
  await using _ = startTestAgent(control, dir);
  await control.until('success', () => task.state === 'succeeded');
  const previews = control.callsOf('preview');
  assert.ok(
    previews.length >= 1 && previews.length <= 8,
    `${previews.length} previews of 10 frames in 0.5 s`,
  );
  for (const preview of previews) {
    assert.equal(preview.query, 'epoch=1');
    assert.equal(preview.headers['content-type'], 'image/jpeg');
    assert.deepEqual([...preview.bytes.subarray(0, 2)], [0xff, 0xd8]);
  }
});
