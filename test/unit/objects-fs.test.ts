import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Clock } from '../../src/lib/clock.ts';
import { createFsObjectStore, signObjectUrl, verifyObjectUrl } from '../../src/objects/fs.ts';
import { sha256Of } from '../conformance/object-store.ts';

const NOW = 1_750_000_000_000;
const clock: Clock = { now: () => NOW, after: () => () => undefined };
const bytes = Buffer.from('some bytes');

async function temporary(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'flatrender-objects-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const openStore = (directory: string) =>
  createFsObjectStore({ directory, secret: 'secret', baseUrl: 'http://10.66.0.1:8088', clock });

test('a digest survives a restart without reading the object again', async () => {
  await using dir = await temporary();
  const first = await openStore(dir.path);
  const info = await first.put('assets/x', bytes);
  await first.close();
  // Other bytes of the same length and time: only a store that reads them would notice.
  const file = join(dir.path, 'assets', 'x');
  await writeFile(file, Buffer.alloc(bytes.length));
  await utimes(file, NOW / 1000, NOW / 1000);
  const second = await openStore(dir.path);
  assert.deepEqual(await second.head('assets/x'), info);
  await second.close();
});

test('a digest that was lost or belongs to another content is computed again and kept', async () => {
  await using dir = await temporary();
  const store = await openStore(dir.path);
  await store.put('assets/x', bytes);
  const beside = join(dir.path, 'assets', 'x~');
  for (const spoil of [
    () => unlink(beside),
    () => writeFile(beside, 'torn'),
    () => writeFile(beside, `${'0'.repeat(64)} 3 4\n`),
  ]) {
    await spoil();
    assert.equal((await store.head('assets/x'))?.sha256, sha256Of(bytes));
    assert.match(await readFile(beside, 'utf8'), new RegExp(`^${sha256Of(bytes)} 10 \\d+\n$`));
  }
  await store.close();
});

test('modification times come from the clock', async () => {
  await using dir = await temporary();
  const store = await openStore(dir.path);
  assert.equal((await store.put('a', bytes)).modifiedAt, NOW);
  assert.equal((await store.head('a'))?.modifiedAt, NOW);
  await store.close();
});

test('opening removes leftovers of killed uploads, empty folders and stray digests, and nothing else', async () => {
  await using dir = await temporary();
  const first = await openStore(dir.path);
  await first.put('outputs/j1/t1/a.mp4', bytes);
  await first.close();
  await mkdir(join(dir.path, 'outputs', 'j2', 'deep', 'er'), { recursive: true });
  await mkdir(join(dir.path, 'outputs', 'j3'), { recursive: true });
  await writeFile(join(dir.path, 'outputs', 'j3', 'gone.mp4~'), 'digest of nothing');
  for (const [name, ageHours] of [
    ['old', 25],
    ['young', 23],
  ] as const) {
    await writeFile(join(dir.path, '~tmp', name), 'part');
    const at = NOW / 1000 - ageHours * 3600;
    await utimes(join(dir.path, '~tmp', name), at, at);
  }
  const second = await openStore(dir.path);
  assert.deepEqual(await readdir(join(dir.path, '~tmp')), ['young']);
  assert.equal((await second.head('outputs/j1/t1/a.mp4'))?.sha256, sha256Of(bytes));
  await waitUntil(
    () => !existsSync(join(dir.path, 'outputs', 'j2')) && !existsSync(join(dir.path, 'outputs', 'j3')),
  );
  await second.close();
});

test('opening is not disturbed by a temporary file that another control plane removes at that moment', async () => {
  await using dir = await temporary();
  await mkdir(join(dir.path, '~tmp'), { recursive: true });
  // Listed, and not there any more when it is looked at.
  await symlink(join(dir.path, 'gone'), join(dir.path, '~tmp', 'other'));
  const store = await openStore(dir.path);
  await store.close();
});

test('removing the last object of a folder removes the folder', async () => {
  await using dir = await temporary();
  const store = await openStore(dir.path);
  await store.put('outputs/j1/t1/a.mp4', bytes);
  await store.put('outputs/j2/t1/a.mp4', bytes);
  await store.remove('outputs/j1/t1/a.mp4');
  assert.deepEqual(await readdir(join(dir.path, 'outputs')), ['j2']);
  await store.remove('outputs/j2/t1/a.mp4');
  assert.deepEqual(await readdir(dir.path), ['~tmp']);
  await store.close();
});

test('a refused upload leaves no temporary file', async () => {
  await using dir = await temporary();
  const store = await openStore(dir.path);
  await assert.rejects(store.put('a', bytes, { sha256: 'f'.repeat(64) }), {
    code: 'OBJECT_CORRUPT',
    message: `a: the content has sha256 ${sha256Of(bytes)}, not ${'f'.repeat(64)}`,
  });
  assert.deepEqual(await readdir(join(dir.path, '~tmp')), []);
  await store.close();
});

test('an object cannot be a folder as well', async () => {
  await using dir = await temporary();
  const store = await openStore(dir.path);
  await store.put('a/b', bytes);
  await assert.rejects(store.put('a', bytes), {
    code: 'OBJECT_EXISTS',
    message: 'a cannot be both an object and a folder of objects',
  });
  await assert.rejects(store.put('a/b/c', bytes), { code: 'OBJECT_EXISTS' });
  assert.deepEqual(await readdir(join(dir.path, '~tmp')), []);
  assert.equal((await store.head('a/b'))?.sizeBytes, bytes.length);
  await store.close();
});

test('files are for the user of the control plane only', { skip: process.platform === 'win32' }, async () => {
  await using dir = await temporary();
  const store = await openStore(join(dir.path, 'objects'));
  await store.put('a/b', bytes);
  for (const [path, mode] of [
    ['.', 0o700],
    ['a', 0o700],
    ['a/b', 0o600],
    ['a/b~', 0o600],
  ] as const) {
    assert.equal((await stat(join(dir.path, 'objects', path))).mode & 0o777, mode, path);
  }
  await store.close();
});

test('a full disk is DISK_FULL and leaves the store usable', async (t) => {
  await using dir = await temporary();
  const mount = join(dir.path, 'small');
  await mkdir(mount);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'flatrender-test', mount], { stdio: 'pipe' });
  } catch {
    t.skip('needs Linux and root with the right to mount a tmpfs');
    return;
  }
  try {
    const store = await openStore(mount);
    await assert.rejects(store.put('big', Buffer.alloc(2_000_000)), {
      code: 'DISK_FULL',
      message: 'no space left on the control plane for big',
      status: 507,
    });
    assert.deepEqual(await readdir(join(mount, '~tmp')), []);
    await store.put('small', bytes);
    await store.check();
    await store.close();
  } finally {
    execFileSync('umount', [mount]);
  }
});

