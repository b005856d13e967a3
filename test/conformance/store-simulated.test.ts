import { MemoryStore } from '../simulation/memory-store.ts';
import { directLine, storeOver } from '../simulation/store-line.ts';
import { storeSuite } from './store.ts';

storeSuite('the store of the simulation', async () => {
  const core = new MemoryStore();
  let store = storeOver(core, directLine());
  return {
    store,
    async reopen() {
      await store.close();
      store = storeOver(core, directLine());
      return store;
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
});
