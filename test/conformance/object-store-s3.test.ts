import { randomUUID } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { systemClock } from '../../src/lib/clock.ts';
import { createS3ObjectStore } from '../../src/objects/s3.ts';
import { type Radosgw, radosgwMissing, startRadosgw } from '../helpers/radosgw.ts';
import { objectStoreSuite } from './object-store.ts';

describe('Ceph radosgw', { skip: radosgwMissing ?? false }, () => {
  let server: Radosgw;
  before(async () => {
    server = await startRadosgw();
  });
  after(() => server[Symbol.asyncDispose]());

  objectStoreSuite('s3', async () => {
    const { url, region, accessKey, secretKey } = server;
    const store = createS3ObjectStore({
      endpoint: url,
      region,
      bucket: `test-${randomUUID()}`,
      accessKey,
      secretKey,
      pathStyle: true,
      partBytes: 5 * 1024 * 1024,
      createBucket: true,
      clock: systemClock,
    });
    await store.check();
    return { store, pass: (ms) => setTimeout(ms), close: () => store.close() };
  });
});
