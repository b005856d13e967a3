import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followJobs } from '../../src/cli/follow-jobs.ts';
import { createApi } from '../../src/client/api.ts';
import { claimBody, finish, startTestControl } from '../helpers/control.ts';
import { manualClock } from '../helpers/manual-clock.ts';

test('a token that asks for more than its share waits; others, and nodes, do not', async () => {
  await using farm = await startTestControl({ config: { limits: { tokenRequestsPerSecond: 2 } } });
  const other = await farm.newToken('read');
  const node = await farm.addNode('n1');
  const statuses: number[] = [];
  for (let i = 0; i < 30; i += 1) statuses.push((await farm.call('GET', '/v1/whoami')).status);
  assert.ok(statuses.slice(0, 18).every((status) => status === 200));
  const refused = await farm.call('GET', '/v1/whoami');
  assert.equal(refused.status, 429);
  assert.equal(refused.body.error.code, 'RATE_LIMITED');
  assert.match(refused.body.error.message, /"test" asks for more than limits\.tokenRequestsPerSecond \(2\)/);
  assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
  const headers = { authorization: `Bearer ${other.token}` };
  assert.equal((await farm.call('GET', '/v1/whoami', undefined, headers)).status, 200);
  assert.equal((await farm.asNode(node, '/v1/agent/claim', claimBody())).status, 204);
  const metrics = await (await fetch(`${farm.url}/metrics`)).text();
  assert.match(metrics, /flatrender_rate_limited_total\{who="token"\} [1-9]/);
});

test('the time that Retry-After names is enough, and a clock that is set back locks nobody out', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock, config: { limits: { tokenRequestsPerSecond: 1 } } });
  const ask = () => farm.call('GET', '/v1/whoami');
  let answer = await ask();
  for (let i = 0; i < 20 && answer.status === 200; i += 1) answer = await ask();
  assert.equal(answer.status, 429);
  await clock.advance(Number(answer.headers.get('retry-after')) * 1000);
  assert.equal((await ask()).status, 200);
  assert.equal((await ask()).status, 429);
  clock.leap(-3_600_000);
  assert.equal((await ask()).status, 200);
});

test('who watches over the limit waits as long as it is told to, and sees the end', async () => {
  await using farm = await startTestControl({ config: { limits: { tokenRequestsPerSecond: 2 } } });
  await farm.addTemplate();
  const id = await farm.submit();
  await farm.call('POST', `/v1/jobs/${id}/cancel`, {});
  const { token } = await farm.newToken('read');
  const ask = () => farm.call('GET', '/v1/whoami', undefined, { authorization: `Bearer ${token}` });
  while ((await ask()).status === 200);
  const api = createApi({ url: farm.url, token });
  const ended = await followJobs(api, [id], { signal: AbortSignal.timeout(10_000) });
  assert.deepEqual(
    ended.map((job) => job.state),
    ['cancelled'],
  );
});

test('a node is held to requests and bytes; what it reports later is taken', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({
    clock,
    config: { limits: { nodeRequestsPerSecond: 2, nodeBytesPerSecond: 10_000 } },
  });
  await farm.addTemplate();
  const node = await farm.addNode('n1');
  const quiet = await farm.addNode('n2');
  await farm.submit();
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  const beat = () => farm.asNode(node, '/v1/agent/heartbeat', { leases: [], system: null });
  let answer = await beat();
  for (let i = 0; i < 40 && answer.status === 200; i += 1) answer = await beat();
  assert.equal(answer.status, 429);
  assert.match(answer.body.error.message, /node "n1" asks for more than limits\.nodeRequestsPerSecond/);
  const calm = await farm.asNode(quiet, '/v1/agent/heartbeat', { leases: [], system: null });
  assert.equal(calm.status, 200);
  assert.equal((await finish(farm, node, task)).status, 429);
  await clock.advance(10_000);
  const line = { at: new Date(clock.now()).toISOString(), stream: 'engine', line: 'x'.repeat(8000) };
  const log = () =>
    farm.asNode(node, `/v1/agent/tasks/${task.id}/log`, {
      epoch: task.epoch,
      lines: [line, line, line, line],
    });
  answer = await log();
  for (let i = 0; i < 5 && answer.status === 204; i += 1) answer = await log();
  assert.equal(answer.status, 429);
  assert.match(answer.body.error.message, /nodeBytesPerSecond/);
  await clock.advance(10_000);
  assert.equal((await finish(farm, node, task)).status, 200);
});

test('wrong credentials from one address are limited, right ones from there are not', async () => {
  await using farm = await startTestControl({ config: { limits: { refusedPerSecond: 1 } } });
  const node = await farm.addNode('n1');
  const wrong = { authorization: `Bearer fr_${'x'.repeat(43)}` };
  const statuses: number[] = [];
  for (let i = 0; i < 30; i += 1)
    statuses.push((await farm.call('GET', '/v1/whoami', undefined, wrong)).status);
  assert.equal(statuses[0], 401);
  assert.equal(statuses.at(-1), 429);
  assert.equal((await farm.call('GET', '/v1/whoami')).status, 200);
  assert.equal((await farm.asNode(node, '/v1/agent/claim', claimBody())).status, 204);
});

test('0 is no limit', async () => {
  const limits = {
    tokenRequestsPerSecond: 0,
    refusedPerSecond: 0,
    nodeRequestsPerSecond: 0,
    nodeBytesPerSecond: 0,
  };
  await using farm = await startTestControl({ clock: manualClock(), config: { limits } });
  for (let i = 0; i < 100; i += 1) assert.equal((await farm.call('GET', '/v1/whoami')).status, 200);
});