test('a directory that cannot be used is UNAVAILABLE, with the reason', async () => {
  await using dir = await temporary();
  await writeFile(join(dir.path, 'file'), '');
  await assert.rejects(openStore(join(dir.path, 'file')), {
    code: 'UNAVAILABLE',
    message: /file cannot be used/,
  });
  const store = await openStore(join(dir.path, 'objects'));
  await rm(join(dir.path, 'objects'), { recursive: true });
  await assert.rejects(store.check(), { code: 'UNAVAILABLE', message: /objects cannot be used: ENOENT/ });
  await store.close();
});

const SIGNED = {
  secret: 's',
  baseUrl: 'http://h:1/',
  method: 'PUT',
  key: 'a/b.zip',
  now: NOW,
  ttlSeconds: 60,
} as const;

test('a signed URL names method, expiry and constraints', () => {
  const url = new URL(signObjectUrl({ ...SIGNED, sizeBytes: 5, sha256: 'ab' }));
  assert.equal(`${url.origin}${url.pathname}`, 'http://h:1/objects/a/b.zip');
  const { sig, ...query } = Object.fromEntries(url.searchParams);
  assert.deepEqual(query, { method: 'PUT', expires: '1750000060', size: '5', sha256: 'ab' });
  assert.match(String(sig), /^[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(
    verifyObjectUrl({ secret: 's', method: 'PUT', key: 'a/b.zip', query: { ...query, sig }, now: NOW }),
    { method: 'PUT', key: 'a/b.zip', sizeBytes: 5, sha256: 'ab' },
  );
});

test('a URL with any part changed, removed or repeated is refused', () => {
  const query = Object.fromEntries(
    new URL(signObjectUrl({ ...SIGNED, sizeBytes: 5, sha256: 'ab' })).searchParams,
  );
  const check = (change: object, request: object = {}) =>
    verifyObjectUrl({
      secret: 's',
      method: 'PUT',
      key: 'a/b.zip',
      query: { ...query, ...change },
      now: NOW,
      ...request,
    });
  check({});
  const bad: object[] = [
    { method: 'GET' },
    { expires: '1750009999' },
    { size: '6' },
    { size: undefined },
    { sha256: undefined },
  ];
  for (const change of [
    ...bad,
    { sig: '' },
    { sig: undefined },
    { sig: 'AAAA' },
    { sig: [query.sig, query.sig] },
  ]) {
    assert.throws(() => check(change), { code: 'OBJECT_URL_INVALID' }, JSON.stringify(change));
  }
  for (const request of [{ method: 'GET' }, { method: 'HEAD' }, { key: 'a/c.zip' }, { secret: 't' }]) {
    assert.throws(() => check({}, request), { code: 'OBJECT_URL_INVALID' }, JSON.stringify(request));
  }
  assert.throws(() => check({}, { now: NOW + 60_001 }), {
    code: 'OBJECT_URL_EXPIRED',
    message: 'this object URL expired at 2025-06-15T15:07:40.000Z',
  });
});

test('HEAD is allowed with the URL of a GET', () => {
  const query = Object.fromEntries(new URL(signObjectUrl({ ...SIGNED, method: 'GET' })).searchParams);
  assert.equal(
    verifyObjectUrl({ secret: 's', method: 'HEAD', key: 'a/b.zip', query, now: NOW }).method,
    'GET',
  );
});

async function waitUntil(condition: () => boolean): Promise<void> {
  const until = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < until, 'not within 5 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
