import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openClaimJournal } from '../../../src/agent/claim-journal.ts';
import { type OutputEntry, openOutbox } from '../../../src/agent/outbox.ts';
import { bestGpu, diskOf } from '../../../src/agent/system-info.ts';
import { taskErrorOf } from '../../../src/agent/task-error.ts';
import { ASSET_FILE, placeAsset } from '../../../src/agent/template-cache.ts';
import { attemptName, createWorkspaces, roomFor, roomForFrames } from '../../../src/agent/workspace.ts';
import type { Manifest } from '../../../src/bundle/manifest.ts';
import type { EngineSettings } from '../../../src/engines/engine.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { keptLog } from '../../helpers/agent-under-test.ts';
import { SMALL_OUTPUT } from '../../helpers/fake-control.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'flatrender-state-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

const entry: OutputEntry = {
  kind: 'output',
  taskId: 'j1.0',
  epoch: 1,
  path: '/scratch/j1.0-1/output.mp4',
  workspace: '/scratch/j1.0-1',
  fileName: 'output.mp4',
  result: {
    sha256: 'a'.repeat(64),
    sizeBytes: 1,
    frames: 1,
    durationMs: 1,
    width: 2,
    height: 2,
    codec: 'h264',
    renderMs: 1,
  },
  startedAt: 1,
  key: null,
};

test('what is in the outbox is there after a restart, in its last state', async (t) => {
  const dir = await directory(t);
  const log = keptLog();
  const outbox = await openOutbox(dir, log.logger);
  await outbox.put(entry);
  await outbox.put({ ...entry, key: 'outputs/x' });
  await outbox.put({ kind: 'fail', taskId: 'j2.0', epoch: 3, error: { code: 'INTERNAL', message: 'x' } });
  await outbox.put({ ...entry, taskId: 'j3.0' });
  await outbox.remove({ taskId: 'j3.0', epoch: 1 });
  const again = await openOutbox(dir, log.logger);
  assert.deepEqual(again.list(), outbox.list());
  assert.equal((again.get('j1.0', 1) as OutputEntry).key, 'outputs/x');
  assert.equal(again.get('j1.0', 2), undefined);
  assert.equal(again.size, 2);
});

test('a damaged outbox entry is removed with a warning and hurts no other', async (t) => {
  const dir = await directory(t);
  const log = keptLog();
  await (await openOutbox(dir, log.logger)).put(entry);
  await writeFile(join(dir, 'j9.0-1.json'), '');
  await writeFile(join(dir, 'j8.0-1.json.next'), '{"kind"');
  const outbox = await openOutbox(dir, log.logger);
  assert.equal(outbox.size, 1);
  assert.deepEqual(await readdir(dir), ['j1.0-1.json']);
  assert.deepEqual(log.events(), ['outbox.damaged']);
});

test('a disk that takes no entry costs the persistence, not the report', async (t) => {
  const dir = await directory(t);
  const log = keptLog();
  const outbox = await openOutbox(join(dir, 'outbox'), log.logger);
  await rm(join(dir, 'outbox'), { recursive: true });
  await outbox.put(entry);
  assert.equal(outbox.size, 1);
  assert.deepEqual(log.events(), ['outbox.unwritable']);
});

test('the claim journal keeps the pending id until it is answered, and what runs, across restarts', async (t) => {
  const dir = await directory(t);
  const { logger } = keptLog();
  const open = () => openClaimJournal(dir, manualClock(), logger);
  const journal = await open();
  const first = journal.pending;
  assert.equal((await open()).pending, first);
  await journal.claimed({ claimId: first, taskId: 'j1.0', epoch: 1, restarts: 0 });
  assert.notEqual(journal.pending, first);
  const again = await open();
  assert.equal(again.pending, journal.pending);
  assert.deepEqual(again.running, [{ claimId: first, taskId: 'j1.0', epoch: 1, restarts: 0 }]);
  await again.ended('j1.0', 2);
  assert.equal(again.running.length, 1, 'another attempt');
  await again.ended('j1.0', 1);
  assert.deepEqual((await open()).running, []);
  await writeFile(join(dir, 'claims.json'), '{');
  assert.deepEqual((await open()).running, []);
});

