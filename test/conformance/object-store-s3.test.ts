import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { systemClock } from '../../src/lib/clock.ts';
import { createS3ObjectStore, type S3ObjectStore } from '../../src/objects/s3.ts';
import type { S3ObjectStoreOptions } from '../../src/objects/s3-server.ts';
import { failureOf } from '../helpers/failure-of.ts';
import { type Radosgw, radosgwMissing, startRadosgw } from '../helpers/radosgw.ts';
import { objectStoreSuite, sha256Of } from './object-store.ts';

const PART = 5 * 1024 * 1024;

const part = (bytes: Buffer, number: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(bytes.subarray((number - 1) * PART, number * PART));

describe('Ceph radosgw', { skip: radosgwMissing ?? false }, () => {
  let server: Radosgw;
  before(async () => {
    server = await startRadosgw();
  });
  after(() => server[Symbol.asyncDispose]());

  const create = (changes: Partial<S3ObjectStoreOptions> = {}): S3ObjectStore =>
    createS3ObjectStore({
      endpoint: server.url,
      region: server.region,
      bucket: `test-${randomUUID()}`,
      accessKey: server.accessKey,
      secretKey: server.secretKey,
      pathStyle: true,
      partBytes: PART,
      createBucket: true,
      clock: systemClock,
      ...changes,
    });

  objectStoreSuite('s3', async () => {
    const store = create();
    await store.check();
    return { store, pass: (ms) => setTimeout(ms), close: () => store.close() };
  });

  const opened = async (t: TestContext): Promise<S3ObjectStore> => {
    const store = create();
    t.after(() => store.close());
    await store.check();
    return store;
  };

  test('a body of more than a part appears whole and verified, or not at all', async (t) => {
    const store = await opened(t);
    const bytes = randomBytes(2 * PART + 1000);
    const sha256 = sha256Of(bytes);
    const body = () =>
      Readable.from([bytes.subarray(0, 7), bytes.subarray(7, PART + 3), bytes.subarray(PART + 3)]);
    const info = await store.put('large', body(), { sizeBytes: bytes.length, sha256 });
    assert.deepEqual([info.sizeBytes, info.sha256], [bytes.length, sha256]);
    assert.deepEqual(await buffer((await store.get('large')).stream), bytes);
    // Exactly two parts, of a length and digest that nobody announced.
    await store.put('even', Readable.from([bytes.subarray(0, 2 * PART)]));
    assert.equal((await store.head('even'))?.sizeBytes, 2 * PART);
    const wrong = store.put('wrong', body(), { sha256: 'f'.repeat(64) });
    await assert.rejects(wrong, { code: 'OBJECT_CORRUPT' });
    assert.equal(await store.head('wrong'), null);
    assert.equal(await store.multipart?.abortBefore(Date.now() + 60_000), 0, 'nothing is left of it');
  });

  test('an upload in parts is found again, continued and put together once', async (t) => {
    const { multipart } = await opened(t);
    assert.ok(multipart);
    const bytes = randomBytes(2 * PART + 1000);
    const file = { sizeBytes: bytes.length };
    const begun = await multipart.begin('outputs/a', file);
    assert.deepEqual([begun.partBytes, begun.partCount, begun.parts], [PART, 3, []]);
    const send = async (uploadId: string, number: number, body = part(bytes, number)): Promise<void> => {
      const url = await multipart.presignPart('outputs/a', uploadId, number, { ttlSeconds: 60 });
      const answer = await fetch(url, { method: 'PUT', body });
      assert.equal(answer.status, 200, await answer.text());
    };
    await send(begun.uploadId, 1);
    await send(begun.uploadId, 3);
    const again = await multipart.begin('outputs/a', file);
    assert.equal(again.uploadId, begun.uploadId);
    assert.deepEqual(
      again.parts.map(({ number, sizeBytes }) => [number, sizeBytes]),
      [
        [1, PART],
        [3, 1000],
      ],
    );
    const early = multipart.complete('outputs/a', begun.uploadId, file);
    await assert.rejects(early, { code: 'OBJECT_CORRUPT', message: /2 of 3 parts arrived/ });
    await send(begun.uploadId, 2);
    const info = await multipart.complete('outputs/a', begun.uploadId, file);
    assert.equal(info.sizeBytes, bytes.length);
    assert.deepEqual(await multipart.complete('outputs/a', begun.uploadId, file), info, 'said twice');
    // Another file of this name: what was begun for the first is not mixed into it.
    const other = await multipart.begin('outputs/a', { sizeBytes: PART + 5 });
    await send(other.uploadId, 2, part(bytes, 3));
    const third = await multipart.begin('outputs/a', { sizeBytes: PART + 5 });
    assert.notEqual(third.uploadId, other.uploadId);
    assert.deepEqual(third.parts, []);
    assert.equal(await multipart.abortBefore(Date.now() - 3600_000), 0, 'too young');
    assert.equal(await multipart.abortBefore(Date.now() + 60_000), 1);
  });

  test('other bytes of one size within a second are told apart', async (t) => {
    const store = await opened(t);
    const etags = [];
    for (const text of ['wrong', 'right']) {
      const { etag } = await store.put('a', Buffer.from(text));
      assert.ok(etag);
      const { info, stream } = await store.get('a');
      assert.equal(info.etag, etag);
      assert.equal(String(await buffer(stream)), text);
      etags.push(etag);
    }
    assert.notEqual(etags[0], etags[1]);
    await store.put('a', Buffer.from('wrong'));
    assert.equal((await store.head('a'))?.etag, etags[0], 'it is a name of the bytes');
  });

  test('what arrives is compared with the signed hash of the body', async (t) => {
    assert.equal(await (await opened(t)).digestCheck(), 'payload');
  });

  test('more objects than fit on a page are listed and removed', async (t) => {
    const store = await opened(t);
    const keys = Array.from({ length: 1005 }, (_, n) => `outputs/job/${n}`);
    for (let at = 0; at < keys.length; at += 50) {
      await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, Buffer.from('x'))));
    }
    const listed = new Set<string>();
    for await (const { key } of store.list('outputs/')) listed.add(key);
    assert.equal(listed.size, keys.length);
    await store.removeAll(keys);
    for await (const { key } of store.list('')) assert.fail(`${key} is still there`);
  });

  test('each mistake in the settings is told from the others, with what to change', async (t) => {
    const taken = create({ bucket: 'taken-by-another', ...server.other });
    t.after(() => taken.close());
    await taken.check();
    const web = createServer((_, response) => response.end('<html>console</html>')).listen(0, '127.0.0.1');
    await once(web, 'listening');
    t.after(() => web.close());
    const address = web.address();
    const page = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    const cases: [Partial<S3ObjectStoreOptions>, RegExp, RegExp][] = [
      [
        { secretKey: 'wrong-secret' },
        /the secret of access key "flatkey123" is another one/,
        /objects\.secretKey/,
      ],
      [{ accessKey: 'nobody' }, /does not know the access key "nobody"/, /objects\.accessKey/],
      [{ createBucket: false, bucket: 'not-there' }, /no bucket "not-there" at http/, /createBucket: true/],
      [
        { bucket: 'taken-by-another' },
        /denies access key "flatkey123" the bucket "taken-by-another"/,
        /somebody else/,
      ],
      [{ region: 'atlantis-1' }, /is not in region "atlantis-1"/, /objects\.region/],
      [{ endpoint: server.url.replace('http:', 'https:') }, /does not speak TLS/, /http:\/\//],
      [{ endpoint: page }, /is not an S3 server/, /console/],
    ];
    for (const [changes, message, hint] of cases) {
      const store = create(changes);
      const error = await failureOf(store.check());
      await store.close();
      assert.match(error.message, message);
      assert.match(error.hint ?? '', hint);
      assert.deepEqual([error.code, error.details?.mistake], ['UNAVAILABLE', true], error.message);
    }
  });

  test('a server that is away is no mistake: calls wait a little, then say so, and work when it is back', async (t) => {
    const store = await opened(t);
    await store.put('kept', Buffer.from('kept'));
    await store.put('long', randomBytes(40 * 1024 * 1024));
    const { stream } = await store.get('long');
    await once(stream, 'readable');
    await server.kill();
    const broken = await failureOf(buffer(stream));
    assert.match(broken.message, /cannot read long: .* the connection was cut/);
    const error = await failureOf(store.head('kept'));
    assert.match(error.message, /cannot look at kept: .* cannot be reached: nothing listens there/);
    assert.deepEqual([error.code, error.retryable, error.details?.mistake], ['UNAVAILABLE', true, false]);
    const meanwhile = store.head('kept');
    await server.restart();
    assert.equal((await meanwhile)?.sizeBytes, 4);
  });

  test('addresses for nodes name the other endpoint, and are signed as the client signs them', async (t) => {
    const store = create({ presignEndpoint: 'https://files.example.com' });
    t.after(() => store.close());
    assert.equal(store.isLocalOnly, false);
    assert.equal(create().isLocalOnly, true);
    const url = new URL(await store.presignGet('outputs/a', { ttlSeconds: 60 }));
    assert.equal(url.origin, 'https://files.example.com');
    const hosted = create({ presignEndpoint: 'https://s3.example.com', pathStyle: false, bucket: 'films' });
    const { host, pathname } = new URL(await hosted.presignGet('outputs/a', { ttlSeconds: 60 }));
    assert.deepEqual([host, pathname], ['films.s3.example.com', '/outputs/a']);
  });
});
