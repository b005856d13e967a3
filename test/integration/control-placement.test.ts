import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  claimBody,
  finish,
  startTestControl,
  type TestAnswer,
  type TestControl,
  type TestNode,
  until,
} from '../helpers/control.ts';
import { manualClock } from '../helpers/manual-clock.ts';

const claim = (farm: TestControl, node: TestNode): Promise<TestAnswer> =>
  farm.asNode(node, '/v1/agent/claim', claimBody());

const beat = (farm: TestControl, node: TestNode): Promise<TestAnswer> =>
  farm.asNode(node, '/v1/agent/heartbeat', { leases: [], system: null });

const fail = (
  farm: TestControl,
  node: TestNode,
  task: { id: string; epoch: number },
  error: Record<string, unknown> = {},
): Promise<TestAnswer> =>
  farm.asNode(node, `/v1/agent/tasks/${task.id}/fail`, {
    epoch: task.epoch,
    error: { code: 'ENGINE_CRASHED', message: 'it fell over', ...error },
  });

const show = async (farm: TestControl, job: string) => (await farm.call('GET', `/v1/jobs/${job}`)).body;
const status = async (farm: TestControl, id: string) => (await farm.call('GET', `/v1/nodes/${id}`)).body;

test('a job that no online node can render is refused on request, saying what is missing where', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  const submit = (more: Record<string, unknown> = {}) =>
    farm.call('POST', '/v1/jobs', { template: 'mock-template', ifNoNode: 'refuse', ...more });
  const empty = await submit();
  assert.deepEqual([empty.status, empty.body.error.code], [422, 'NO_CAPABLE_NODE']);
  assert.match(empty.body.error.message, /it needs mock, and the farm has no node yet$/);

  await farm.addNode('able');
  await farm.addNode('other', ['lottie']);
  const { body: taken } = await submit();
  assert.equal(taken.jobs[0].state, 'queued');
  const { error } = (await submit({ tags: ['gpu'] })).body;
  assert.equal(
    error.message,
    'no online node can render mock-template@1.0.0: it needs mock and the tags gpu; able lacks the tag gpu; other lacks mock, the tag gpu',
  );
  assert.match(error.hint, /node list.*--anyway/);
  assert.deepEqual(error.details.nodes[0], { node: 'able', status: 'ready', lacks: ['the tag gpu'] });
  const elsewhere = { node: 'other', fallback: false };
  assert.match((await submit(elsewhere)).body.error.message, /it needs mock; other lacks mock$/);
  const inBatch = await farm.call('POST', '/v1/jobs', {
    jobs: [
      { template: 'mock-template', ifNoNode: 'refuse' },
      { template: 'mock-template', ifNoNode: 'refuse', ...elsewhere },
    ],
  });
  assert.match(inBatch.body.error.message, /^jobs\.1: no online node/);
  assert.equal((await farm.call('GET', '/v1/jobs')).body.jobs.length, 1, 'nothing of it is queued');

  assert.equal((await submit({ tags: ['gpu'], ifNoNode: 'queue' })).status, 201);
  const later = new Date(clock.now() + 3_600_000).toISOString();
  assert.equal((await submit({ tags: ['gpu'], runAt: later })).status, 201, 'until then one may join');
  await clock.advance(119_000);
  await until(async () => {
    await clock.advance(1000);
    return (await status(farm, 'able')).status === 'offline';
  });
  assert.match((await submit()).body.error.message, /it needs mock; able is offline; other is offline and/);
});

test('a job for a chosen node waits for it; with fallback another takes it once that one is not there', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  const [chosen, other] = [await farm.addNode('chosen'), await farm.addNode('other')];
  const only = await farm.submit({ node: 'chosen', fallback: false });
  const rather = await farm.submit({ node: 'chosen' });
  assert.equal((await claim(farm, other)).status, 204, 'while the chosen one is there');
  await clock.advance(20_000);
  await until(async () => {
    await clock.advance(1000);
    return (await status(farm, 'chosen')).status === 'suspect';
  });
  await beat(farm, other);
  assert.equal((await claim(farm, other)).body.task.jobId, rather);
  assert.equal((await claim(farm, other)).status, 204, 'without fallback never');
  assert.equal((await claim(farm, chosen)).body.task.jobId, only);
});

