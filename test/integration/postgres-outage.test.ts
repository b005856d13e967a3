/** PostgreSQL that restarts, dies and comes back while a farm works with it. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { newId } from '../../src/lib/ids.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import type { Store } from '../../src/store/store.ts';
import { assertCounted, claim, fence, newJob, nodes, policy, result } from '../conformance/store-samples.ts';
import { ListenerLog } from '../helpers/listener-log.ts';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';

/** Submits, claims and completes through one store until it is stopped; remembers every answer. */
class Load {
  readonly submitted: string[] = [];
  readonly completed: string[] = [];
  readonly codes = new Map<string, number>();
  longestMs = 0;
  #isStopped = false;
  readonly #running: Promise<unknown>[];

  constructor(store: Store) {
    this.#running = [
      this.#repeat(async () => {
        const id = newId('j', Date.now());
        // As clients do: the same again until there is an answer.
        const job = newJob({ id, webhook: 'https://example.com/x' });
        await this.#insist(() => store.submit([job], { key: id, bodySha256: id }));
        this.submitted.push(id);
      }),
      ...[1, 2].map(() =>
        this.#repeat(async () => {
          const claimId = newId('c', Date.now());
          const got = await this.#insist(() => claim(store, 'a', { claimId }));
          if (got === null) return pause(5);
          await this.#insist(() => store.complete(fence(got.task), result, policy, 3000));
          this.completed.push(got.task.id);
        }),
      ),
    ];
  }

  /** Resolves when so many more were submitted and completed. */
  async more(count: number): Promise<void> {
    const [submitted, completed] = [this.submitted.length + count, this.completed.length + count];
    while (this.submitted.length < submitted || this.completed.length < completed) await pause(10);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  async #repeat(work: () => Promise<unknown>): Promise<void> {
    while (!this.#isStopped) await work();
  }

  async #insist<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      const startedAt = performance.now();
      try {
        return await work();
      } catch (error) {
        assert.ok(error instanceof FlatrenderError, String(error));
        assert.equal(error.code, 'UNAVAILABLE', error.message);
        assert.equal(error.retryable, true);
        assert.ok(Number(error.details?.retryAfterMs) > 0);
        this.codes.set(error.code, (this.codes.get(error.code) ?? 0) + 1);
      } finally {
        this.longestMs = Math.max(this.longestMs, performance.now() - startedAt);
      }
    }
  }
}

