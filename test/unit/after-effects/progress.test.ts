import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AerenderOutput } from '../../../src/engines/aerender/report/output.ts';
import { RenderProgress } from '../../../src/engines/aerender/report/progress.ts';
import { renderLog } from '../../after-effects/lines.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const RATES = [
  { name: '23.976', fps: 23.976, dropFrame: false, exact: 24000 / 1001 },
  { name: '29.97 drop-frame', fps: 29.97, dropFrame: true, exact: 30000 / 1001 },
  { name: '60', fps: 60, dropFrame: false, exact: 60 },
] as const;

describe('progress over whole logs', () => {
  for (const language of ['en', 'de', 'es'] as const) {
    for (const { name, fps, dropFrame, exact } of RATES) {
      for (const seconds of [2, 10, 61, 600]) {
        test(`${language}, ${name} fps, ${seconds} s: from 0 to 100 % exactly, one frame at a time`, () => {
          const frames = Math.round(seconds * exact);
          const startFrame = 86_313;
          const lines = renderLog({ language, fps, dropFrame, frames, startFrame, versionAt: 'late' });
          const output = new AerenderOutput();
          const progress = new RenderProgress({ frames, clock: manualClock() });
          const shown = [progress.snapshot().frame];
          for (const line of lines) {
            const event = output.push(line);
            if (event?.type !== 'frame') continue;
            progress.frame(event);
            shown.push(progress.snapshot().frame);
          }
          assert.deepEqual(
            shown,
            Array.from({ length: frames + 1 }, (_, index) => index),
          );
          progress.finish();
          const { frame, frames: all } = progress.snapshot();
          assert.equal((frame / all) * 100, 100);
        });
      }
    }
  }

  test('a run that resumes at frame 450 goes on from there', () => {
    const progress = new RenderProgress({ frames: 900, startFrame: 450, clock: manualClock() });
    const output = new AerenderOutput();
    assert.equal(progress.snapshot().frame, 450);
    const shown: number[] = [];
    for (const line of renderLog({ language: 'de', frames: 450, startFrame: 450 })) {
      const event = output.push(line);
      if (event?.type === 'frame') {
        progress.frame(event);
        shown.push(progress.snapshot().frame);
      }
    }
    assert.equal(shown[0], 451);
    assert.equal(shown.at(-1), 900);
  });

  test('a later run takes nothing back', () => {
    const progress = new RenderProgress({ frames: 100, clock: manualClock() });
    for (let index = 0; index < 60; index++) progress.frame({ index });
    progress.restart(40);
    assert.equal(progress.snapshot().frame, 60);
    for (let index = 0; index < 60; index++) progress.frame({ index });
    assert.equal(progress.snapshot().frame, 100);
  });
});

describe('progress over what is not in order', () => {
  test('bursts in any order count each frame once and are whole at the end only', () => {
    const progress = new RenderProgress({ frames: 32, clock: manualClock() });
    const order = Array.from({ length: 32 }, (_, index) => (index * 13) % 32);
    for (const [done, index] of order.entries()) {
      assert.equal(progress.snapshot().frame, done);
      progress.frame({ index });
      progress.frame({ index });
    }
    assert.equal(progress.snapshot().frame, 32);
  });

  test('lost lines do not leave it behind for long, and the end is the end', () => {
    const progress = new RenderProgress({ frames: 1000, clock: manualClock() });
    for (let index = 0; index < 1000; index += 10) progress.frame({ index });
    const { frame } = progress.snapshot();
    assert.ok(frame >= 900 && frame < 1000, String(frame));
    progress.finish();
    assert.equal(progress.snapshot().frame, 1000);
  });

  test('files that are there count where aerender says nothing', () => {
    const progress = new RenderProgress({ frames: 10, clock: manualClock() });
    progress.filesDone(4);
    progress.filesDone(3);
    assert.equal(progress.snapshot().frame, 4);
    progress.filesDone(99);
    progress.filesDone(Number.NaN);
    assert.equal(progress.snapshot().frame, 10);
  });

  test('whatever is reported: never back, never past, never no number', () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant('frame' as const), index: fc.oneof(fc.integer(), fc.double()) }),
      fc.record({ type: fc.constant('files' as const), index: fc.oneof(fc.integer(), fc.double()) }),
      fc.record({
        type: fc.constant('restart' as const),
        index: fc.oneof(fc.integer({ max: 200 }), fc.double()),
      }),
      fc.record({ type: fc.constant('leap' as const), index: fc.integer({ min: -1e9, max: 1e9 }) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 }), fc.array(step, { maxLength: 60 }), (frames, steps) => {
        const clock = manualClock();
        const progress = new RenderProgress({ frames, clock });
        let before = 0;
        for (const { type, index } of steps) {
          if (type === 'frame') progress.frame({ index });
          else if (type === 'files') progress.filesDone(index);
          else if (type === 'restart') progress.restart(index);
          else clock.leap(index);
          const { frame, fps } = progress.snapshot();
          assert.ok(Number.isInteger(frame) && frame >= before && frame <= frames);
          assert.ok(fps === null || (Number.isFinite(fps) && fps >= 0), String(fps));
          before = frame;
        }
        progress.finish();
        assert.equal(progress.snapshot().frame, frames);
      }),
    );
  });
});

describe('speed', () => {
  test('is unknown first, then that of the last stretch', () => {
    const clock = manualClock();
    const progress = new RenderProgress({ frames: 10_000, clock });
    assert.equal(progress.snapshot().fps, null);
    let index = 0;
    const render = (frames: number, ms: number): void => {
      for (let done = 0; done < frames; done++) {
        clock.leap(ms);
        progress.frame({ index: index++ });
      }
    };
    render(100, 1000);
    assert.equal(Math.round((progress.snapshot().fps ?? 0) * 100), 100);
    render(300, 100);
    assert.equal(Math.round(progress.snapshot().fps ?? 0), 10);
  });

  test('bursts of multi-frame rendering are smoothed', () => {
    const clock = manualClock();
    const progress = new RenderProgress({ frames: 1000, clock });
    const seen: number[] = [];
    for (let index = 0; index < 400; index++) {
      if (index % 8 === 0) clock.leap(2000);
      progress.frame({ index });
      if (index > 80) seen.push(progress.snapshot().fps ?? Number.NaN);
    }
    assert.ok(
      seen.every((fps) => fps > 3 && fps < 5),
      `${Math.min(...seen)} to ${Math.max(...seen)}`,
    );
  });

  test('falls while nothing comes', () => {
    const clock = manualClock();
    const progress = new RenderProgress({ frames: 1000, clock });
    for (let index = 0; index < 50; index++) {
      clock.leap(500);
      progress.frame({ index });
    }
    clock.leap(120_000);
    assert.ok((progress.snapshot().fps ?? 9) < 0.4);
  });

  test('frames of minutes have a speed too', () => {
    const clock = manualClock();
    const progress = new RenderProgress({ frames: 20, clock });
    for (let index = 0; index < 6; index++) {
      clock.leap(300_000);
      progress.frame({ index });
    }
    assert.equal(((progress.snapshot().fps ?? 0) * 300).toFixed(3), '1.000');
  });
});
