import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { keptLog } from '../helpers/agent-under-test.ts';
import { claimBody, finish, until } from '../helpers/control.ts';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';
import { replicaTests } from '../helpers/replica-behaviour.ts';
import { startPostgresReplicas } from '../helpers/replicas.ts';

suite('control planes on PostgreSQL', { skip: noPostgres, concurrency: 1 }, () => {
  let cluster: Postgres | undefined;
  before(async () => {
    cluster = await startPostgres();
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  replicaTests(async (options) => {
    if (!cluster) throw new Error('the cluster was not started');
    return await startPostgresReplicas({ ...options, cluster });
  });

  test('PostgreSQL goes away and comes back: 503 meanwhile, nothing ends, one of them leads again, work goes on', async () => {
    if (!cluster) throw new Error('the cluster was not started');
    const logs = [keptLog(), keptLog()];
    await using replicas = await startPostgresReplicas({
      count: 2,
      cluster,
      logger: (index) => logs[index]?.logger ?? keptLog().logger,
    });
    const [a, b] = replicas.all;
    assert.ok(a && b);
    await a.addTemplate();
    const node = await a.addNode('studio-1');
    const job = await a.submit();
    const { task } = (await b.asNode(node, '/v1/agent/claim', claimBody())).body;
    const waiting = b.asNode(node, '/v1/agent/claim', claimBody(3000));
    await until(() => b.control.dispatcher.waiting === 1);

    await cluster.stop();
    await until(async () => (await a.call('GET', '/health')).status === 503);
    await until(async () => (await b.call('GET', '/health')).status === 503);
    const health = await b.call('GET', '/health');
    assert.deepEqual([health.body.error.code, health.body.error.details.part], ['UNAVAILABLE', 'database']);
    const refused = await a.call('POST', '/v1/jobs', { template: 'mock-template' });
    assert.deepEqual([refused.status, refused.body.error.code], [503, 'UNAVAILABLE']);
    assert.ok(refused.headers.get('retry-after'));
    assert.ok([204, 503].includes((await waiting).status), 'a poll is answered, not left hanging');

    await cluster.start();
    for (const control of [a, b])
      await until(async () => (await control.call('GET', '/health')).status === 200);
    await until(() => a.control.replicas.isLeader !== b.control.replicas.isLeader);
    assert.equal((await finish(a, node, task)).body.state, 'succeeded');
    const poll = b.asNode(node, '/v1/agent/claim', claimBody(10_000));
    const next = await a.submit();
    assert.equal((await poll).body.task.jobId, next);
    assert.notEqual(next, job);
    for (const { lines } of logs) {
      await until(() => lines.some(({ event }) => event === 'database.back'));
      const told = lines.filter(({ level }) => level === 'error').map(({ event }) => event);
      assert.deepEqual(told, []);
      assert.ok(lines.filter(({ event }) => event === 'database.away').length <= 2, 'not per request');
    }
  });
});