test('draining the chosen node wakes whoever may take its work instead', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  await farm.addNode('chosen');
  const other = await farm.addNode('other');
  const job = await farm.submit({ node: 'chosen' });
  const poll = farm.asNode(other, '/v1/agent/claim', claimBody(20_000));
  await until(() => farm.control.dispatcher.waiting === 1);
  await farm.call('POST', '/v1/nodes/chosen/drain', {});
  assert.equal((await poll).body.task.jobId, job);
});

test('a failed attempt is tried again on another node, on the same one when there is none, three times in all', async () => {
  await using farm = await startTestControl({ config: { retries: { blockAfter: 9, quarantineAfter: 9 } } });
  await farm.addTemplate();
  const [a, b] = [await farm.addNode('a'), await farm.addNode('b')];
  const job = await farm.submit();
  const first = (await claim(farm, a)).body.task;
  assert.equal((await fail(farm, a, first)).body.state, 'queued');
  assert.equal((await claim(farm, a)).status, 204, 'left to the other one');
  const second = (await claim(farm, b)).body.task;
  await fail(farm, b, second);
  await farm.call('POST', '/v1/nodes/a/drain', {});
  const third = (await claim(farm, b)).body.task;
  assert.equal(third.epoch, 3);
  assert.equal((await fail(farm, b, third)).body.state, 'failed');
  const { state, error, tasks } = await show(farm, job);
  assert.deepEqual([state, error.code, tasks[0].failures], ['failed', 'ENGINE_CRASHED', 3]);
  assert.equal((await farm.call('POST', `/v1/jobs/${job}/retry`, {})).body.tasks[0].failures, 0);
  const again = (await claim(farm, b)).body.task;
  assert.equal((await finish(farm, b, again)).body.state, 'succeeded');
});

test('a node that fails one template is not offered it again, one that fails several gets nothing; both are shown and lifted', async () => {
  await using farm = await startTestControl({ config: { retries: { maxFailures: 1 } } });
  for (const name of ['one', 'two', 'three']) await farm.addTemplate(name);
  const node = await farm.addNode('a');
  const failOne = async (template: string): Promise<void> => {
    await farm.submit({ template });
    await fail(farm, node, (await claim(farm, node)).body.task);
  };
  for (let i = 0; i < 3; i += 1) await failOne('one');
  assert.deepEqual((await status(farm, 'a')).blockedTemplates, ['one']);
  const blocked = await farm.submit({ template: 'one' });
  assert.equal((await claim(farm, node)).status, 204);
  await failOne('two');
  await failOne('three');
  const sick = await status(farm, 'a');
  assert.match(sick.quarantine.reason, /3 different templates/);
  assert.equal(sick.status, 'quarantined');
  await farm.submit({ template: 'two' });
  assert.equal((await claim(farm, node)).status, 204);
  assert.equal((await beat(farm, node)).body.drain, true);
  const well = (await farm.call('POST', '/v1/nodes/a/resume', {})).body;
  assert.deepEqual([well.quarantine, well.blockedTemplates], [null, []]);
  assert.equal((await claim(farm, node)).body.task.jobId, blocked);
});

test('an error that is not the node’s fault ends the task at once and is not held against the node', async () => {
  await using farm = await startTestControl({ config: { retries: { blockAfter: 1, quarantineAfter: 1 } } });
  await farm.addTemplate();
  const node = await farm.addNode('a');
  await farm.submit();
  const { task } = (await claim(farm, node)).body;
  assert.equal((await fail(farm, node, task, { retryable: false })).body.state, 'failed');
  const { quarantine, blockedTemplates } = await status(farm, 'a');
  assert.deepEqual([quarantine, blockedTemplates], [null, []]);
});

test('higher priorities go first, equal ones in order of submission, whoever asks and however many at once', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const nodes = await Promise.all(['a', 'b', 'c', 'd'].map((id) => farm.addNode(id)));
  const jobs: { id: string; priority: number }[] = [];
  for (const priority of [10, 90, 50, 90, 0, 100, 50, 10]) {
    jobs.push({ id: await farm.submit({ priority }), priority });
  }
  const order = jobs.toSorted((x, y) => y.priority - x.priority).map(({ id }) => id);
  const taken: string[] = [];
  for (let round = 0; round < 2; round += 1) {
    const answers = await Promise.all(nodes.map((node) => claim(farm, node)));
    const ids = answers.map((answer) => answer.body.task.jobId);
    assert.equal(new Set(ids).size, ids.length, 'each once');
    taken.push(...ids.toSorted((x, y) => order.indexOf(x) - order.indexOf(y)));
  }
  assert.deepEqual(taken, order);
});

