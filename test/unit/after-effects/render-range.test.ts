import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderRange } from '../../../src/engines/aerender/render/render-range.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import type { OutputSpec } from '../../../src/protocol/jobs.ts';

const composition = {
  name: 'main',
  width: 1920,
  height: 1080,
  fps: 30,
  frames: 300,
  startFrame: 0,
  dropFrame: false,
  hasAudio: false,
  background: [0, 0, 0] as const,
};

function output(parts: Partial<OutputSpec> = {}): OutputSpec {
  return {
    name: 'main',
    container: 'mp4',
    width: 1920,
    height: 1080,
    fps: 30,
    durationSeconds: 10,
    durationFrom: null,
    atSeconds: null,
    fit: 'contain',
    background: '#000000',
    quality: 18,
    ...parts,
  };
}

test('an output takes the whole composition, or its beginning', () => {
  assert.deepEqual(renderRange(composition, output()), { first: 0, count: 300, outputFrames: 300 });
  assert.deepEqual(renderRange({ ...composition, startFrame: 86_400 }, output({ durationSeconds: 2.5 })), {
    first: 86_400,
    count: 75,
    outputFrames: 75,
  });
  // Follows an input: the composition has that length already.
  assert.equal(renderRange(composition, output({ durationSeconds: null, durationFrom: 'song' })).count, 300);
});

test('another frame rate gives another number of frames of the same length', () => {
  assert.equal(renderRange(composition, output({ fps: 25 })).outputFrames, 250);
  assert.equal(renderRange(composition, output({ fps: 60 })).outputFrames, 600);
  const hour = { ...composition, fps: 29.97, frames: 107_892 };
  const whole = { durationSeconds: null, durationFrom: 'song', fps: 29.97 };
  assert.equal(renderRange(hour, output(whole)).outputFrames, 107_892);
  assert.equal(renderRange({ ...hour, fps: 30_000 / 1001 }, output(whole)).outputFrames, 107_892);
});

test('a length that somebody rounded is no reason to refuse; a composition that is too short is', () => {
  assert.equal(renderRange({ ...composition, frames: 299 }, output()).count, 299);
  assert.throws(
    () => renderRange({ ...composition, frames: 240 }, output()),
    (error: unknown) =>
      error instanceof FlatrenderError &&
      error.code === 'TEMPLATE_INVALID' &&
      /"main" has 240 frames \(8 s\), but output "main" lasts 10 s/.test(error.message),
  );
});

test('a still is one frame: the one at its instant, the middle, or the last', () => {
  const still = (atSeconds: number | null) =>
    renderRange({ ...composition, startFrame: 10 }, output({ container: 'png', atSeconds }));
  assert.deepEqual(still(0.1), { first: 13, count: 1, outputFrames: 1 });
  assert.equal(still(null).first, 160);
  assert.equal(still(99).first, 309);
});
