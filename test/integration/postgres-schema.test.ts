import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
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
});
