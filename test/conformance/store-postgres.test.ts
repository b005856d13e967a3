import { after, before, suite } from 'node:test';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';
import { storeSuite } from './store.ts';

suite('PostgreSQL', { skip: noPostgres }, () => {
  let cluster: Postgres | undefined;
  before(async () => {
    cluster = await startPostgres();
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  storeSuite('the PostgreSQL store', async () => {
    if (!cluster) throw new Error('the cluster was not started');
    const { url } = await cluster.createDatabase();
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