test('a job with several outputs: each is a task, one that fails does not stop the others, a retry repeats only it', async () => {
  await using farm = await startTestControl({ config: { retries: { maxFailures: 1 } } });
  await farm.addTemplate();
  const [a, b] = [await farm.addNode('a'), await farm.addNode('b')];
  const job = await farm.submit({ outputs: ['main', 'youtube-1080p', 'gif-preview'] });
  const [one, two] = [(await claim(farm, a)).body.task, (await claim(farm, b)).body.task];
  assert.deepEqual(
    [one.jobId, two.jobId, one.output.name, two.output.name],
    [job, job, 'main', 'youtube-1080p'],
  );
  await finish(farm, a, one);
  let shown = await show(farm, job);
  assert.deepEqual([shown.state, shown.progress], ['running', 0.3333]);
  await fail(farm, b, two);
  shown = await show(farm, job);
  assert.equal(shown.state, 'running', 'the third still waits');
  const three = (await claim(farm, a)).body.task;
  await finish(farm, a, three);
  shown = await show(farm, job);
  assert.deepEqual([shown.state, shown.error.code], ['failed', 'ENGINE_CRASHED']);
  const outputs = async () =>
    (await farm.call('GET', `/v1/jobs/${job}/output`)).body.outputs.map(({ name }: { name: string }) => name);
  assert.deepEqual(await outputs(), ['main', 'gif-preview']);
  const retried = (await farm.call('POST', `/v1/jobs/${job}/retry`, {})).body;
  assert.deepEqual(
    [retried.state, retried.endedAt, retried.tasks.map(({ state }: { state: string }) => state)],
    ['running', null, ['succeeded', 'queued', 'succeeded']],
  );
  const again = (await claim(farm, b)).body.task;
  assert.deepEqual([again.id, again.epoch], [two.id, two.epoch + 1]);
  assert.equal((await fail(farm, b, two)).status, 200, 'the old report again changes nothing');
  await finish(farm, b, again);
  shown = await show(farm, job);
  assert.deepEqual([shown.state, shown.progress, shown.error], ['succeeded', 1, null]);
  assert.deepEqual(await outputs(), ['main', 'youtube-1080p', 'gif-preview']);
});

test('a cancelled job with several outputs keeps what is done; its completion that crosses the cancellation is refused', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('a');
  const job = await farm.submit({ outputs: ['main', 'youtube-1080p', 'gif-preview'] });
  const one = (await claim(farm, node)).body.task;
  await finish(farm, node, one);
  const two = (await claim(farm, node)).body.task;
  const [cancelled, completed] = await Promise.all([
    farm.call('POST', `/v1/jobs/${job}/cancel`, {}),
    finish(farm, node, two),
  ]);
  assert.equal(cancelled.status, 200);
  const shown = await show(farm, job);
  const states = shown.tasks.map(({ state }: { state: string }) => state);
  // Whichever came first; both are told what became of it.
  assert.deepEqual(states, ['succeeded', completed.status === 200 ? 'succeeded' : 'cancelled', 'cancelled']);
  assert.equal(shown.state, 'cancelled');
  assert.equal((await claim(farm, node)).status, 204);
  assert.equal((await farm.call('POST', `/v1/jobs/${job}/cancel`, {})).body.error.code, 'JOB_STATE');
});

test('a task whose nodes vanish again and again fails with the reason instead of walking through the farm', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock, config: { retries: { maxLosses: 2 } } });
  await farm.addTemplate();
  const node = await farm.addNode('a');
  const job = await farm.submit();
  for (let loss = 1; loss <= 2; loss += 1) {
    await beat(farm, node);
    assert.equal((await claim(farm, node)).status, 200);
    await clock.advance(60_000);
    await until(async () => {
      await clock.advance(1000);
      return farm.control.leases.size === 0;
    });
  }
  const { state, error, tasks } = await show(farm, job);
  assert.deepEqual([state, error.code, tasks[0].losses], ['failed', 'LOST_TOO_OFTEN', 2]);
});
