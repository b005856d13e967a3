/** What control planes on one database hear of each other, and how they notice that they missed something. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import type { FarmChange } from '../../src/store/shared.ts';
import type { Store } from '../../src/store/store.ts';
import { claimOne, fence, newJob, nodes, policy, requirement, result } from '../conformance/store-samples.ts';
import { ListenerLog } from '../helpers/listener-log.ts';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';
import { startTcpProxy } from '../helpers/tcp-proxy.ts';

suite('control planes on one PostgreSQL database', { skip: noPostgres, concurrency: 1 }, () => {
  let cluster: Postgres;
  before(async () => {
    cluster = await startPostgres();
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  /** Two stores on one new database, each with what it heard. */
  async function pair() {
    const { url, name } = await cluster.createDatabase();
    const first = await openPostgresStore({ url });
    const second = await openPostgresStore({ url });
    const heardByFirst = new ListenerLog(first);
    const heard = new ListenerLog(second);
    return {
      ...{ url, name, first, second, heardByFirst, heard },
      async [Symbol.asyncDispose]() {
        await Promise.all([first.close(), second.close()]);
      },
    };
  }

  test('everything that one changes the other hears of, and nobody hears of themselves', async () => {
    await using farm = await pair();
    const { first, heard, heardByFirst } = farm;
    await nodes(first, 'a');
    await heard.until({ kind: 'node', nodeId: 'a' });
    const job = newJob({ webhook: 'https://example.com/hook' });
    await first.submit([job]);
    await heard.until({ kind: 'queued', requirement: requirement(), count: 1 });
    const task = await claimOne(first, 'a');
    await heard.until({ kind: 'task', taskId: task.id, epoch: 1, nodeId: 'a', state: 'running' });
    await first.appendLog(task.id, 1, [{ at: 1, stream: 'agent', line: 'x' }], 1000);
    await heard.until({ kind: 'log', jobId: job.id, after: 0 });
    await first.complete(fence(task), result, policy, 3000);
    await heard.until({ kind: 'task', taskId: task.id, epoch: 1, nodeId: 'a', state: 'succeeded' });
    await heard.until({ kind: 'delivery' });
    await heard.until({ kind: 'job', jobId: job.id });
    const later = newJob({ runAt: 50_000 });
    await first.submit([later]);
    await heard.until({ kind: 'delayed', runAt: 50_000 });
    await first.createToken({
      ...{ id: 't1', name: 'x', role: 'admin', hash: 'h', createdAt: 1, expiresAt: null, lastUsedAt: null },
    });
    await heard.until({ kind: 'token', id: 't1' });
    const template = { name: 'card', version: '1.0.0', sha256: 'b', sizeBytes: 1, manifest: {}, pushedAt: 1 };
    await first.putTemplate(template);
    await heard.until({ kind: 'template', name: 'card' });
    await first.removeNode('a', 5000);
    await heard.until({ kind: 'nodeRemoved', nodeId: 'a' });
    assert.deepEqual(heardByFirst.changes, []);
    assert.deepEqual(heard.gaps, []);
  });

  test('a change is heard within milliseconds while both are busy', async (t) => {
    await using farm = await pair();
    const { first, second, heard } = farm;
    await nodes(first, 'a');
    await heard.until({ kind: 'node', nodeId: 'a' });
    const waits: number[] = [];
    let isDone = false;
    const busy = async (): Promise<void> => {
      while (!isDone) await second.submit([newJob()]);
    };
    const load = [busy(), busy()];
    for (let i = 0; i < 150; i += 1) {
      const job = newJob({ template: `t${i}` });
      const arrived = heard.until({ kind: 'job', jobId: job.id });
      await first.submit([job]);
      const at = performance.now();
      await arrived;
      waits.push(performance.now() - at);
    }
    isDone = true;
    await Promise.all(load);
    waits.sort((a, b) => a - b);
    const shown = (share: number): string => (waits[Math.floor(waits.length * share)] ?? 0).toFixed(1);
    t.diagnostic(`heard after the answer of submit: p50 ${shown(0.5)} ms, p99 ${shown(0.99)} ms`);
    assert.ok(Number(shown(0.5)) < 100, `p50 ${shown(0.5)} ms`);
    assert.deepEqual(heard.gaps, []);
  });

  test('thousands of changes at once arrive whole and in order', async () => {
    await using farm = await pair();
    const { first, heard } = farm;
    const jobs = Array.from({ length: 3000 }, () => newJob());
    for (let i = 0; i < jobs.length; i += 500) await first.submit(jobs.slice(i, i + 500));
    await heard.until({ kind: 'job', jobId: jobs.at(-1)?.id ?? '' });
    const ids = heard.changes.flatMap((change) => (change.kind === 'job' ? [change.jobId] : []));
    assert.deepEqual(new Set(ids), new Set(jobs.map(({ id }) => id)));
    const place = new Map(ids.map((id, i) => [id, i]));
    const order = jobs.map(({ id }) => place.get(id) ?? -1);
    for (let i = 500; i < order.length; i += 500) {
      assert.ok((order[i] ?? 0) > (order[i - 500] ?? 0), 'batches in the order of their commits');
    }
    assert.deepEqual(heard.gaps, []);
  });

  test('notifications that did not come are noticed by their numbers', async () => {
    await using farm = await pair();
    const { first, heard, name } = farm;
    await first.createNode({ id: 'a', name: 'a' }, 1);
    await heard.until({ kind: 'node', nodeId: 'a' });
    const forge = (seq: number, id: string): Promise<unknown> => {
      const payload = { r: first.shared?.replicaId, s: seq, c: [{ kind: 'node', nodeId: id }] };
      return cluster.query(`select pg_notify('flatrender', '${JSON.stringify(payload)}')`, name);
    };
    await forge(40, 'b');
    await heard.until({ kind: 'node', nodeId: 'b' });
    assert.match(heard.gaps.join('\n'), /\d+ notifications? of .* did not come/);
    // The same again is not new, nonsense is none of ours, kinds of tomorrow are left out.
    const before = heard.changes.length;
    await forge(40, 'c');
    await cluster.query("select pg_notify('flatrender', 'hello'), pg_notify('flatrender', '{}')", name);
    const tomorrow = {
      r: first.shared?.replicaId,
      s: 41,
      c: [{ kind: 'tomorrow' }, { kind: 'token', id: 'z' }],
    };
    await cluster.query(`select pg_notify('flatrender', '${JSON.stringify(tomorrow)}')`, name);
    await heard.until({ kind: 'token', id: 'z' });
    assert.equal(heard.changes.length, before + 1);
  });

  test('what was lost with the last notification of all is noticed by the row of its sender', async () => {
    await using farm = await pair();
    const { first, heard, name } = farm;
    await first.createNode({ id: 'a', name: 'a' }, 1);
    await heard.until({ kind: 'node', nodeId: 'a' });
    // As if its next one had been sent and got lost: the row says more than came. The sender overwrites it with each beat.
    await cluster.query(
      `create function lose() returns trigger language plpgsql as $$ begin new.announced := new.announced + 1; return new; end $$;
       create trigger lose before update on replicas for each row when (new.id = '${first.shared?.replicaId}')
       execute function lose()`,
      name,
    );
    await heard.gap(/1 notification of .* did not come/);
  });

  test('a listener whose line is cut compares everything when it is back, and hears again', async () => {
    await using proxy = await startTcpProxy(`http://127.0.0.1:${cluster.port}`);
    const { url } = await cluster.createDatabase();
    const first = await openPostgresStore({ url });
    const second = await openPostgresStore({
      url: url.replace(`:${cluster.port}/`, `:${new URL(proxy.url).port}/`),
    });
    try {
      const heard = new ListenerLog(second);
      proxy.cut();
      await first.createNode({ id: 'a', name: 'a' }, 1);
      proxy.mend();
      await heard.gap(/connection to the database was lost/);
      assert.equal((await second.getNode('a'))?.id, 'a');
      await first.createNode({ id: 'b', name: 'b' }, 1);
      await heard.until({ kind: 'node', nodeId: 'b' });
      // What the one that was cut off changes meanwhile is sent when it is back.
      const other = new ListenerLog(first);
      await second.setIntent('b', 'draining');
      await other.until({ kind: 'node', nodeId: 'b' });
    } finally {
      await Promise.all([first.close(), second.close()]);
    }
  });

  test('a listener that throws harms nobody', async () => {
    await using farm = await pair();
    const { first, second } = farm;
    const heard: FarmChange[] = [];
    const waiter = Promise.withResolvers<void>();
    second.shared?.listen({
      onChanges(changes) {
        heard.push(...changes);
        if (heard.length >= 2) waiter.resolve();
        throw new Error('a bug');
      },
      onGap: () => assert.fail('nothing was missed'),
      onLeader: () => undefined,
    });
    await first.createNode({ id: 'a', name: 'a' }, 1);
    await first.setIntent('a', 'draining');
    await first.setIntent('a', 'enabled');
    await first.createNode({ id: 'b', name: 'b' }, 1);
    await waiter.promise;
  });

  test('replicas are listed, one of them leads, and one that ends well is gone at once', async () => {
    const { url } = await cluster.createDatabase();
    const stores: Store[] = [];
    for (let i = 0; i < 3; i += 1) stores.push(await openPostgresStore({ url }));
    const [first, second, third] = stores;
    assert.ok(first?.shared && second?.shared && third?.shared);
    const logs = stores.map((store) => new ListenerLog(store));
    const replicas = await second.shared.listReplicas();
    assert.deepEqual(
      replicas.map(({ id, isLeader }) => [id, isLeader]),
      [first, second, third].map(({ shared }) => [shared?.replicaId, shared === first.shared]),
    );
    assert.deepEqual(
      [first.shared.isLeader, second.shared.isLeader, third.shared.isLeader],
      [true, false, false],
    );
    const next = Promise.race([logs[1]?.leads(), logs[2]?.leads()]);
    await first.close();
    await next;
    assert.equal(Number(second.shared.isLeader) + Number(third.shared.isLeader), 1);
    assert.equal((await second.shared.listReplicas()).length, 2);
    await Promise.all([second.close(), third.close()]);
    assert.deepEqual(
      logs.flatMap(({ gaps }) => gaps),
      [],
    );
  });
});
