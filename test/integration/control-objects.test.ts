import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import { cleanUp } from '../../src/control/background.ts';
import { claimBody, finish, startTestControl } from '../helpers/control.ts';
import { manualClock } from '../helpers/manual-clock.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test('a file is uploaded once by a signed URL, downloaded whole and in ranges', async () => {
  await using farm = await startTestControl();
  const bytes = randomBytes(3_000_000);
  const ask = { kind: 'asset', sha256: sha256(bytes), sizeBytes: bytes.length };
  const { body: grant } = await farm.call('POST', '/v1/uploads', ask);
  assert.equal(grant.key, `assets/${ask.sha256}`);
  const put = await fetch(grant.url, {
    method: 'PUT',
    headers: { ...grant.headers, 'content-type': 'application/json' },
    body: bytes,
  });
  assert.equal(put.status, 200, await put.text());
  assert.equal((await farm.call('POST', '/v1/uploads', ask)).body.url, null, 'it is there already');

  const url = await farm.control.objects.presignGet(grant.key, { ttlSeconds: 60, baseUrl: farm.url });
  const get = async (headers: Record<string, string> = {}, method = 'GET') => {
    const answer = await fetch(url, { method, headers });
    return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
  };
  const whole = await get();
  assert.equal(whole.status, 200);
  assert.ok(whole.bytes.equals(bytes));
  assert.equal(whole.headers.get('etag'), `"${ask.sha256}"`);
  const head = await get({}, 'HEAD');
  assert.deepEqual([head.status, head.headers.get('content-length'), head.bytes.length], [200, '3000000', 0]);
  for (const [range, start, end] of [
    ['bytes=0-99', 0, 99],
    ['bytes=2999990-', 2_999_990, 2_999_999],
    ['bytes=-5', 2_999_995, 2_999_999],
    ['bytes=100-99999999', 100, 2_999_999],
  ] as const) {
    const part = await get({ range });
    assert.equal(part.status, 206, range);
    assert.equal(part.headers.get('content-range'), `bytes ${start}-${end}/3000000`);
    assert.ok(part.bytes.equals(bytes.subarray(start, end + 1)), range);
  }
  const beyond = await get({ range: 'bytes=3000000-' });
  assert.equal(beyond.status, 416);
  assert.equal(JSON.parse(beyond.bytes.toString()).error.code, 'OBJECT_RANGE');
  assert.equal((await get({ range: 'bytes=0-1,5-6' })).status, 200);
  assert.equal((await get({ range: 'bytes=0-9', 'if-range': '"another"' })).status, 200);
  assert.equal((await get({ 'if-none-match': `"${ask.sha256}"` })).status, 304);
});

test('an upload that is not what was announced leaves nothing behind', async () => {
  await using farm = await startTestControl();
  const bytes = randomBytes(1000);
  const { body: grant } = await farm.call('POST', '/v1/uploads', {
    kind: 'asset',
    sha256: sha256(bytes),
    sizeBytes: 1000,
  });
  const put = async (body: Uint8Array<ArrayBuffer>) => {
    const answer = await fetch(grant.url, { method: 'PUT', body });
    return ((await answer.json()) as { error?: { code: string } }).error?.code;
  };
  assert.equal(await put(randomBytes(1000)), 'OBJECT_CORRUPT');
  assert.equal(await put(randomBytes(999)), 'OBJECT_CORRUPT');
  assert.equal(await farm.control.objects.head(grant.key), null);
  await new Promise<void>((resolve) => {
    const cut = request(grant.url, { method: 'PUT', headers: { 'content-length': 1000 } });
    cut.on('error', () => resolve());
    cut.on('close', () => resolve());
    cut.write(bytes.subarray(0, 500), () => cut.destroy());
  });
  assert.equal(await farm.control.objects.head(grant.key), null);
  assert.equal(await put(bytes), undefined);
});

