/** Large files to and from an S3 server over a line that breaks every few requests. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { ActiveTask } from '../../src/agent/active-task.ts';
import { type Delivered, deliver, fileDigest } from '../../src/agent/delivery.ts';
import { type OutputEntry, openOutbox } from '../../src/agent/outbox.ts';
import { createAgentApi } from '../../src/client/agent-api.ts';
import { createApi } from '../../src/client/api.ts';
import { digestFile, uploadFile } from '../../src/client/files.ts';
import { createSignedHttp } from '../../src/client/signed-http.ts';
import { createTransfers } from '../../src/client/transfer.ts';
import { cleanUp } from '../../src/control/background.ts';
import { sleep, systemClock } from '../../src/lib/clock.ts';
import { objectKeys } from '../../src/objects/object-store.ts';
import { keptLog } from '../helpers/agent-under-test.ts';
import { claimBody, startTestControl, type TestControl } from '../helpers/control.ts';
import { type FlakyProxy, startFlakyProxy } from '../helpers/flaky-proxy.ts';
import { type Radosgw, radosgwMissing, startRadosgw } from '../helpers/radosgw.ts';

const MIB = 1024 * 1024;
/** FLATRENDER_TEST_LARGE_MB=2048: the size that films have; takes minutes. Then one request in twenty breaks, of usual parts. */
const LARGE_MB = Number(process.env.FLATRENDER_TEST_LARGE_MB ?? 64);
const IS_FILM = LARGE_MB > 500;
const PART_BYTES = (IS_FILM ? 16 : 5) * MIB;

