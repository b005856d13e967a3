import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { plainUrl } from '../../../src/client/refusal.ts';
import { createTransfers } from '../../../src/client/transfer.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { type FakeCall, startFakeControl } from '../../helpers/fake-control.ts';

/** Pauses between tries take no time. */
const hurried: Clock = { now: systemClock.now, after: (_, callback) => systemClock.after(0, callback) };

async function setUp(t: TestContext, bytes = randomBytes(300_000)) {
  const dir = await mkdtemp(join(tmpdir(), 'flatrender-transfer-'));
  const store = await startFakeControl();
  const transfers = createTransfers(hurried);
  t.after(async () => {
    await transfers.close();
    await store[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });
  const file = store.putObject('bundles/x.zip', bytes);
  const path = join(dir, 'x.zip');
  const gets = () =>
    store.calls.filter((call) => call.method === 'GET').map((call) => call.headers.range ?? 'all');
  const { signal } = new AbortController();
  return { dir, store, transfers, file, path, bytes, gets, signal };
}

type Answer = (call: FakeCall, response: ServerResponse) => void;

test('a file arrives whole, verified and under its name only then', async (t) => {
  const { transfers, file, path, bytes, dir, signal } = await setUp(t);
  const seen: number[] = [];
  await transfers.download({ ...file, path, signal, onProgress: (done) => seen.push(done) });
  assert.deepEqual(await readFile(path), bytes);
  assert.deepEqual(await readdir(dir), ['x.zip']);
  assert.equal(seen.at(-1), bytes.length);
});

test('an empty file is a file', async (t) => {
  const { transfers, file, path, signal } = await setUp(t, Buffer.alloc(0));
  await transfers.download({ ...file, path, signal });
  assert.equal((await readFile(path)).length, 0);
});

test('what a killed agent had downloaded is hashed and only the rest is fetched', async (t) => {
  const { transfers, file, path, bytes, gets, signal } = await setUp(t);
  await writeFile(`${path}.part`, bytes.subarray(0, 123_456));
  await transfers.download({ ...file, path, signal });
  assert.deepEqual(gets(), ['bytes=123456-']);
  assert.deepEqual(await readFile(path), bytes);
});

test('a part that is complete is not fetched again; one that is too long or wrong is', async (t) => {
  const { transfers, file, path, bytes, gets, signal } = await setUp(t);
  await writeFile(`${path}.part`, bytes);
  await transfers.download({ ...file, path, signal });
  assert.deepEqual(gets(), []);
  await writeFile(`${path}.part`, Buffer.concat([bytes, bytes]));
  await transfers.download({ ...file, path, signal });
  await writeFile(`${path}.part`, Buffer.alloc(bytes.length, 1));
  await transfers.download({ ...file, path, signal });
  assert.deepEqual(gets(), ['all', 'all']);
  assert.deepEqual(await readFile(path), bytes);
});

test('a server without ranges sends everything, and everything is right', async (t) => {
  const { transfers, file, path, bytes, store, signal } = await setUp(t);
  await writeFile(`${path}.part`, bytes.subarray(0, 1000));
  store.faults.push((_, response) => {
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    return true;
  });
  await transfers.download({ ...file, path, signal });
  assert.deepEqual(await readFile(path), bytes);
});

test('however often the connection is cut, a download that gets on gets through', async (t) => {
  const { transfers, file, path, bytes, store, gets, signal } = await setUp(t);
  const cuts = 12;
  store.faults.push((call, response) => {
    if (gets().length > cuts) return false;
    const from = Number(/^bytes=(\d+)-$/.exec(call.headers.range ?? '')?.[1] ?? 0);
    const range = from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length - from, ...range });
    response.write(bytes.subarray(from, from + 10_000), () => setImmediate(() => response.destroy()));
    return true;
  });
  await transfers.download({ ...file, path, signal });
  assert.equal(gets().length, cuts + 1);
  assert.deepEqual(await readFile(path), bytes);
});

test('a download that never gets on is given up with the address, without its signature', async (t) => {
  const { transfers, file, path, store, gets, signal } = await setUp(t);
  store.faults.push((_, response) => {
    response.destroy();
    return true;
  });
  await assert.rejects(transfers.download({ ...file, path, signal, tries: 3 }), (error: FlatrenderError) => {
    assert.equal(error.code, 'TRANSFER_FAILED');
    assert.match(
      error.message,
      /cannot download http:\/\/127\.0\.0\.1:\d+\/objects\/bundles\/x\.zip: the connection was cut/,
    );
    return !JSON.stringify(error.toBody()).includes('sig=');
  });
  assert.equal(gets().length, 3);
});

