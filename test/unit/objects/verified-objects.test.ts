import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { VerifiedObjects } from '../../../src/control/verified-objects.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import type { ObjectInfo, ObjectStore } from '../../../src/objects/object-store.ts';

const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex');
const RIGHT = sha256Of('right');

/** A store as S3 is: it knows no digests, and its times are whole seconds. */
function setUp() {
  const state = { text: '', second: 0, reads: 0, beforeRead: (): void => undefined };
  const info = (): ObjectInfo => ({
    key: 'outputs/a',
    sizeBytes: state.text.length,
    sha256: null,
    modifiedAt: state.second * 1000,
    etag: createHash('md5').update(state.text).digest('hex'),
  });
  const objects: Partial<ObjectStore> = {
    async get() {
      state.reads += 1;
      state.beforeRead();
      return { info: info(), stream: Readable.from([Buffer.from(state.text)]) };
    },
  };
  const logger = createLogger({ level: 'silent' });
  const verified = new VerifiedObjects({ objects: objects as ObjectStore, logger });
  return { state, info, verified };
}

test('what replaces an object within a second is read itself, whichever of them is right', async () => {
  for (const texts of [
    ['wrong', 'right', 'wrong'],
    ['right', 'wrong', 'right'],
  ]) {
    const { state, info, verified } = setUp();
    for (const text of texts) {
      state.text = text;
      assert.equal(await verified.has(info(), RIGHT), text === 'right');
    }
    assert.equal(state.reads, 2);
  }
});

test('an object is read once, also for several who ask at once, and again when it is written again', async () => {
  const { state, info, verified } = setUp();
  state.text = 'right';
  const found = await Promise.all([1, 2, 3].map(() => verified.has(info(), RIGHT)));
  assert.deepEqual([...found, await verified.has(info(), RIGHT)], [true, true, true, true]);
  assert.equal(state.reads, 1);
  state.second = 1;
  assert.equal(await verified.has(info(), RIGHT), true);
  assert.equal(state.reads, 2);
});

test('an object that is replaced before it is read says nothing of the one that was asked about', async () => {
  const { state, info, verified } = setUp();
  state.text = 'wrong';
  const asked = info();
  state.beforeRead = () => {
    state.text = 'right';
  };
  assert.equal(await verified.digestOf(asked), RIGHT);
  state.beforeRead = () => {
    state.text = 'wrong';
  };
  assert.equal(await verified.digestOf(asked), sha256Of('wrong'));
});

test('a digest that the store knows is not read', async () => {
  const { state, info, verified } = setUp();
  assert.equal(await verified.has({ ...info(), sha256: RIGHT }, RIGHT), true);
  assert.equal(state.reads, 0);
});