suite('a PostgreSQL server that goes away', { skip: noPostgres, concurrency: 1 }, () => {
  let cluster: Postgres;
  before(async () => {
    cluster = await startPostgres({ durable: true });
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  test('nothing that was acknowledged is lost, whether it is restarted, killed or ends all connections', async (t) => {
    const { url } = await cluster.createDatabase();
    const stores = [await openPostgresStore({ url }), await openPostgresStore({ url })];
    const [first] = stores;
    assert.ok(first);
    await nodes(first, 'a');
    const loads = stores.map((store) => new Load(store));
    const recovered: string[] = [];
    const strike = async (what: string, how: () => Promise<unknown>): Promise<void> => {
      await Promise.all(loads.map((load) => load.more(5)));
      await how();
      const at = performance.now();
      await Promise.all(loads.map((load) => load.more(1)));
      recovered.push(`${what} ${Math.round(performance.now() - at)} ms`);
    };
    const kill = async (): Promise<void> => {
      await cluster.kill();
      await cluster.start();
    };
    const cut = (): Promise<unknown> =>
      cluster.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null',
      );
    for (let round = 0; round < 2; round += 1) {
      await strike('restart', () => cluster.restart());
      await strike('kill', kill);
      await strike('all connections ended', cut);
    }
    await Promise.all(loads.map((load) => load.stop()));
    t.diagnostic(`working again after: ${recovered.join(', ')}`);
    t.diagnostic(`longest operation: ${loads.map((load) => Math.round(load.longestMs)).join(', ')} ms`);
    const submitted = loads.flatMap((load) => load.submitted);
    const completed = loads.flatMap((load) => load.completed);
    t.diagnostic(`acknowledged: ${submitted.length} submits, ${completed.length} completions; 0 lost`);
    for (const id of submitted) assert.ok(await first.getJob(id), `submit ${id} is lost`);
    assert.equal(new Set(completed).size, completed.length, 'completed twice');
    for (const id of completed) {
      assert.equal((await first.getTask(id))?.state, 'succeeded', `completion ${id} is lost`);
      const job = id.slice(0, id.lastIndexOf('.'));
      assert.ok(await first.getDelivery(`job.ended.${job}.3000`), `the webhook of ${job} is lost`);
    }
    assert.equal(first.failure(), null);
    await Promise.all(stores.map((store) => store.close()));
    const fresh = await openPostgresStore({ url });
    await assertCounted(fresh);
    await fresh.close();
  });

  test('after a fail-over to a synchronous standby everything goes on there, nothing that was acknowledged is lost', async (t) => {
    await using standby = await startPostgres({ durable: true, standbyOf: cluster });
    await cluster.query("alter system set synchronous_standby_names = '*'");
    await cluster.query('select pg_reload_conf()');
    const { url, name } = await cluster.createDatabase();
    const both = url.replace(`:${cluster.port}/`, `:${cluster.port},127.0.0.1:${standby.port}/`);
    const store = await openPostgresStore({ url: both });
    try {
      const log = new ListenerLog(store);
      await nodes(store, 'a');
      const load = new Load(store);
      await load.more(20);
      const at = performance.now();
      await cluster.kill();
      await standby.query("alter system set synchronous_standby_names = ''");
      await standby.promote();
      await load.more(20);
      t.diagnostic(`working again on the other server after ${Math.round(performance.now() - at)} ms`);
      await load.stop();
      await log.gap(/connection to the database was lost/);
      await log.leads();
      for (const id of load.submitted) assert.ok(await store.getJob(id), `submit ${id} is lost`);
      for (const id of load.completed)
        assert.equal((await store.getTask(id))?.state, 'succeeded', `completion ${id} is lost`);
      const [row] = await standby.query('select count(*)::int as n from jobs', name);
      assert.ok(Number(row?.n) >= load.submitted.length);
    } finally {
      await store.close();
      await cluster.start();
      await cluster.query('alter system reset synchronous_standby_names');
      await cluster.query('select pg_reload_conf()');
    }
  });

  test('while it is gone operations wait some seconds, then say UNAVAILABLE; it goes on by itself', async () => {
    const { url } = await cluster.createDatabase();
    const store = await openPostgresStore({ url });
    const log = new ListenerLog(store);
    await cluster.stop();
    const since = performance.now();
    const outcomes = await Promise.allSettled([
      store.createNode({ id: 'a', name: 'a' }, 1),
      store.listNodes(),
      store.submit([newJob()]),
      ...Array.from({ length: 30 }, () => store.getJob('x')),
    ]);
    const took = performance.now() - since;
    assert.ok(took > 3000 && took < 15_000, `${took} ms`);
    for (const outcome of outcomes) {
      assert.equal(outcome.status, 'rejected');
      const { reason } = outcome;
      assert.ok(reason instanceof FlatrenderError && reason.code === 'UNAVAILABLE', String(reason));
      assert.match(reason.message, /127\.0\.0\.1:\d+\/farm_\d+/);
      assert.doesNotMatch(reason.message, new RegExp(cluster.password));
    }
    assert.equal(store.failure()?.code, 'UNAVAILABLE');
    assert.equal(store.shared?.isLeader, false);
    await cluster.start();
    assert.equal((await store.createNode({ id: 'a', name: 'a' }, 1)).generation, 1);
    assert.equal(store.failure(), null);
    await log.gap(/connection to the database was lost/);
    await log.leads();
    await store.close();
  });

  test('closing while it is gone takes no longer than an operation', async () => {
    const { url } = await cluster.createDatabase();
    const store = await openPostgresStore({ url });
    await cluster.stop();
    const since = performance.now();
    await store.close();
    assert.ok(performance.now() - since < 5000);
    await cluster.start();
  });
});