test('an upload that is refused half-way hears why before the connection ends', async () => {
  await using farm = await startTestControl();
  const { objects } = farm.control;
  const key = `assets/${'a'.repeat(64)}`;
  const { url } = await objects.presignPut(key, {
    sizeBytes: 10,
    sha256: 'a'.repeat(64),
    ttlSeconds: 60,
    baseUrl: farm.url,
  });
  for (const target of [url, `${farm.url}/objects/${key}?signature=none`]) {
    // Of no announced length, and far more than fits into the buffers of a connection.
    const put = request(target, { method: 'PUT', agent: false });
    put.on('error', () => undefined);
    for (let i = 0; i < 40; i += 1) put.write(Buffer.alloc(1024 * 1024));
    put.end();
    const [response] = (await once(put, 'response')) as [IncomingMessage];
    const text = Buffer.concat(await response.toArray()).toString();
    assert.match(
      `${response.statusCode} ${JSON.parse(text).error.code}`,
      /^(422 OBJECT_CORRUPT|403 OBJECT_URL_INVALID)$/,
    );
  }
});

test('an upload may ask first whether it is welcome (Expect: 100-continue)', async () => {
  await using farm = await startTestControl();
  const bytes = randomBytes(1000);
  const { body: grant } = await farm.call('POST', '/v1/uploads', {
    kind: 'asset',
    sha256: sha256(bytes),
    sizeBytes: 1000,
  });
  const status = await new Promise((resolve, reject) => {
    const put = request(grant.url, {
      method: 'PUT',
      headers: { expect: '100-continue', 'content-length': 1000 },
    });
    put.on('continue', () => put.end(bytes));
    put.on('response', (response) => resolve(response.resume().statusCode));
    put.on('error', reject);
  });
  assert.equal(status, 200);
});

test('an expired URL says that it is expired', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.control.objects.put('assets/a', Buffer.from('a'));
  const url = await farm.control.objects.presignGet('assets/a', { ttlSeconds: 60, baseUrl: farm.url });
  assert.equal((await fetch(url)).status, 200);
  await clock.advance(61_000);
  const late = (await (await fetch(url)).json()) as { error: { code: string } };
  assert.equal(late.error.code, 'OBJECT_URL_EXPIRED');
});

test('a node uploads its output, completes without another look at the disk, and the output is downloaded', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  const job = await farm.submit({ name: 'Quarterly / review' });
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  const film = randomBytes(5000);
  const { body: upload } = await farm.asNode(node, `/v1/agent/tasks/${task.id}/uploads`, {
    epoch: task.epoch,
    fileName: 'main.mp4',
    sizeBytes: film.length,
    sha256: sha256(film),
  });
  assert.equal(upload.key, `outputs/${job}/${task.id}-1/main.mp4`);
  assert.equal((await fetch(upload.url, { method: 'PUT', headers: upload.headers, body: film })).status, 200);
  const result = {
    key: upload.key,
    sha256: sha256(film),
    sizeBytes: 5000,
    frames: 10,
    durationMs: 1000,
    width: 64,
    height: 64,
    codec: 'h264',
    renderMs: 1,
    overheadMs: 1,
  };
  const completed = await farm.asNode(node, `/v1/agent/tasks/${task.id}/complete`, { epoch: 1, result });
  assert.deepEqual(completed.body, { taskId: task.id, state: 'succeeded', epoch: 1 });
  const { body } = await farm.call('GET', `/v1/jobs/${job}/output`);
  assert.equal(body.outputs[0].fileName, 'Quarterly - review-main.mp4');
  const answer = await fetch(body.outputs[0].url);
  assert.equal(answer.headers.get('content-type'), 'video/mp4');
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(film));
});

test('a job whose input file was not uploaded, or has another size, is refused', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const logo = { asset: 'c'.repeat(64), name: 'logo.png', sizeBytes: 10 };
  const submit = async () =>
    (await farm.call('POST', '/v1/jobs', { template: 'mock-template', inputs: { logo } })).body;
  assert.match((await submit()).error.message, /"logo.png".* was not uploaded/);
  await farm.control.objects.put(`assets/${logo.asset}`, Buffer.from('123'));
  assert.match((await submit()).error.message, /has 3 bytes, not 10/);
});

