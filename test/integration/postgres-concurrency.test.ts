/** What several control planes on one PostgreSQL database must never do to each other. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import type { NewJob, Store } from '../../src/store/store.ts';
import {
  assertCounted,
  claim,
  claimOne,
  crash,
  fence,
  newJob,
  nodes,
  policy,
  result,
} from '../conformance/store-samples.ts';
import { noPostgres, type Postgres, startPostgres, type TestDatabase } from '../helpers/postgres.ts';

/** Several stores on one empty database. */
async function open(cluster: Postgres, count: number) {
  const database = await cluster.createDatabase();
  const stores: Store[] = [];
  for (let i = 0; i < count; i += 1) stores.push(await openPostgresStore({ url: database.url }));
  const [first] = stores;
  assert.ok(first);
  await nodes(first, 'a', 'b', 'c');
  return {
    database,
    stores,
    first,
    second: stores[1] ?? first,
    [Symbol.asyncDispose]: async () => void (await Promise.all(stores.map((store) => store.close()))),
  };
}

/** A transaction of somebody else that holds these tasks, as one that is just claiming them. */
async function holding({ url }: TestDatabase, tasks: string) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('begin');
  const { rowCount } = await client.query(`${tasks} for update of t`);
  return { count: rowCount ?? 0, [Symbol.asyncDispose]: () => client.end() };
}

/** Whoever asks for this lock waits until it is opened. */
async function closedGate({ url }: TestDatabase) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('select pg_advisory_lock(4711)');
  return {
    open: () => client.query('select pg_advisory_unlock(4711)'),
    [Symbol.asyncDispose]: () => client.end(),
  };
}

function jobs(count: number, changes: Parameters<typeof newJob>[0]): NewJob[] {
  return Array.from({ length: count }, () => newJob(changes));
}

