import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ContentCache, type Fill, openContentCache } from '../../../src/agent/content-cache.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const logger = createLogger({ level: 'silent' });
const digest = (text: string) => createHash('sha256').update(text).digest('hex');
const never = new AbortController().signal;

async function setUp(t: TestContext, maxBytes = 1000) {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-cache-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const clock = manualClock(Date.now());
  const open = (limit = maxBytes) => openContentCache({ directory, maxBytes: limit, clock, logger });
  return { directory, clock, open, cache: await open() };
}

/** Makes an entry with one file, and counts how often. */
function filling(text: string): Fill & { calls: number } {
  const fill = async (directory: string): Promise<undefined> => {
    fill.calls += 1;
    await mkdir(directory);
    await writeFile(join(directory, 'file'), text);
  };
  fill.calls = 0;
  return fill;
}

async function use(cache: ContentCache, text: string, fill: Fill = filling(text)): Promise<boolean> {
  using entry = await cache.acquire('asset', digest(text), fill, never);
  assert.equal(await readFile(join(entry.path, 'file'), 'utf8'), text);
  return entry.hit;
}

test('an entry is made once, however many want it at the same time', async (t) => {
  const { cache } = await setUp(t);
  const fill = filling('film');
  const hits = await Promise.all(Array.from({ length: 8 }, () => use(cache, 'film', fill)));
  assert.equal(fill.calls, 1);
  assert.deepEqual(hits, Array(8).fill(false));
  assert.equal(await use(cache, 'film', fill), true);
  assert.equal(fill.calls, 1);
});

test('whoever gives up does not spoil it for the others; when all give up the work is aborted', async (t) => {
  const { cache, directory } = await setUp(t);
  const started = Promise.withResolvers<AbortSignal>();
  const release = Promise.withResolvers<void>();
  const slow: Fill = async (path, signal) => {
    started.resolve(signal);
    await Promise.race([
      release.promise,
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    ]);
    await mkdir(path);
    await writeFile(join(path, 'file'), 'film');
    return undefined;
  };
  const impatient = new AbortController();
  const gaveUp = cache.acquire('asset', digest('film'), slow, impatient.signal);
  const patient = cache.acquire('asset', digest('film'), slow, never);
  const flight = await started.promise;
  impatient.abort(new FlatrenderError('ABORTED', 'cancelled'));
  await assert.rejects(gaveUp, { message: 'cancelled' });
  assert.equal(flight.aborted, false);
  release.resolve();
  (await patient)[Symbol.dispose]();

  const second = Promise.withResolvers<AbortSignal>();
  const endless: Fill = (_, signal) => {
    second.resolve(signal);
    return new Promise((__, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  const alone = new AbortController();
  const waiting = cache.acquire('asset', digest('other'), endless, alone.signal);
  const signal = await second.promise;
  alone.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  assert.equal(signal.aborted, true);
  assert.deepEqual(await readdir(join(directory, 'tmp')), []);
});

test('a failed entry leaves nothing and is tried again by the next', async (t) => {
  const { cache, directory } = await setUp(t);
  const broken: Fill = async (path) => {
    await mkdir(path);
    await writeFile(join(path, 'file'), 'half');
    throw new FlatrenderError('BUNDLE_REFUSED', 'hostile');
  };
  await assert.rejects(cache.acquire('asset', digest('film'), broken, never), { code: 'BUNDLE_REFUSED' });
  assert.deepEqual(await readdir(join(directory, 'tmp')), []);
  assert.equal(await use(cache, 'film'), false);
});

test('beyond the size limit the least recently used go first, and none that is in use', async (t) => {
  const { cache, clock } = await setUp(t, 25);
  const texts = ['aaaaaaaaaa', 'bbbbbbbbbb', 'cccccccccc'];
  using held = await cache.acquire('asset', digest(texts[0] ?? ''), filling(texts[0] ?? ''), never);
  for (const text of texts.slice(1)) {
    await clock.advance(1000);
    await use(cache, text);
  }
  const present = () => texts.map((text) => cache.has('asset', digest(text)));
  assert.deepEqual(present(), [true, false, true], 'the one in use stays, the older unused one goes');
  assert.equal(await readFile(join(held.path, 'file'), 'utf8'), texts[0]);
  assert.ok(cache.sizeBytes <= 25);
});

test('an entry larger than the whole cache is usable and goes when it is released', async (t) => {
  const { cache } = await setUp(t, 5);
  await use(cache, 'more than five bytes');
  assert.equal(await cache.free(0), 0);
  assert.equal(cache.has('asset', digest('more than five bytes')), false);
});

test('room is made on request from unused entries', async (t) => {
  const { cache, clock } = await setUp(t);
  for (const text of ['aaaaaaaaaa', 'bbbbbbbbbb', 'cccccccccc']) {
    await clock.advance(1000);
    await use(cache, text);
  }
  assert.equal(await cache.free(15), 20);
  assert.deepEqual(
    ['aaaaaaaaaa', 'bbbbbbbbbb', 'cccccccccc'].map((text) => cache.has('asset', digest(text))),
    [false, false, true],
  );
});

test('entries survive a restart, half-made ones do not, and interrupted downloads are kept for a day', async (t) => {
  const { cache, directory, clock, open } = await setUp(t);
  await use(cache, 'film');
  await mkdir(join(directory, 'tmp', 'asset-half.1'), { recursive: true });
  await mkdir(join(directory, `asset-${digest('no entry file')}`));
  const part = cache.partPath({ url: '', sha256: digest('part'), sizeBytes: 9 });
  await writeFile(part, 'half of it');
  const again = await open();
  assert.deepEqual(await readdir(join(directory, 'tmp')), []);
  assert.equal(again.has('asset', digest('no entry file')), false);
  const fill = filling('film');
  assert.equal(await use(again, 'film', fill), true);
  assert.equal(fill.calls, 0);
  assert.equal(await readFile(part, 'utf8'), 'half of it');
  await clock.advance(25 * 3600 * 1000);
  await open();
  assert.deepEqual(await readdir(join(directory, 'parts')), []);
});

test('an entry that changed while the agent was down is made anew instead of rendered', async (t) => {
  const { cache, directory, open } = await setUp(t);
  await use(cache, 'film');
  const path = join(directory, `asset-${digest('film')}`, 'files', 'file');
  for (const damage of ['fil', 'filM', '']) {
    await writeFile(path, damage);
    const fill = filling('film');
    assert.equal(await use(await open(), 'film', fill), false, `"${damage}"`);
    assert.equal(fill.calls, 1);
  }
});

test('an entry whose file was truncated under the running agent is made anew instead of rendered', async (t) => {
  const { cache, directory } = await setUp(t);
  const fill = filling('film');
  await use(cache, 'film', fill);
  await writeFile(join(directory, `asset-${digest('film')}`, 'files', 'file'), 'fi');
  assert.equal(await use(cache, 'film', fill), false);
  assert.equal(fill.calls, 2);
});

test('an entry that somebody removed under the running agent is made anew', async (t) => {
  const { cache, directory } = await setUp(t);
  await use(cache, 'film');
  await rm(join(directory, `asset-${digest('film')}`), { recursive: true });
  assert.equal(await use(cache, 'film'), false);
});

test('a smaller limit is kept from the start', async (t) => {
  const { cache, open } = await setUp(t);
  await use(cache, 'aaaaaaaaaa');
  const again = await open(5);
  assert.equal(again.sizeBytes, 0);
});
