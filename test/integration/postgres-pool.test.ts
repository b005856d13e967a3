/** The connections of one control plane: when all are in use, and when a table changes under them. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { after, before, suite, test } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { Database } from '../../src/store/postgres/database.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import type { NodeRegistration, TokenRecord } from '../../src/store/store.ts';
import {
  claim,
  claimOne,
  crash,
  fence,
  newJob,
  nodes,
  policy,
  refused,
} from '../conformance/store-samples.ts';
import { freePort } from '../helpers/free-port.ts';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';
import { registration } from '../helpers/registration.ts';

const token: TokenRecord = {
  ...{ id: 't', name: 't', role: 'admin', hash: 'h' },
  ...{ createdAt: 1, expiresAt: null, lastUsedAt: null },
};

suite('the connections of a control plane', { skip: noPostgres, concurrency: 1 }, () => {
  let cluster: Postgres;
  before(async () => {
    cluster = await startPostgres();
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  test('no transaction waits for a second connection, whatever classes it meets or makes', async () => {
    const { url } = await cluster.createDatabase();
    const before = await openPostgresStore({ url });
    await nodes(before, 'a', 'b');
    const jobs = Array.from({ length: 60 }, (_, i) => newJob({ template: `t${i}` }));
    await before.submit(jobs);
    const running = [];
    for (let i = 0; i < 20; i += 1) running.push(await claimOne(before, 'a'));
    await before.close();

    // Just started: it has met none of the classes, and a failure makes a new one.
    const store = await openPostgresStore({ url: `${url}?pool=2` });
    const since = performance.now();
    const [cancelled, failed, claimed] = await Promise.all([
      Promise.all(jobs.slice(40).map(({ id }) => store.cancelJob(id, 2500))),
      Promise.all(running.map((task) => store.fail(fence(task), crash, policy, 2500))),
      Promise.all(
        Array.from({ length: 20 }, () => claim(store, 'b', { accepts: ({ avoid }) => avoid === null })),
      ),
    ]);
    const took = performance.now() - since;
    assert.ok(took < 5000, `${took} ms`);
    assert.equal(store.failure(), null);
    assert.deepEqual(new Set(cancelled.map(({ job }) => job.state)), new Set(['cancelled']));
    assert.deepEqual(new Set(failed.map(({ task }) => task.requirement.avoid)), new Set(['a']));
    const taken = claimed.flatMap((each) => each?.task.id ?? []);
    assert.equal(new Set(taken).size, 20);
    for (const { task } of failed)
      assert.deepEqual((await store.getTask(task.id))?.requirement, task.requirement);
    const again = await claimOne(store, 'b', { accepts: ({ avoid }) => avoid === 'a' });
    assert.ok(running.some(({ id }) => id === again.id));
    await store.close();
  });

  test('a pool that is only busy does not count as a database that is away', async () => {
    const { url } = await cluster.createDatabase();
    const hosts = `:${cluster.port},127.0.0.1:${await freePort()}/`;
    const lines = new PassThrough();
    const logger = createLogger({ stream: lines, level: 'debug' });
    const db = new Database({
      url: `${url.replace(`:${cluster.port}/`, hosts)}?pool=2&connect_timeout=1`,
      clock: systemClock,
      logger,
    });
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const holding = [1, 2].map(() =>
      db.transaction(async (queries) => {
        await queries.rows('select 1');
        await gate;
      }),
    );
    const error = await refused(db.rows('select 1'), 'UNAVAILABLE');
    assert.match(error.message, /all 2 connections are in use/);
    assert.match(error.hint ?? '', /pool=/);
    assert.equal(error.retryable, true);
    assert.equal(db.failure, null);
    assert.equal(db.servers.current, 0, 'the next connection goes to the same host');
    assert.equal(lines.read(), null, 'nothing to log');
    const waiting = db.rows('select 1 as one');
    open();
    assert.deepEqual(await waiting, [{ one: 1 }]);
    await Promise.all(holding);
    await db.close();
  });

  test('columns that the next version adds to any table are nothing to a control plane that runs', async () => {
    const { url, name } = await cluster.createDatabase();
    const store = await openPostgresStore({ url: `${url}?pool=2` });
    await nodes(store, 'a');
    await store.createToken(token);
    const report = registration('desk', ['mock']) as unknown as NodeRegistration;
    const work = async (): Promise<void> => {
      assert.deepEqual(await store.findToken('h'), token);
      assert.equal((await store.getNode('a'))?.id, 'a');
      assert.equal((await store.registerNode('a', report, 1)).id, 'a');
      const { number } = await store.issueInvitation('a', { expiresAt: 9000, temporaryKey: null }, 1);
      await store.useInvitation('a', { number, publicKey: 'k', hostname: 'h' }, 2);
      const job = newJob();
      await store.submit([job], { key: job.id, bodySha256: 'x' });
      const task = await claimOne(store, 'a');
      await store.saveLeases([
        { ...fence(task), leaseUntil: 9000, phase: 'render', frame: 1, frames: null, fps: null },
      ]);
      await store.appendLog(task.id, task.epoch, [], 100);
      assert.equal((await store.fail(fence(task), crash, policy, 3000)).task.failures, 1);
      assert.equal((await store.getJob(job.id))?.job.id, job.id);
      await store.cancelJob(job.id, 3000);
    };
    for (let i = 0; i < 3; i += 1) await work();
    const tables = await cluster.query(
      "select format('alter table %I add column later text', tablename) as sql from pg_tables where schemaname = 'public'",
      name,
    );
    for (const { sql } of tables) await cluster.query(String(sql), name);
    for (let i = 0; i < 3; i += 1) await work();
    assert.equal(cluster.log().match(/cached plan must not change result type/g), null);
    await store.close();
  });

  test('a connection whose prepared statements became stale is replaced, and nobody notices', async () => {
    const { url, name } = await cluster.createDatabase();
    const store = await openPostgresStore({ url: `${url}?pool=30` });
    await store.createToken(token);
    await nodes(store, 'a');
    const all = () =>
      Promise.all(Array.from({ length: 60 }, (_, i) => (i % 2 ? store.findToken('h') : store.getNode('a'))));
    await all();
    await cluster.query(
      'alter table tokens alter column name type varchar; alter table nodes alter column name type varchar',
      name,
    );
    for (const found of await all()) assert.ok(found?.name);
    assert.match(cluster.log(), /cached plan must not change result type/, 'nothing was stale');
    assert.equal((await store.rotateNode('a')).generation, 2);
    assert.equal(store.failure(), null);
    await store.close();
  });
});
