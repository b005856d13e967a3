import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jobProgress } from '../../../src/cli/follow-jobs.ts';
import {
  facts,
  formatBytes,
  formatDuration,
  formatInstant,
  formatRelative,
  plural,
  table,
  widthOf,
} from '../../../src/cli/output.ts';
import { hasColor, isLive } from '../../../src/cli/paint.ts';
import { bar, fittedProgress, progressLine, timeLeftMs } from '../../../src/cli/progress-line.ts';
import { batchLine } from '../../../src/cli/watch-jobs.ts';
import type { JobView, TaskView } from '../../../src/protocol/jobs.ts';

test('a table has a line per row, aligned columns and - for what is not there', () => {
  const rows = [
    { id: 'a', n: 5, note: null },
    { id: 'longer', n: 1234, note: 'two\nlines' },
  ];
  const text = table(rows, [
    { title: 'id', value: (row) => row.id },
    { title: 'n', value: (row) => row.n, align: 'right' },
    { title: 'note', value: (row) => row.note },
  ]);
  assert.equal(text, ['ID         N  NOTE', 'a          5  -', 'longer  1234  two lines'].join('\n'));
});

test('a table without rows is its titles', () => {
  assert.equal(
    table(
      [],
      [
        { title: 'id', value: () => '' },
        { title: 'name', value: () => '' },
      ],
    ),
    'ID  NAME',
  );
});

test('colours do not shift columns', () => {
  const text = table(
    [{ id: 'x' }],
    [
      { title: 'id', value: (row) => row.id, paint: (cell) => `<${cell}>` },
      { title: 'end', value: () => 'y' },
    ],
  );
  assert.equal(text, 'ID  END\n<x >  y');
});

test('East Asian and emoji characters count two columns, combined ones one', () => {
  assert.equal(widthOf('日本'), 4);
  assert.equal(widthOf('🎬'), 2);
  assert.equal(widthOf('e\u0301'), 1);
  assert.equal(widthOf('Grüße'), 5);
});

test('a control character in a cell cannot reach the terminal', () => {
  assert.doesNotMatch(
    table([{ name: '\u001b[31mred\u0007' }], [{ title: 'name', value: (row) => row.name }]),
    /[\u0007\u001b]/,
  );
});

test('facts leave out what has no value', () => {
  assert.equal(
    facts([
      ['job', 'j1'],
      ['name', null],
      ['priority', 50],
    ]),
    'job       j1\npriority  50',
  );
});

test('durations', () => {
  const expected: [number, string][] = [
    [0, '0 ms'],
    [840, '840 ms'],
    [4200, '4.2 s'],
    [59_949, '59.9 s'],
    [59_960, '1 min 00 s'],
    [185_000, '3 min 05 s'],
    [3_599_999, '1 h 00 min'],
    [7_620_000, '2 h 07 min'],
    [273_600_000, '3 d 4 h'],
  ];
  assert.deepEqual(
    expected.map(([ms]) => [ms, formatDuration(ms)]),
    expected,
  );
});

test('sizes', () => {
  const expected: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9949, '9.9 kB'],
    [18_400, '18 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [3_400_000_000, '3.4 GB'],
  ];
  assert.deepEqual(
    expected.map(([bytes]) => [bytes, formatBytes(bytes)]),
    expected,
  );
});

test('relative times', () => {
  const now = Date.parse('2026-01-28T10:30:00Z');
  assert.equal(formatRelative(null, now), '-');
  assert.equal(formatRelative(now, now), 'now');
  assert.equal(formatRelative('2026-01-28T10:29:48Z', now), '12 s ago');
  assert.equal(formatRelative('2026-01-28T10:40:00Z', now), 'in 10 min');
  assert.equal(formatRelative('2026-01-25T10:30:00Z', now), '3 d ago');
});

test('instants are local time, so that they can be compared with a clock on the wall', () => {
  assert.equal(formatInstant(new Date(2026, 0, 5, 9, 8, 7).getTime()), '2026-01-05 09:08:07');
});

test('plural', () => {
  assert.deepEqual([plural(1, 'job'), plural(0, 'job')], ['1 job', '0 jobs']);
});

