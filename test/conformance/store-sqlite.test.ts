import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { storeSuite } from './store.ts';

storeSuite('the SQLite store', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-store-'));
  const path = join(directory, 'farm', 'flatrender.db');
  let store = await openSqliteStore({ path });
  return {
    store,
    async reopen() {
      await store.close();
      store = await openSqliteStore({ path });
      return store;
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
});