test('a workspace is empty when it is made and gone when it is removed; leftovers go at start unless needed', async (t) => {
  const dir = join(await directory(t), 'work');
  const workspaces = createWorkspaces({ directory: dir, minFreeBytes: 0, logger: keptLog().logger });
  await workspaces.clean(new Set());
  const path = await workspaces.create('j1.0', 1);
  assert.equal(path, workspaces.pathOf('j1.0', 1));
  await writeFile(join(path, 'old'), 'x');
  assert.deepEqual(await readdir(await workspaces.create('j1.0', 1)), []);
  await mkdir(join(dir, 'j2.0-1'));
  await writeFile(join(dir, 'j3.0-1'), 'a file');
  assert.equal(await workspaces.clean(new Set([path])), 2);
  assert.deepEqual(await readdir(dir), ['j1.0-1']);
  await workspaces.remove(path);
  assert.deepEqual(await readdir(dir), []);
});

test('no task id becomes a path outside the scratch directory', () => {
  assert.equal(attemptName('j01h2x3y4z5a6b7c8.12', 3), 'j01h2x3y4z5a6b7c8.12-3');
  for (const id of ['../x', '..', '/etc', 'a/b', 'a\\b', '', '.hidden', 'c:x', 'x'.repeat(80)]) {
    assert.throws(() => attemptName(id, 1), { code: 'REQUEST_INVALID' }, id);
  }
});

test('room is made in the cache before a task is refused for want of it', async (t) => {
  const dir = await directory(t);
  let free = 900;
  const options = {
    directory: dir,
    minFreeBytes: 1000,
    logger: keptLog().logger,
    freeBytes: async () => free,
  };
  const workspaces = createWorkspaces(options);
  const asked: number[] = [];
  const makeRoom = async (bytes: number) => {
    asked.push(bytes);
    free += bytes;
    return bytes;
  };
  await workspaces.checkRoom(500, makeRoom);
  await workspaces.checkRoom(500, makeRoom);
  assert.deepEqual(asked, [600], 'only what is missing, and only once');
  await assert.rejects(
    workspaces.checkRoom(500_000_000, async () => 0),
    { code: 'DISK_FULL', retryable: true, message: /needs 500 MB/ },
  );
});

test('a node has room while what must stay free is free; the cache gives way first', async (t) => {
  let free = 900;
  const workspaces = createWorkspaces({
    directory: await directory(t),
    minFreeBytes: 1000,
    logger: keptLog().logger,
    freeBytes: async () => free,
  });
  assert.equal(await workspaces.hasRoom(async () => 0), false);
  const makeRoom = async (bytes: number) => {
    free += bytes;
    return bytes;
  };
  assert.equal(await workspaces.hasRoom(makeRoom), true);
});

test('the room a task needs grows with its inputs, frames and size', () => {
  const hd = { ...SMALL_OUTPUT, width: 1920, height: 1080, fps: 30, durationSeconds: 60 };
  const room = roomFor(100e6, hd);
  assert.ok(room > 300e6 && room < 800e6, `${room} bytes for a minute of HD`);
  assert.ok(roomFor(100e6, { ...hd, durationSeconds: 120 }) > room);
  assert.equal(roomFor(0, { ...hd, container: 'png' }), 2 * 4 * 1920 * 1080);
});

