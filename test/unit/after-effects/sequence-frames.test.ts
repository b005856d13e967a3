import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { RunFrame } from '../../../src/engines/aerender/render/run-frames.ts';
import { SequenceFrames } from '../../../src/engines/aerender/render/sequence-frames.ts';
import { temporaryDirectory } from '../../helpers/render-request.ts';

const picture = { kind: 'png', width: 8, height: 4, hasAlpha: false } as const;

/** Files of a run with these numbers. */
function run(context: TestContext, numbers: readonly number[]): RunFrame[] {
  const directory = temporaryDirectory(context);
  mkdirSync(directory, { recursive: true });
  return numbers.map((number) => {
    const path = join(directory, `frame_${number}.png`);
    writeFileSync(path, String(number));
    return { number, path, reading: picture };
  });
}

test('frames come together over several runs, whatever they are numbered from', async (context) => {
  const frames = await SequenceFrames.open(join(temporaryDirectory(context), 'frames'), 6);
  assert.deepEqual(frames.gaps(), [{ start: 0, count: 6 }]);
  const first = run(context, [100, 101, 102, 103]);
  const damaged = first.map((frame) =>
    frame.number === 101 ? { ...frame, reading: { fault: 'is cut off' } } : frame,
  );
  assert.deepEqual(await frames.takeIn(damaged, { start: 0, count: 6 }), {
    added: 3,
    faults: ['frame 1 is cut off'],
  });
  assert.deepEqual(frames.gaps(), [
    { start: 1, count: 1 },
    { start: 4, count: 2 },
  ]);
  // An output module that counts from its own number, and one that writes more than it was asked for.
  assert.equal((await frames.takeIn(run(context, [1, 2]), { start: 1, count: 1 })).added, 1);
  assert.equal((await frames.takeIn(run(context, [0, 1]), { start: 4, count: 2 })).added, 2);
  assert.deepEqual([frames.gaps(), frames.whole, frames.extension], [[], 6, 'png']);
  assert.deepEqual(readdirSync(frames.directory).sort().at(-1), 'f0000005.png');
});

test('a frame of another size than the others is not taken', async (context) => {
  const frames = await SequenceFrames.open(join(temporaryDirectory(context), 'frames'), 2);
  const [first, second] = run(context, [0, 1]);
  assert.ok(first && second);
  const taken = await frames.takeIn([first, { ...second, reading: { ...picture, width: 9 } }], {
    start: 0,
    count: 2,
  });
  assert.deepEqual(taken, { added: 1, faults: ['frame 1 is 9 × 4, the others 8 × 4'] });
});
