import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../src/lib/clock.ts';
import { createFsObjectStore, type FsObjectStore } from '../../src/objects/fs.ts';
import { serveObjects } from '../helpers/object-server.ts';
import { objectStoreSuite } from './object-store.ts';

objectStoreSuite('fs', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-objects-'));
  let now = 1_750_000_000_000;
  const clock: Clock = { now: () => now, after: () => () => undefined };
  let store: FsObjectStore | undefined;
  const opened = (): FsObjectStore => {
    if (store === undefined) throw new Error('not open yet');
    return store;
  };
  const server = await serveObjects(opened, clock.now);
  store = await createFsObjectStore({ directory, secret: 'test secret', baseUrl: server.url, clock });
  return {
    store,
    async pass(ms) {
      now += ms;
    },
    async close() {
      await store?.close();
      await server[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
});