describe('large files on Ceph radosgw', { skip: radosgwMissing ?? false }, () => {
  let server: Radosgw;
  before(async () => {
    server = await startRadosgw();
  });
  after(() => server[Symbol.asyncDispose]());

  const line = async (t: TestContext): Promise<{ proxy: FlakyProxy; control: TestControl }> => {
    const proxy = await startFlakyProxy(server.url, {
      oneIn: IS_FILM ? 20 : 5,
      seed: 7,
      cutBytes: IS_FILM ? 16 * MIB : 5 * MIB,
    });
    t.after(() => proxy[Symbol.asyncDispose]());
    const control = await startTestControl({
      config: {
        objects: {
          type: 's3',
          endpoint: server.url,
          presignEndpoint: proxy.url,
          bucket: 'large-files',
          accessKey: server.accessKey,
          secretKey: server.secretKey,
          partBytes: PART_BYTES,
          createBucket: true,
        },
      },
    });
    t.after(() => control[Symbol.asyncDispose]());
    return { proxy, control };
  };

  test(`${LARGE_MB} MB go up and come down through it, and what arrived is not sent again`, async (t) => {
    const { proxy, control } = await line(t);
    const path = join(control.directory, 'large.bin');
    const size = LARGE_MB * MIB + 12_345;
    await randomFile(path, size);
    const api = createApi({ url: control.url, token: control.token });
    const { signal } = new AbortController();
    let last = 0;
    const startedAt = performance.now();
    const sent = await uploadFile(api, 'asset', path, {
      signal,
      onProgress: (done, total) => {
        assert.equal(total, size);
        last = done;
      },
    });
    assert.deepEqual(sent, { ...(await digestFile(path)), already: false });
    assert.equal(last, size);
    const up = proxy.counts();
    const seconds = { up: Math.round((performance.now() - startedAt) / 1000), down: 0 };
    assert.ok(up.broken >= 3, `nothing was broken: ${JSON.stringify(up)}`);
    assert.ok(up.bytesUp < size * 1.5, `${up.bytesUp} bytes for a file of ${size}`);
    const again = await uploadFile(api, 'asset', path, { signal });
    assert.equal(again.already, true);

    const url = await control.control.objects.presignGet(objectKeys.asset(sent.sha256), { ttlSeconds: 600 });
    const transfers = createTransfers(systemClock);
    t.after(() => transfers.close());
    const copy = join(control.directory, 'copy.bin');
    proxy.breakNext(4);
    await transfers.download({ url, ...sent, path: copy, signal });
    assert.equal((await digestFile(copy)).sha256, sent.sha256);
    const down = proxy.counts();
    seconds.down = Math.round((performance.now() - startedAt) / 1000) - seconds.up;
    assert.ok(down.broken >= up.broken + 4);
    assert.ok(down.bytesDown - up.bytesDown < size * 1.5, `${down.bytesDown} bytes for a file of ${size}`);
    t.diagnostic(JSON.stringify({ size, up, down, seconds }));
  });

  test('an agent that ends in the middle of an upload goes on where it was, with new addresses', async (t) => {
    const { proxy, control } = await line(t);
    proxy.breakOneIn(0);
    const { entry, deliverIt, task } = await renderedTask(t, control, 64 * MIB);
    const first = new ActiveTask(entry.taskId, entry.epoch);
    const size = entry.result.sizeBytes;
    // Half of it went through, then the agent is gone; its outbox has the entry.
    const cut = deliverIt(first, () => proxy.counts().bytesUp > size / 2 && first.stop('shutdown'));
    await assert.rejects(cut, { code: 'ABORTED' });
    const before = proxy.counts();
    assert.ok(before.bytesUp < size, 'all of it went up before it was stopped');
    const second = new ActiveTask(entry.taskId, entry.epoch);
    assert.equal(await deliverIt(second, () => undefined), 'completed');
    const { bytesUp } = proxy.counts();
    // At most the parts that were under way are sent twice.
    assert.ok(bytesUp < size + 3 * 5 * MIB + MIB, `${bytesUp} bytes for a file of ${size}`);
    const { body } = await control.call('GET', `/v1/jobs/${task.jobId}/output`);
    assert.equal(body.outputs[0].sha256, entry.result.sha256);
    const answer = await fetch(body.outputs[0].url);
    const hash = createHash('sha256').update(Buffer.from(await answer.arrayBuffer()));
    assert.equal(hash.digest('hex'), entry.result.sha256);
  });

  test('a render that changes while it is sent is not sent for ever: the attempt fails and is made again', async (t) => {
    const { proxy, control } = await line(t);
    proxy.breakOneIn(0);
    const { entry, deliverIt, task } = await renderedTask(t, control, 32 * MIB);
    const size = entry.result.sizeBytes;
    let changing: Promise<void> | undefined;
    const done = await deliverIt(new ActiveTask(entry.taskId, entry.epoch), () => {
      // It is compared before it is sent.
      if (proxy.counts().bytesUp > 0) changing ??= changeEnd(entry.path, size);
    });
    await changing;
    assert.equal(done, 'failed');
    assert.ok(proxy.counts().bytesUp < size * 1.2, `${proxy.counts().bytesUp} bytes for a file of ${size}`);
    const { body } = await control.call('GET', `/v1/jobs/${task.jobId}`);
    assert.equal(body.state, 'queued');
    const key = objectKeys.output(entry.taskId, entry.epoch, entry.fileName);
    assert.equal(await control.control.objects.head(key), null);
  });

  test('the S3 server is killed again and again during an upload, which arrives', async (t) => {
    const { proxy, control } = await line(t);
    proxy.breakOneIn(0);
    const { entry, deliverIt } = await renderedTask(t, control, 64 * MIB);
    let kills = 0;
    let killing: Promise<void> = Promise.resolve();
    const killAt = (): void => {
      if (kills >= 3 || proxy.counts().bytesUp < (kills + 1) * 15 * MIB) return;
      kills += 1;
      killing = killing.then(() => server.kill()).then(() => server.restart());
    };
    const done = await deliverIt(new ActiveTask(entry.taskId, entry.epoch), killAt);
    await killing;
    assert.equal(done, 'completed');
    assert.equal(kills, 3);
    const info = await control.control.objects.head(
      objectKeys.output(entry.taskId, entry.epoch, entry.fileName),
    );
    assert.equal(info?.sizeBytes, entry.result.sizeBytes);
  });

  test('an agent that knows no parts gets one address; another content than reported is not accepted', async (t) => {
    const { proxy, control } = await line(t);
    proxy.breakOneIn(0);
    const { entry, node } = await renderedTask(t, control, 11 * MIB);
    const { taskId, epoch, fileName } = entry;
    const { sizeBytes, sha256 } = entry.result;
    const ask = { epoch, fileName, sizeBytes, sha256 };
    const place = (await control.asNode(node, `/v1/agent/tasks/${taskId}/uploads`, ask)).body;
    assert.equal(place.multipart, undefined);
    const bytes = new Uint8Array(await readFile(entry.path));
    const headers = place.headers as Record<string, string>;
    const put = (body: Uint8Array<ArrayBuffer>) =>
      fetch(place.url.replace(new URL(place.url).origin, server.url), { method: 'PUT', headers, body });
    // For the proxy's address it was signed, and for these bytes.
    assert.equal((await put(bytes)).status, 403);
    const direct = await control.control.objects.presignPut(place.key, { sizeBytes, sha256, ttlSeconds: 60 });
    const sent = await fetch(direct.url, { method: 'PUT', headers: direct.headers, body: bytes });
    assert.equal(sent.status, 200);
    const result = { ...entry.result, key: place.key, overheadMs: 0 };
    const lie = { epoch, result: { ...result, sha256: 'f'.repeat(64) } };
    const refused = await control.asNode(node, `/v1/agent/tasks/${taskId}/complete`, lie);
    assert.equal(refused.body.error.code, 'OUTPUT_INVALID');
    const done = await control.asNode(node, `/v1/agent/tasks/${taskId}/complete`, { epoch, result });
    assert.equal(done.status, 200);
  });

  test('parts that make up another file than announced are thrown away', async (t) => {
    const { proxy, control } = await line(t);
    proxy.breakOneIn(0);
    const { entry, node } = await renderedTask(t, control, 11 * MIB);
    const { taskId, epoch, fileName } = entry;
    const { sizeBytes } = entry.result;
    const ask = { epoch, fileName, sizeBytes, sha256: 'e'.repeat(64), parts: true };
    const path = `/v1/agent/tasks/${taskId}/uploads`;
    const { key, multipart } = (await control.asNode(node, path, ask)).body;
    assert.deepEqual([multipart.parts.length, multipart.sentBytes, multipart.done], [3, 0, false]);
    const bytes = new Uint8Array(await readFile(entry.path));
    for (const { number, url } of multipart.parts) {
      const body = bytes.slice((number - 1) * multipart.partBytes, number * multipart.partBytes);
      assert.equal((await fetch(url, { method: 'PUT', body })).status, 200);
    }
    const refused = await control.asNode(node, path, ask);
    assert.equal(refused.body.error.code, 'OBJECT_CORRUPT');
    assert.equal(await control.control.objects.head(key), null);
    const anew = (await control.asNode(node, path, ask)).body;
    assert.equal(anew.multipart.sentBytes, 0);
    // What nobody ends is removed after three days.
    const signal = new AbortController().signal;
    assert.equal((await cleanUp(control.control, signal)).uploads, 0);
    assert.equal(await control.control.objects.multipart?.abortBefore(Date.now() + 60_000), 1);
  });
});

