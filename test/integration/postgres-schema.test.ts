import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { checkDatabase } from '../../src/store/postgres/check-database.ts';
import { loadPostgresFarm } from '../../src/store/postgres/load-farm.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { claimOne, newJob, nodes, refused } from '../conformance/store-samples.ts';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';

suite('the schema in PostgreSQL', { skip: noPostgres, concurrency: 1 }, () => {
  let cluster: Postgres;
  before(async () => {
    cluster = await startPostgres();
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  test('control planes that start at once on an empty database make its tables once', async () => {
    const { url, name } = await cluster.createDatabase();
    const stores = await Promise.all(Array.from({ length: 3 }, () => openPostgresStore({ url })));
    await Promise.all(stores.map((store) => store.close()));
    const applied = await cluster.query('select version from flatrender_schema order by version', name);
    assert.equal(applied[0]?.version, 1);
    assert.equal(new Set(applied.map(({ version }) => version)).size, applied.length);
  });

  test('a schema of a later version that only added something is worked with; any other is refused, untouched', async () => {
    const { url, name } = await cluster.createDatabase();
    const first = await openPostgresStore({ url });
    await nodes(first, 'a');
    const [{ newest } = { newest: 0 }] = await cluster.query(
      'select max(version) as newest from flatrender_schema',
      name,
    );
    const next = Number(newest) + 1;
    // As the next version does while this one still runs.
    await cluster.query(
      `alter table jobs add column mood text; insert into flatrender_schema (version, works_with) values (${next}, ${newest})`,
      name,
    );
    await first.submit([newJob()]);
    const second = await openPostgresStore({ url });
    assert.equal((await claimOne(second, 'a')).epoch, 1);
    await Promise.all([first.close(), second.close()]);

    await cluster.query(`update flatrender_schema set works_with = version where version = ${next}`, name);
    const error = await refused(openPostgresStore({ url }), 'SCHEMA_NEWER');
    assert.match(error.message, new RegExp(`schema ${next}; this flatrender knows up to ${newest}`));
    assert.match(error.hint ?? '', /update flatrender/);
    const left = await cluster.query('select version from flatrender_schema', name);
    assert.equal(left.length, next);
  });

  test('a database that cannot keep every text is refused untouched, with the line that makes one which can', async () => {
    for (const encoding of ['LATIN1', 'SQL_ASCII']) {
      const name = `farm_${encoding.toLowerCase()}`;
      await cluster.query(`create database ${name} encoding '${encoding}' template template0`);
      const url = cluster.url(name);
      const { signal } = new AbortController();
      const nothing = { signal, verify: () => Promise.resolve() };
      let line = '';
      for (const use of [
        () => checkDatabase(url),
        () => openPostgresStore({ url }),
        () => loadPostgresFarm(url, noRows(), nothing),
      ]) {
        const { message, hint = '' } = await refused(use(), 'CONFIG_INVALID');
        assert.match(message, new RegExp(`/${name} keeps texts in ${encoding}; flatrender needs UTF8$`));
        line = /create database .*$/.exec(hint)?.[0] ?? assert.fail(hint);
      }
      assert.equal(
        (await cluster.query("select 1 from pg_tables where schemaname = 'public'", name)).length,
        0,
      );
      await cluster.query(line);
      const store = await openPostgresStore({ url: cluster.url(`${name}_utf8`) });
      const [job] = (await store.submit([newJob({ inputs: { title: 'Grüße 🎬' } })])).jobs;
      assert.deepEqual(job?.inputs, { title: 'Grüße 🎬' });
      await store.close();
    }
    await cluster.query('create table flatrender_schema (version integer)', 'farm_latin1');
    const { hint } = await refused(checkDatabase(cluster.url('farm_latin1')), 'CONFIG_INVALID');
    assert.match(hint ?? '', /pg_dump farm_latin1 \| psql farm_latin1_utf8$/);
  });
});

async function* noRows(): AsyncGenerator<never> {}