suite('several control planes on one PostgreSQL database', { skip: noPostgres, concurrency: 1 }, () => {
  let cluster: Postgres;
  before(async () => {
    cluster = await startPostgres();
  });
  after(() => cluster[Symbol.asyncDispose]());

  test('no task goes to two claims, and no claim comes back empty while there is one for it', async () => {
    await using farm = await open(cluster, 3);
    const total = 600;
    for (const priority of [90, 50, 10]) {
      for (const template of ['one', 'two']) await farm.first.submit(jobs(100, { template, priority }));
    }
    const taken: string[] = [];
    const early: string[] = [];
    let underWay = 0;
    const worker = async (store: Store, node: string): Promise<void> => {
      for (;;) {
        underWay += 1;
        const claimed = await claim(store, node);
        underWay -= 1;
        // Each claim that is still under way may have one of those that are left.
        if (claimed === null && total - taken.length > underWay)
          early.push(`${total - taken.length} left, ${underWay} under way`);
        if (claimed === null) return;
        taken.push(claimed.task.id);
      }
    };
    await Promise.all(
      farm.stores.flatMap((store) =>
        Array.from({ length: 12 }, (_, i) => worker(store, ['a', 'b', 'c'][i % 3] ?? 'a')),
      ),
    );
    assert.deepEqual(early, []);
    assert.equal(taken.length, total);
    assert.equal(new Set(taken).size, total);
  });

  test('tasks that somebody else is just taking are passed over, not waited for: other work is found', async () => {
    await using farm = await open(cluster, 1);
    await farm.first.submit([
      ...jobs(5, { template: 'hot', priority: 90 }),
      ...jobs(5, { template: 'cold', priority: 10 }),
    ]);
    await using others = await holding(farm.database, 'select 1 from tasks t where t.priority = 90');
    assert.equal(others.count, 5);
    const got = await Promise.all(Array.from({ length: 3 }, () => claim(farm.first, 'a')));
    assert.deepEqual(
      got.map((each) => each?.job.template),
      ['cold', 'cold', 'cold'],
    );
    assert.equal(new Set(got.map((each) => each?.task.id)).size, 3);
  });

  test('claims that find some of the best tasks taken share what is left, each another one', async () => {
    await using farm = await open(cluster, 1);
    await farm.first.submit([
      ...jobs(5, { template: 'hot', priority: 90 }),
      ...jobs(5, { template: 'cold', priority: 10 }),
    ]);
    await using others = await holding(
      farm.database,
      'select 1 from (select job_num from tasks where priority = 90 order by job_num limit 3) w join tasks t on t.job_num = w.job_num',
    );
    assert.equal(others.count, 3);
    const got = await Promise.all(Array.from({ length: 4 }, () => claim(farm.first, 'a')));
    assert.deepEqual(got.map((each) => each?.job.template).sort(), ['cold', 'cold', 'hot', 'hot']);
    assert.equal(new Set(got.map((each) => each?.task.id)).size, 4);
  });

  test('a task that comes back for other nodes just before a claim locks it is left to them', async () => {
    await using farm = await open(cluster, 1);
    const { first, database } = farm;
    // What a claim may take is opened by a function of ours. Its first call waits: what is there was seen, nothing is locked yet.
    await cluster.query(
      `create sequence calls; create function public.unnest(bigint[]) returns setof bigint language plpgsql as $$ begin
         if nextval('calls') = 1 then perform pg_advisory_xact_lock(4711); end if;
         return query select w.* from pg_catalog.unnest($1) w;
       end $$`,
      database.name,
    );
    await cluster.query(`alter database ${database.name} set search_path = public, pg_catalog`);
    const second = await openPostgresStore(database);
    farm.stores.push(second);
    const job = newJob();
    await first.submit([job]);
    await using gate = await closedGate(database);
    const claiming = claim(second, 'a', { accepts: ({ avoid }) => avoid !== 'a' });
    const waits = "select 1 from pg_locks where locktype = 'advisory' and objid = 4711 and not granted";
    while ((await cluster.query(waits, database.name)).length === 0) await delay(5);
    const failed = await first.fail(fence(await claimOne(first, 'a')), crash, policy, 2500);
    assert.equal(failed.task.requirement.avoid, 'a');
    await gate.open();
    assert.equal(await claiming, null);
    assert.equal((await claimOne(second, 'b')).jobId, job.id);
  });

  test('the same claim sent to two control planes at once gets one task', async () => {
    await using farm = await open(cluster, 2);
    await farm.first.submit(jobs(60, {}));
    for (let i = 0; i < 30; i += 1) {
      const claimId = `twice-${i}`;
      const [one, other] = await Promise.all(farm.stores.map((store) => claimOne(store, 'a', { claimId })));
      assert.equal(one?.id, other?.id, claimId);
    }
    assert.equal((await farm.first.listRunning()).length, 30);
  });

  test('the same request with one idempotency key to two control planes at once is stored once', async () => {
    await using farm = await open(cluster, 2);
    for (let i = 0; i < 20; i += 1) {
      const submits = await Promise.all(
        farm.stores.map((store) => store.submit(jobs(2, {}), { key: `key-${i}`, bodySha256: 'x' })),
      );
      assert.deepEqual(submits.map(({ repeated }) => repeated).sort(), [false, true]);
      const [one, other] = submits.map((each) => each.jobs.map(({ id }) => id));
      assert.deepEqual(one, other);
    }
    assert.equal((await farm.first.listJobs({ limit: 1000 })).length, 40);
  });

  test('a job whose tasks end on different control planes at once ends once', async () => {
    await using farm = await open(cluster, 3);
    for (let i = 0; i < 20; i += 1) {
      const job = newJob({ outputs: 6, webhook: 'https://example.com/done' });
      await farm.first.submit([job]);
      const tasks = [];
      for (let n = 0; n < 6; n += 1) tasks.push(await claimOne(farm.first, 'a'));
      const outcomes = await Promise.all(
        tasks.map((task, n) =>
          (farm.stores[n % 3] ?? farm.first).complete(fence(task), result, policy, 5000 + n),
        ),
      );
      assert.equal(outcomes.filter(({ jobEnded }) => jobEnded).length, 1);
      assert.equal((await farm.second.getJob(job.id))?.job.state, 'succeeded');
      assert.equal((await farm.second.listDeliveries({ jobId: job.id, limit: 10 })).length, 1);
    }
  });

  test('the same report to two control planes at once is accepted once', async () => {
    await using farm = await open(cluster, 2);
    await farm.first.submit(jobs(20, {}));
    for (let i = 0; i < 20; i += 1) {
      const token = fence(await claimOne(farm.first, 'a'));
      const outcomes = await Promise.all(
        farm.stores.map((store) => store.complete(token, result, policy, 3000)),
      );
      assert.deepEqual(outcomes.map(({ repeated }) => repeated).sort(), [false, true]);
    }
  });

  test('connections that are cut in the middle of everything lose nothing that was acknowledged', async () => {
    await using farm = await open(cluster, 2);
    const submitted = new Set<string>();
    const completed = new Map<string, number>();
    let isOver = false;
    let submitters = 2;
    let cuts = 0;
    /** As clients do: the same again until there is an answer. */
    const insist = async <T>(call: () => Promise<T>): Promise<T> => {
      for (;;) {
        try {
          return await call();
        } catch (error) {
          if (!(error instanceof FlatrenderError) || error.code !== 'UNAVAILABLE') throw error;
        }
      }
    };
    const submitter = async (store: Store, name: string): Promise<void> => {
      for (let i = 0; !isOver; i += 1) {
        const job = newJob({ outputs: 1 + (i % 3) });
        const { jobs: stored } = await insist(() =>
          store.submit([job], { key: `${name}-${i}`, bodySha256: 'x' }),
        );
        for (const { id } of stored) submitted.add(id);
        await delay(2);
      }
      submitters -= 1;
    };
    const worker = async (store: Store, other: Store, name: string): Promise<void> => {
      for (let i = 0; ; i += 1) {
        const wereAll = submitters === 0;
        const claimed = await insist(() => claim(store, 'a', { claimId: `${name}-${i}` }));
        if (claimed === null && wereAll) return;
        if (claimed === null) await delay(2);
        if (claimed === null) continue;
        const done = await insist(() =>
          (i % 2 === 0 ? store : other).complete(fence(claimed.task), result, policy, 3000),
        );
        assert.equal(done.task.state, 'succeeded');
        completed.set(claimed.task.id, (completed.get(claimed.task.id) ?? 0) + 1);
      }
    };
    const cutter = async (): Promise<void> => {
      while (!isOver) {
        await delay(40 + 40 * Math.random());
        const ended = await cluster.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = '${farm.database.name}' and pid <> pg_backend_pid() and state <> 'idle'`,
        );
        cuts += ended.length;
      }
    };
    const { first, second } = farm;
    const all = [
      ...[submitter(first, 's1'), submitter(second, 's2'), cutter()],
      ...Array.from({ length: 4 }, (_, i) => worker(first, second, `w1-${i}`)),
      ...Array.from({ length: 4 }, (_, i) => worker(second, first, `w2-${i}`)),
    ];
    await delay(3000);
    isOver = true;
    await Promise.all(all);
    assert.ok(cuts > 10, `${cuts} connections cut`);
    const stored = await first.listJobs({ limit: 100_000 });
    assert.deepEqual(new Set(stored.map(({ job }) => job.id)), submitted);
    const tasks = stored.flatMap((job) => job.tasks);
    assert.deepEqual(
      tasks.filter(({ state }) => state !== 'succeeded'),
      [],
    );
    assert.deepEqual(
      [...completed.values()].filter((count) => count !== 1),
      [],
    );
    assert.equal(completed.size, tasks.length);
    assert.deepEqual(
      tasks.filter(({ epoch }) => epoch !== 1),
      [],
      'no claim took a task and forgot it',
    );
  });

  test('counts of one control plane take in what others did, also while it is busy itself', async () => {
    await using farm = await open(cluster, 2);
    let isOver = false;
    const busy = (async () => {
      while (!isOver) await farm.first.submit([newJob()]);
    })();
    await farm.second.submit(jobs(5, { runAt: 9_000_000 }));
    const until = Date.now() + 15_000;
    while (farm.first.stats().jobs.scheduled !== 5 && Date.now() < until) await delay(50);
    isOver = true;
    await busy;
    assert.equal(farm.first.stats().jobs.scheduled, 5);
    const quiet = await openPostgresStore({ url: farm.database.url });
    await assertCounted(quiet);
    await quiet.close();
  });
});
