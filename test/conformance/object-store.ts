/** What every object store must do. `open` gives an empty one; each test has its own. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ErrorCode } from '../../src/lib/errors.ts';
import type { ObjectInfo, ObjectStore } from '../../src/objects/object-store.ts';

export interface OpenedStore {
  readonly store: ObjectStore;
  /** Makes this much time pass for the store's URLs: moves its clock, or waits. */
  pass(ms: number): Promise<void>;
  /** Closes the store and whatever serves its presigned URLs (which answer over HTTP until then). */
  close(): Promise<void>;
}

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const refusal = (code: ErrorCode) => (error: unknown) => {
  assert.equal((error as { code?: string }).code, code, String(error));
  return true;
};

const infos = async (store: ObjectStore, prefix: string): Promise<ObjectInfo[]> => {
  const found: ObjectInfo[] = [];
  for await (const info of store.list(prefix)) found.push(info);
  return found;
};

const list = async (store: ObjectStore, prefix: string): Promise<string[]> =>
  (await infos(store, prefix)).map((info) => info.key).sort();

const read = async (
  store: ObjectStore,
  key: string,
  range?: { start: number; end?: number },
): Promise<Buffer> => buffer((await store.get(key, range)).stream);

/** Runs the suite against one implementation. */
export function objectStoreSuite(name: string, open: () => Promise<OpenedStore>): void {
  const withStore = (title: string, body: (opened: OpenedStore) => Promise<void>): void => {
    test(title, async () => {
      const opened = await open();
      try {
        await body(opened);
      } finally {
        await opened.close();
      }
    });
  };

  describe(`${name}: object store`, () => {
    withStore('what is put comes back, with size, digest and time', async ({ store }) => {
      const bytes = randomBytes(3_000_000);
      const before = await store.put(
        'bundles/abc.zip',
        Readable.from([bytes.subarray(0, 7), bytes.subarray(7)]),
        {
          sizeBytes: bytes.length,
          sha256: sha256Of(bytes),
        },
      );
      assert.deepEqual(
        { key: before.key, sizeBytes: before.sizeBytes, sha256: before.sha256 },
        { key: 'bundles/abc.zip', sizeBytes: bytes.length, sha256: sha256Of(bytes) },
      );
      assert.deepEqual(await store.head('bundles/abc.zip'), before);
      const { info, stream } = await store.get('bundles/abc.zip');
      assert.deepEqual(info, before);
      assert.equal(sha256Of(await buffer(stream)), sha256Of(bytes));
    });

    withStore('an empty object and a buffer are objects like any other', async ({ store }) => {
      await store.put('empty', new Uint8Array(0));
      assert.equal((await store.head('empty'))?.sizeBytes, 0);
      assert.equal((await read(store, 'empty')).length, 0);
      await store.put('text', Buffer.from('hello'));
      assert.equal(String(await read(store, 'text')), 'hello');
    });

    withStore('a put replaces the object', async ({ store }) => {
      await store.put('a/b', Buffer.from('one'));
      await store.put('a/b', Buffer.from('other'), { sha256: sha256Of(Buffer.from('other')) });
      assert.equal(String(await read(store, 'a/b')), 'other');
      assert.equal((await store.head('a/b'))?.sizeBytes, 5);
    });

    withStore('a wrong digest or length is refused and leaves what was there', async ({ store }) => {
      const wrong = { sha256: 'f'.repeat(64) };
      await assert.rejects(store.put('k', Buffer.from('new'), wrong), refusal('OBJECT_CORRUPT'));
      assert.equal(await store.head('k'), null);
      await store.put('k', Buffer.from('old'));
      await assert.rejects(store.put('k', Buffer.from('new'), wrong), refusal('OBJECT_CORRUPT'));
      await assert.rejects(store.put('k', Buffer.from('new'), { sizeBytes: 4 }), refusal('OBJECT_CORRUPT'));
      await assert.rejects(store.put('k', Buffer.from('new'), { sizeBytes: 2 }), refusal('OBJECT_CORRUPT'));
      const endless = Readable.from(
        (function* () {
          for (;;) yield Buffer.alloc(1000);
        })(),
      );
      await assert.rejects(store.put('k', endless, { sizeBytes: 2 }), refusal('OBJECT_CORRUPT'));
      assert.equal(String(await read(store, 'k')), 'old');
    });

    withStore('an upload that breaks off or is aborted leaves nothing', async ({ store }) => {
      const broken = Readable.from(
        (async function* () {
          yield Buffer.from('half');
          throw new Error('connection reset');
        })(),
      );
      await assert.rejects(store.put('k', broken), refusal('TRANSFER_FAILED'));
      const abort = new AbortController();
      const stalled = new Readable({ read() {} });
      stalled.push('half');
      const put = store.put('k', stalled, { signal: abort.signal });
      abort.abort();
      await assert.rejects(put, refusal('ABORTED'));
      assert.deepEqual(await list(store, ''), []);
    });

    withStore('ranges are inclusive, clipped at the end, and refused beyond it', async ({ store }) => {
      await store.put('digits', Buffer.from('0123456789'));
      assert.equal(String(await read(store, 'digits', { start: 2, end: 4 })), '234');
      assert.equal(String(await read(store, 'digits', { start: 7 })), '789');
      assert.equal(String(await read(store, 'digits', { start: 0, end: 0 })), '0');
      assert.equal(String(await read(store, 'digits', { start: 8, end: 100 })), '89');
      const { info, stream } = await store.get('digits', { start: 8 });
      stream.destroy();
      assert.equal(info.sizeBytes, 10);
      await assert.rejects(store.get('digits', { start: 10 }), refusal('OBJECT_RANGE'));
      await assert.rejects(store.get('digits', { start: 5, end: 4 }), refusal('OBJECT_RANGE'));
      await assert.rejects(store.get('digits', { start: -1 }), refusal('OBJECT_RANGE'));
    });

    withStore('what is not there is not found, and removing it is no error', async ({ store }) => {
      assert.equal(await store.head('no/such'), null);
      await assert.rejects(store.get('no/such'), refusal('OBJECT_NOT_FOUND'));
      await store.remove('no/such');
      await store.put('a/b/c', Buffer.from('x'));
      assert.equal(await store.head('a/b'), null);
      assert.equal(await store.head('a/b/c/d'), null);
      await assert.rejects(store.get('a/b'), refusal('OBJECT_NOT_FOUND'));
      await store.remove('a/b');
      await store.remove('a/b/c');
      await store.remove('a/b/c');
      assert.equal(await store.head('a/b/c'), null);
    });

    withStore('many are removed at once, with those that are not there', async ({ store }) => {
      for (const key of ['a', 'b/c', 'd']) await store.put(key, Buffer.from(key));
      await store.removeAll(['a', 'no/such', 'b/c']);
      await store.removeAll([]);
      assert.deepEqual(await list(store, ''), ['d']);
      await assert.rejects(store.removeAll(['d', '../x']), refusal('REQUEST_INVALID'));
    });

    withStore('list gives exactly the keys that start with the prefix', async ({ store }) => {
      for (const key of [
        'outputs/j1/a.mp4',
        'outputs/j1/b.mp4',
        'outputs/j10/a.mp4',
        'outputs/j2/t/c.mp4',
        'x',
      ]) {
        await store.put(key, Buffer.from(key));
      }
      assert.deepEqual(await list(store, 'outputs/j1/'), ['outputs/j1/a.mp4', 'outputs/j1/b.mp4']);
      assert.deepEqual(await list(store, 'outputs/j1'), [
        'outputs/j1/a.mp4',
        'outputs/j1/b.mp4',
        'outputs/j10/a.mp4',
      ]);
      assert.deepEqual(await list(store, 'outputs/j2/t/c'), ['outputs/j2/t/c.mp4']);
      assert.equal((await list(store, '')).length, 5);
      assert.deepEqual(await list(store, 'nothing/here'), []);
      const [info] = await infos(store, 'x');
      const head = await store.head('x');
      // A list may leave the digest out.
      assert.deepEqual({ ...info, sha256: head?.sha256 }, head);
      assert.ok(info?.sha256 === null || info?.sha256 === head?.sha256);
    });

    withStore('keys that are no keys are refused everywhere', async ({ store }) => {
      const bad = [
        '',
        '/a',
        'a/',
        'a//b',
        '.',
        '..',
        '../a',
        'a/../b',
        'a/./b',
        'a b',
        'ä',
        'a\\b',
        'a\0',
        '~tmp/a',
        'a~',
        'C:a',
      ];
      for (const key of [...bad, 'x'.repeat(201), `a/${'b/'.repeat(300)}c`]) {
        const refused = refusal('REQUEST_INVALID');
        await assert.rejects(store.put(key, Buffer.from('x')), refused, key);
        await assert.rejects(store.get(key), refused, key);
        await assert.rejects(store.head(key), refused, key);
        await assert.rejects(store.remove(key), refused, key);
        await assert.rejects(store.presignGet(key, { ttlSeconds: 60 }), refused, key);
        await assert.rejects(
          store.presignPut(key, { ttlSeconds: 60, sizeBytes: 1, sha256: 'a'.repeat(64) }),
          refused,
          key,
        );
      }
      for (const prefix of ['../', '/', 'a//', 'a/../', '*']) {
        await assert.rejects(list(store, prefix), refusal('REQUEST_INVALID'), prefix);
      }
    });

    withStore('any key of the alphabet holds any bytes', async ({ store }) => {
      const segment = fc.stringMatching(/^[A-Za-z0-9._-]{1,12}$/).filter((part) => !/^\.+$/.test(part));
      const key = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
      let run = 0;
      await fc.assert(
        fc.asyncProperty(key, fc.uint8Array({ maxLength: 2000 }), async (tail, bytes) => {
          run += 1;
          const full = `p${run}/${tail}`;
          const info = await store.put(full, bytes, { sizeBytes: bytes.length });
          assert.deepEqual(new Uint8Array(await read(store, full)), bytes);
          assert.deepEqual(await list(store, `p${run}/`), [full]);
          assert.deepEqual(await store.head(full), info);
          await store.remove(full);
          assert.equal(await store.head(full), null);
        }),
        { numRuns: 40 },
      );
    });

    withStore('readers beside writers see one whole object', async ({ store }) => {
      const versions = [0, 1, 2, 3].map((n) => Buffer.alloc(200_000 + n, n));
      await store.put('hot', versions[0] ?? Buffer.alloc(0));
      const writes = versions.map((bytes) => store.put('hot', bytes));
      for (let i = 0; i < 20; i += 1) {
        const { info, stream } = await store.get('hot');
        const bytes = await buffer(stream);
        assert.equal(bytes.length, info.sizeBytes);
        assert.equal(sha256Of(bytes), info.sha256 ?? sha256Of(bytes));
      }
      await Promise.all(writes);
    });

    withStore('puts and removes in the same folder at once do not disturb each other', async ({ store }) => {
      const keys = Array.from({ length: 30 }, (_, n) => `outputs/job/${n % 3}/${n}`);
      await Promise.all(keys.map((key) => store.put(key, Buffer.from(key))));
      await Promise.all(
        keys.map((key, n) => (n % 2 === 0 ? store.remove(key) : store.put(key, Buffer.from(`${key}!`)))),
      );
      assert.deepEqual(await list(store, 'outputs/'), keys.filter((_, n) => n % 2 === 1).sort());
    });

    withStore('a presigned GET serves the object, and ranges of it', async ({ store }) => {
      await store.put('outputs/j/x.mp4', Buffer.from('0123456789'));
      const url = await store.presignGet('outputs/j/x.mp4', { ttlSeconds: 60 });
      const answer = await fetch(url);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('content-length'), '10');
      assert.equal(await answer.text(), '0123456789');
      const part = await fetch(url, { headers: { range: 'bytes=2-4' } });
      assert.equal(part.status, 206);
      assert.equal(part.headers.get('content-range'), 'bytes 2-4/10');
      assert.equal(await part.text(), '234');
    });

    withStore('a presigned PUT takes exactly the announced content', async ({ store }) => {
      const bytes = randomBytes(100_000);
      const limits = { sizeBytes: bytes.length, sha256: sha256Of(bytes), ttlSeconds: 60 };
      const { url, headers } = await store.presignPut('assets/x', limits);
      const put = (body: Uint8Array<ArrayBuffer>) => fetch(url, { method: 'PUT', headers, body });
      const other = new Uint8Array(bytes);
      other[5] = (other[5] ?? 0) ^ 1;
      assert.ok((await put(other)).status >= 400, 'other bytes');
      assert.ok((await put(new Uint8Array(bytes.subarray(1)))).status >= 400, 'too short');
      assert.equal(await store.head('assets/x'), null);
      const answer = await put(new Uint8Array(bytes));
      assert.ok(answer.ok, `${answer.status} ${await answer.text()}`);
      assert.equal(sha256Of(await read(store, 'assets/x')), sha256Of(bytes));
    });

    withStore(
      'a presigned URL is good for its method, its object and its time only',
      async ({ store, pass }) => {
        await store.put('a', Buffer.from('aaa'));
        await store.put('b', Buffer.from('bbb'));
        const url = await store.presignGet('a', { ttlSeconds: 2 });
        const { url: putUrl } = await store.presignPut('c', {
          ttlSeconds: 2,
          sizeBytes: 1,
          sha256: sha256Of(Buffer.from('c')),
        });
        assert.equal((await fetch(url)).status, 200);
        assert.equal((await fetch(url, { method: 'PUT', body: 'zzz' })).status, 403);
        assert.equal((await fetch(url.replace('/a?', '/b?'))).status, 403);
        assert.equal((await fetch(putUrl)).status, 403);
        await pass(4000);
        assert.equal((await fetch(url)).status, 403);
        assert.equal((await fetch(putUrl, { method: 'PUT', body: 'c' })).status, 403);
        assert.equal(String(await read(store, 'a')), 'aaa');
        assert.equal(await store.head('c'), null);
      },
    );

    withStore('a URL lives from a second to seven days', async ({ store }) => {
      for (const ttlSeconds of [0, -1, 7 * 86_400 + 1, Number.NaN]) {
        await assert.rejects(store.presignGet('a', { ttlSeconds }), refusal('REQUEST_INVALID'));
      }
      await store.presignGet('a', { ttlSeconds: 7 * 86_400 });
    });

    withStore('check passes on a store that works', async ({ store }) => {
      await store.check();
      assert.deepEqual(await list(store, ''), []);
    });
  });
}
