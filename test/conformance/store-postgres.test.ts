import { after, before, suite } from 'node:test';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { noPostgres, type Postgres, startPostgres, type TestDatabase } from '../helpers/postgres.ts';
import { storeSuite } from './store.ts';

/** Empties the farm's tables: a new database for each test would take most of the time. */
const EMPTY = `do $$ declare name text; begin
  for name in select tablename from pg_tables where schemaname = 'public' and tablename <> 'flatrender_schema' loop
    execute format('delete from %I', name);
  end loop;
end $$`;

suite('PostgreSQL', { skip: noPostgres }, () => {
  let cluster: Postgres;
  let database: TestDatabase;
  before(async () => {
    cluster = await startPostgres();
    database = await cluster.createDatabase();
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  storeSuite('the PostgreSQL store', async () => {
    const { url, name } = database;
    await cluster.query(EMPTY, name);
    let store = await openPostgresStore({ url });
    return {
      store,
      async reopen() {
        await store.close();
        store = await openPostgresStore({ url });
        return store;
      },
      [Symbol.asyncDispose]: () => store.close(),
    };
  });
});