/** A task that a node has claimed, and a file of this size as its render. */
async function renderedTask(t: TestContext, control: TestControl, size: number) {
  const node = await control.addNode(`node-${randomBytes(3).toString('hex')}`);
  await control.addTemplate();
  const jobId = await control.submit();
  const { task } = (await control.asNode(node, '/v1/agent/claim', claimBody())).body;
  const directory = await mkdtemp(join(control.directory, 'render-'));
  const path = join(directory, 'main.mp4');
  await randomFile(path, size);
  const { sha256, sizeBytes } = await digestFile(path);
  const result = {
    sha256,
    sizeBytes,
    frames: 10,
    durationMs: 1000,
    width: 64,
    height: 64,
    codec: 'h264',
    renderMs: 5,
  };
  const entry: OutputEntry = {
    kind: 'output',
    taskId: task.id,
    epoch: task.epoch,
    path,
    workspace: directory,
    fileName: 'main.mp4',
    result,
    startedAt: Date.now(),
    key: null,
  };
  const http = createSignedHttp({
    url: control.url,
    keyId: node.id,
    secret: node.secret,
    clock: systemClock,
  });
  t.after(() => http.close());
  const { logger } = keptLog();
  const outbox = await openOutbox(join(directory, 'outbox'), logger);
  await outbox.put(entry);
  const deliverIt = async (active: ActiveTask, onChunk: () => unknown): Promise<Delivered> => {
    const transfers = createTransfers(systemClock);
    const timer = setInterval(onChunk, 1);
    try {
      return await deliver(outbox.list()[0] ?? entry, active, {
        api: createAgentApi(http),
        transfers,
        outbox,
        clock: systemClock,
        logger,
        isFresh: false,
        digestOf: fileDigest,
        pause: (ms, signal) => sleep(Math.min(ms, 200), systemClock, signal),
        onDenied: async () => undefined,
        letGo: async () => undefined,
      });
    } finally {
      clearInterval(timer);
      await transfers.close();
    }
  };
  return { node, task: { ...task, jobId }, entry, deliverIt };
}

/** Other bytes at its end, of the same number. */
async function changeEnd(path: string, size: number): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(randomBytes(1000), 0, 1000, size - 1000);
  await file.close();
}

async function randomFile(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w');
  for (let left = bytes; left > 0; left -= MIB) await file.write(randomBytes(Math.min(MIB, left)));
  await file.close();
}