test('previews are kept while a task renders, not too many, and only from who renders it', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  const [node, other] = [await farm.addNode('studio-1'), await farm.addNode('studio-2')];
  const job = await farm.submit();
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  const jpeg = '\u00ff';
  const path = `/v1/agent/tasks/${task.id}/preview`;
  const send = (who: typeof node, body = jpeg) =>
    farm.asNode(who, path, body, { method: 'PUT', query: `epoch=${task.epoch}`, contentType: 'image/jpeg' });
  assert.equal((await send(node)).body.error.code, 'REQUEST_INVALID', 'no JPEG');
  assert.equal((await send(other)).body.error.code, 'LEASE_LOST');
  assert.equal((await send(node, 'x'.repeat(600_000))).status, 413);
  farm.control.previews.put(task.id, Uint8Array.of(0xff, 0xd8, 0xff, 1));
  const shown = await fetch(`${farm.url}/v1/jobs/${job}/preview`, {
    headers: { authorization: `Bearer ${farm.token}` },
  });
  assert.equal(shown.headers.get('content-type'), 'image/jpeg');
  assert.deepEqual([...new Uint8Array(await shown.arrayBuffer())], [0xff, 0xd8, 0xff, 1]);
  assert.throws(() => farm.control.previews.put(task.id, Uint8Array.of(0xff, 0xd8, 0xff)), {
    code: 'RATE_LIMITED',
  });
  await finish(farm, node, task);
  assert.equal((await farm.call('GET', `/v1/jobs/${job}/preview`)).status, 404);
});

test('log lines are read on from a cursor, and their end is known', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  const job = await farm.submit();
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  const log = (line: string) =>
    farm.asNode(node, `/v1/agent/tasks/${task.id}/log`, {
      epoch: task.epoch,
      lines: [{ at: '2026-01-28T10:30:00.000Z', stream: 'engine', line }],
    });
  assert.equal((await log('first')).status, 204);
  const one = (await farm.call('GET', `/v1/jobs/${job}/log`)).body;
  assert.deepEqual(one.lines, [
    { task: task.id, epoch: 1, at: '2026-01-28T10:30:00.000Z', stream: 'engine', line: 'first' },
  ]);
  assert.equal(one.ended, false);
  await finish(farm, node, task);
  assert.equal((await log('last words')).status, 204, 'lines may come after the report');
  const two = (await farm.call('GET', `/v1/jobs/${job}/log?after=${one.next}`)).body;
  assert.deepEqual(
    two.lines.map((line: { line: string }) => line.line),
    ['last words'],
  );
  assert.equal(two.ended, true);
});

test('the clean-up removes what is old and unused, and nothing else', async () => {
  const clock = manualClock(Date.now());
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  const { objects } = farm.control;
  const used = 'c'.repeat(64);
  const unused = 'd'.repeat(64);
  for (const asset of [used, unused]) await objects.put(`assets/${asset}`, Buffer.from('x'));
  await objects.put(`bundles/${'b'.repeat(64)}.zip`, Buffer.from('x'));
  await objects.put(`bundles/${'e'.repeat(64)}.zip`, Buffer.from('x'));
  const old = await farm.submit();
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  await finish(farm, node, task);
  const waiting = await farm.submit({ inputs: { logo: { asset: used, name: 'logo.png', sizeBytes: 1 } } });
  const signal = new AbortController().signal;
  assert.deepEqual(await cleanUp(farm.control, signal), {
    jobs: 0,
    outputs: 0,
    assets: 0,
    bundles: 0,
    keys: 0,
    uploads: 0,
    webhooks: 0,
    audit: 0,
  });
  clock.leap(31 * 86_400_000);
  assert.deepEqual(await cleanUp(farm.control, signal), {
    jobs: 1,
    outputs: 1,
    assets: 1,
    bundles: 1,
    keys: 0,
    uploads: 0,
    webhooks: 0,
    audit: 0,
  });
  assert.equal((await farm.call('GET', `/v1/jobs/${old}`)).status, 404);
  assert.equal((await farm.call('GET', `/v1/jobs/${waiting}`)).body.state, 'queued');
  assert.notEqual(await objects.head(`assets/${used}`), null);
  assert.equal(await objects.head(`assets/${unused}`), null);
  assert.notEqual(await objects.head(`bundles/${'b'.repeat(64)}.zip`), null);
});