test('the single frames of After Effects need room until they are encoded', () => {
  const hd = { ...SMALL_OUTPUT, width: 640, height: 360, fps: 30, durationSeconds: 60 };
  const request = (parts: { mode?: 'sequence' | 'movie'; module?: string; path?: string } = {}) =>
    roomForFrames({
      engine: 'aerender',
      output: hd,
      manifest: {
        composition: { width: 1920, height: 1080, fps: 25, duration: 90 },
        engines: { aerender: { mode: 'sequence' } },
      } as unknown as Manifest,
      settings: {
        aerender: {
          path: parts.path ?? '/ae',
          mode: parts.mode ?? null,
          outputModules: { sequence: parts.module ?? null, movie: null },
        },
      } as unknown as EngineSettings,
    });
  assert.equal(request(), 60 * 25 * 1920 * 1080 * 4);
  assert.deepEqual(
    [request({ mode: 'movie' }), request({ module: 'PNG Sequence' }), request({ path: '' })],
    [0, 0, 0],
  );
});

test('an input file appears in the workspace under the extension its user gave it, if that is one', async (t) => {
  const dir = await directory(t);
  await writeFile(join(dir, ASSET_FILE), 'sound');
  const cached = { path: dir, hit: true, [Symbol.dispose]: () => undefined };
  const sha256 = '0123456789abcdef'.repeat(4);
  const place = (name: string) => placeAsset(cached, { sha256, name }, join(dir, `w-${name.length}`));
  assert.match(await place('My Song.MP3'), /inputs.0123456789abcdef\.mp3$/);
  assert.match(await place('evil.../../x;rm'), /inputs.0123456789abcdef$/);
  const path = await place('logo.png');
  assert.equal(await readFile(path, 'utf8'), 'sound');
  assert.equal(await place('logo.png'), path, 'a second input with the same file');
});

test('trouble of this machine may be retried elsewhere; what is wrong with the job may not', () => {
  const system = (code: string) => taskErrorOf(Object.assign(new Error(`${code}: x`), { code }));
  assert.deepEqual([system('ENOSPC').code, system('ENOSPC').retryable], ['DISK_FULL', true]);
  assert.deepEqual([system('EACCES').code, system('EACCES').retryable], ['UNAVAILABLE', true]);
  const of = (error: unknown) => {
    const { code, retryable } = taskErrorOf(error);
    return [code, retryable];
  };
  assert.deepEqual(of(new TypeError('a bug')), ['INTERNAL', true]);
  assert.deepEqual(of(new FlatrenderError('ENGINE_UNAVAILABLE', 'x')), ['ENGINE_UNAVAILABLE', true]);
  assert.deepEqual(of(new FlatrenderError('OBJECT_CORRUPT', 'x')), ['OBJECT_CORRUPT', true]);
  assert.deepEqual(of(new FlatrenderError('FONT_MISSING', 'x')), ['FONT_MISSING', false]);
  assert.equal(taskErrorOf(new Error('x'.repeat(10_000))).message.length, 4096);
});

test('the GPU is the one with the most memory; display adapters without any are none', () => {
  assert.equal(bestGpu([]), null);
  assert.equal(bestGpu([{ vendor: 'Red Hat', model: 'Virtio', vram: null }]), null);
  const card = {
    name: 'NVIDIA GeForce RTX 4090',
    memoryTotal: 24_576,
    memoryUsed: 4200,
    memoryFree: 20_376,
    vram: 24_576,
  };
  assert.deepEqual(bestGpu([{ model: 'Intel UHD', vram: 1024 }, card]), {
    name: 'NVIDIA GeForce RTX 4090',
    vram: { total: 24_576, used: 4200, free: 20_376 },
  });
  assert.deepEqual(bestGpu([{ model: 'Intel UHD', vram: 1024 }])?.vram, {
    total: 1024,
    used: null,
    free: null,
  });
});

test('the disk is the one that holds the scratch directory', () => {
  const GB = 1024 ** 3;
  const disks = [
    { mount: '/', size: 10 * GB, available: 1 * GB },
    { mount: '/srv', size: 100 * GB, available: 60 * GB },
    { mount: '/srv2', size: 5 * GB, available: 5 * GB },
  ];
  assert.deepEqual(diskOf(disks, '/srv/farm/work'), { total: 102_400, used: 40_960, free: 61_440 });
  assert.deepEqual(diskOf(disks, '/home/x')?.total, 10_240);
  assert.equal(diskOf([], '/x'), null);
});