test('colour and live lines follow the terminal, NO_COLOR, CI, TERM and FORCE_COLOR', () => {
  const tty = { isTTY: true };
  const cases: [{ isTTY?: boolean }, NodeJS.ProcessEnv, boolean, boolean][] = [
    [tty, {}, true, true],
    [{}, {}, false, false],
    [tty, { NO_COLOR: '1' }, false, false],
    [tty, { NO_COLOR: '' }, true, true],
    [tty, { CI: 'true' }, false, false],
    [tty, { TERM: 'dumb' }, false, false],
    [{}, { FORCE_COLOR: '1' }, true, false],
    [tty, { FORCE_COLOR: '0' }, false, true],
    [tty, { FORCE_COLOR: '1', NO_COLOR: '1' }, false, false],
  ];
  for (const [stream, env, color, live] of cases) {
    assert.deepEqual(
      [hasColor(stream, env), isLive(stream, env)],
      [color, live],
      JSON.stringify([stream, env]),
    );
  }
});

test('a bar is as wide as asked for, whatever the fraction', () => {
  for (const fraction of [-1, 0, 0.013, 0.5, 0.99, 1, 7]) {
    assert.equal([...bar(fraction, 20)].length, 20);
    assert.equal(bar(fraction, 20, false).length, 22);
  }
  assert.equal(bar(0.5, 4), '██░░');
  assert.equal(bar(0.3125, 2), '▋░');
});

test('a progress line says frame, rate and time left', () => {
  const facts = { fraction: 0.62, frame: 93, frames: 150, fps: 41.2 };
  assert.equal(progressLine(facts), ' 62 %   93/150 frames  41 fps  2 s left');
  assert.equal(timeLeftMs({ ...facts, fps: 0 }), null);
  assert.equal(progressLine({ fraction: 0, frame: 0, frames: null, fps: null }), '  0 %');
  assert.match(progressLine(facts, 10), /^█{6}▎░{3} {3}62 %/);
});

test('a progress line fits its columns, and the time left is the last thing to go', () => {
  const facts = { fraction: 0.62, frame: 930, frames: 1500, fps: 4.2 };
  for (let columns = 33; columns < 140; columns += 1) {
    const line = fittedProgress(facts, columns);
    assert.ok(line.length <= columns, `${line.length} > ${columns}`);
    assert.match(line, /62 %.* 930\/1500.* {2}2 min 16 s left$/);
  }
  assert.equal(fittedProgress(facts, 34), ' 62 %   930/1500  2 min 16 s left');
  assert.equal(fittedProgress(facts, 42), ' 62 %   930/1500  4.2 fps  2 min 16 s left');
  assert.equal(
    fittedProgress(facts, 100),
    '██████████████▉░░░░░░░░░   62 %   930/1500 frames  4.2 fps  2 min 16 s left',
  );
  // A job of few frames beside its id on a terminal of 80 columns.
  assert.equal(
    fittedProgress({ fraction: 0.5, frame: 75, frames: 150, fps: 41 }, 46),
    '█████░░░░░   50 %   75/150  41 fps  2 s left',
  );
});

test('a batch in one line counts what is over, failed and running', () => {
  const job = (state: string, progress = 0) => ({ state, progress }) as JobView;
  const jobs = [job('succeeded', 1), job('failed', 0.5), job('running', 0.5), job('queued')];
  assert.match(batchLine(jobs, 5), /^█{12}░{12} {2}2 of 5 done, 1 failed, 1 running$/);
  assert.match(batchLine([], 3), /^░{24} {2}0 of 3 done$/);
});

test('progress of a job adds up its tasks; the rate is that of what runs', () => {
  const task = (state: string, frame: number, frames: number | null, fps: number | null, done?: number) =>
    ({ state, frame, frames, fps, result: done === undefined ? null : { frames: done } }) as TaskView;
  const job = (tasks: TaskView[]) => ({ state: 'running', progress: 0.5, tasks }) as JobView;
  assert.deepEqual(jobProgress(job([task('succeeded', 0, null, 30, 100), task('running', 20, 50, 25)])), {
    fraction: 0.5,
    frame: 120,
    frames: 150,
    fps: 25,
  });
  assert.equal(jobProgress(job([task('running', 20, 50, 25), task('queued', 0, null, null)])).frames, null);
});