test('refusals are not repeated and say what the store said; busy stores are asked again', async (t) => {
  const { transfers, file, path, store, gets, signal } = await setUp(t);
  const answers: Answer[] = [
    (_, response) =>
      response
        .writeHead(403, { 'content-type': 'application/xml' })
        .end('<Error><Code>AccessDenied</Code></Error>'),
  ];
  store.faults.push((call, response) => {
    const answer = answers.shift();
    answer?.(call, response);
    return answer !== undefined;
  });
  const download = () => transfers.download({ ...file, path, signal });
  await assert.rejects(download(), {
    code: 'TRANSFER_FAILED',
    message: /HTTP 403, AccessDenied/,
    hint: /expired/,
  });
  assert.equal(gets().length, 1);
  answers.push((_, response) => response.writeHead(503, { 'retry-after': '1' }).end());
  await download();
  assert.equal(gets().length, 3);
});

test('wrong contents are fetched once more, then refused, and nothing is left to resume from', async (t) => {
  const { transfers, file, path, bytes, store, gets, dir, signal } = await setUp(t);
  store.objects.set('bundles/x.zip', randomBytes(bytes.length));
  await assert.rejects(transfers.download({ ...file, path, signal }), { code: 'OBJECT_CORRUPT' });
  assert.deepEqual(gets(), ['all', 'all']);
  assert.deepEqual(await readdir(dir), []);
});

test('more bytes than promised are refused before they fill the disk', async (t) => {
  const { transfers, file, path, bytes, store, signal } = await setUp(t);
  store.objects.set('bundles/x.zip', Buffer.concat([bytes, randomBytes(5_000_000)]));
  await assert.rejects(transfers.download({ ...file, path, signal }), {
    code: 'OBJECT_CORRUPT',
    message: /longer than the 300000 bytes/,
  });
  assert.equal(existsSync(path), false);
});

test('an aborted download ends at once with the reason and keeps its part', async (t) => {
  const { transfers, file, path, bytes, store, dir } = await setUp(t);
  store.faults.push((_, response) => {
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, 50_000));
    return true;
  });
  const controller = new AbortController();
  const reason = new FlatrenderError('ABORTED', 'cancelled');
  const onProgress = () => controller.abort(reason);
  await assert.rejects(
    transfers.download({ ...file, path, signal: controller.signal, onProgress }),
    (error) => error === reason,
  );
  assert.deepEqual(await readdir(dir), ['x.zip.part']);
});

test('an upload sends the file with its length and headers, and all of it again when it was cut', async (t) => {
  const { transfers, path, bytes, store, signal } = await setUp(t);
  await writeFile(path, bytes);
  let cuts = 2;
  store.faults.push((call, response) => {
    if (call.method !== 'PUT' || cuts === 0) return false;
    cuts -= 1;
    if (cuts === 1) response.writeHead(500).end('try again');
    else response.destroy();
    return true;
  });
  const url = `${store.url}/objects/outputs/a.mp4?sig=secret`;
  await transfers.upload({ url, headers: { 'x-sha256': 'abc' }, path, sizeBytes: bytes.length, signal });
  const puts = store.calls.filter((call) => call.method === 'PUT');
  assert.equal(puts.length, 3);
  assert.deepEqual(store.objects.get('outputs/a.mp4'), bytes);
  assert.equal(puts.at(-1)?.headers['content-length'], String(bytes.length));
  assert.equal(puts.at(-1)?.headers['x-sha256'], 'abc');
  assert.equal(puts.at(-1)?.headers['transfer-encoding'], undefined);
});

test('a file that changed since it was rendered is not uploaded', async (t) => {
  const { transfers, path, store, signal } = await setUp(t);
  await writeFile(path, 'shorter');
  const upload = transfers.upload({
    url: `${store.url}/objects/a`,
    headers: {},
    path,
    sizeBytes: 100,
    signal,
  });
  await assert.rejects(upload, { code: 'OBJECT_CORRUPT', message: /has 7 bytes instead of 100/ });
  assert.equal(store.calls.length, 0);
});

test('a refused upload says so, without the signature', async (t) => {
  const { transfers, path, store, signal } = await setUp(t);
  await writeFile(path, 'film');
  store.faults.push((_, response) => {
    const error = { code: 'OBJECT_URL_EXPIRED', message: 'this address expired', hint: 'ask for another' };
    response.writeHead(403, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
    return true;
  });
  const upload = transfers.upload({
    url: `${store.url}/objects/a?sig=1`,
    headers: {},
    path,
    sizeBytes: 4,
    signal,
  });
  await assert.rejects(upload, (error: FlatrenderError) => {
    assert.match(error.message, /cannot upload .*\/objects\/a: HTTP 403, this address expired/);
    assert.deepEqual([error.retryable, error.details?.code], [false, 'OBJECT_URL_EXPIRED']);
    return !error.message.includes('sig');
  });
});

test('a signed address is shown without what signs it', () => {
  assert.equal(plainUrl('https://s3/x/y?X-Amz-Signature=1#f'), 'https://s3/x/y');
  assert.equal(plainUrl('https://s3/x/y'), 'https://s3/x/y');
});

test('the digest of what arrives is the digest that was asked for', async (t) => {
  const { transfers, file, path, signal } = await setUp(t);
  await transfers.download({ ...file, path, signal });
  assert.equal(
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
    file.sha256,
  );
});
