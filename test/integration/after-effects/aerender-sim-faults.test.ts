import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { probeMedia } from '../../../src/media/probe.ts';
import { place, run, runUntil } from '../../after-effects/aerender-launcher.ts';
import { movingProject } from '../../after-effects/aerender-samples.ts';
import { launchCount, parseFaults } from '../../after-effects/faults.ts';

const OTHER_MODULES = { outputModules: ['Lossless', 'PNG Sequence', 'H.264'] };

test('a fault holds for the first launches of its program only, the first that applies is taken', () => {
  assert.deepEqual(parseFaults('hang-at:95@2', 'aerender', 2), { mode: 'hang-at', argument: '95' });
  assert.equal(parseFaults('hang-at:95@2', 'aerender', 3), null);
  assert.equal(parseFaults('dialog:licence', 'aerender', 1), null);
  assert.deepEqual(parseFaults('dialog:licence', 'AfterFX', 1), { mode: 'dialog', argument: 'licence' });
  assert.deepEqual(parseFaults('AfterFX/hang-launch', 'AfterFX', 1), { mode: 'hang-launch', argument: '' });
  assert.equal(parseFaults('AfterFX/hang-launch', 'aerender', 1), null);
  const two = 'crash-at:50@1, hang-at:10@2';
  assert.equal(parseFaults(two, 'aerender', 1)?.mode, 'crash-at');
  assert.equal(parseFaults(two, 'aerender', 2)?.mode, 'hang-at');
  assert.equal(parseFaults('', 'aerender', 1), null);
  assert.throws(() => parseFaults('explode', 'aerender', 1), /no fault "explode"/);
});

test('launches are counted in the installation', async (t) => {
  const { dir, args } = place(t, movingProject());
  await Promise.all([1, 2, 3].map((each) => run(dir, args(`${each}_[#].png`, 'PNG Sequence'))));
  assert.equal(launchCount(dir, 'aerender'), 3);
  assert.equal(launchCount(dir, 'AfterFX'), 0);
});

test('it hangs at launch, before the start and in the middle, and dies at once when it is told to', async (t) => {
  const { dir, args } = place(t, movingProject());
  const until = (fault: string, last: RegExp) =>
    runUntil(dir, args('f_[#####].png', 'PNG Sequence'), fault, last);
  const launch = await until('hang-launch', /Launching/);
  assert.deepEqual([launch.signal, launch.lines.length], ['SIGTERM', 2]);
  const start = await until('hang-before-start', /successfully launched/);
  assert.deepEqual([start.signal, start.lines.length], ['SIGTERM', 3]);
  const middle = await until('hang-at:50', /\(5\): \d+ Seconds/);
  assert.equal(middle.signal, 'SIGTERM');
  assert.equal(middle.isAlone, false, 'After Effects itself is still there');
  const busy = await until('spin-at:0', /Start Frame/);
  assert.deepEqual([busy.signal, busy.isAlone], ['SIGTERM', true]);
  assert.equal(readdirSync(dir).filter((name) => name.startsWith('f_')).length, 5);
});

test('it crashes: a short playable movie, or the next frame half written', async (t) => {
  const { dir, args } = place(t, movingProject());
  for (const name of ['out.avi', 'out.mov', 'out.mp4']) {
    const { code, signal } = await run(
      dir,
      args(name, name === 'out.mp4' ? 'H.264' : 'Lossless'),
      'crash-at:50',
    );
    assert.deepEqual([code, signal], [null, 'SIGSEGV']);
    assert.equal((await probeMedia(join(dir, name), { ffmpegPath: '' })).frames, 5);
  }
  await run(dir, args('f_[#####].png', 'PNG Sequence'), 'crash-at:50');
  const frames = readdirSync(dir).filter((name) => name.startsWith('f_'));
  assert.equal(frames.length, 6);
  assert.ok(isWholePng(join(dir, 'f_00004.png')));
  assert.ok(!isWholePng(join(dir, 'f_00005.png')));
});

test('it fails with a partial file, says nothing of frames that lack, and cuts a frame', async (t) => {
  const { dir, args } = place(t, movingProject());
  const partial = await run(dir, args('out.avi', 'Lossless'), 'exit1-partial');
  assert.deepEqual(
    [partial.code, partial.lines.at(-1)],
    [1, 'aerender ERROR: Runtime error in After Effects.'],
  );
  assert.equal((await probeMedia(join(dir, 'out.avi'), { ffmpegPath: '' })).frames, 5);
  const short = await run(dir, args('short_[#].png', 'PNG Sequence'), 'short-output');
  assert.equal(short.code, 0);
  assert.match(short.lines.at(-2) ?? '', /Finished composition "main"\.$/);
  assert.equal(readdirSync(dir).filter((name) => name.startsWith('short_')).length, 8);
  const damaged = await run(dir, args('cut_[#].png', 'PNG Sequence'), 'damaged-frame:7');
  assert.equal(damaged.code, 0);
  const broken = [...Array(10).keys()].filter((frame) => !isWholePng(join(dir, `cut_${frame}.png`)));
  assert.deepEqual(broken, [7]);
});

test('another instance, no licence, a font', async (t) => {
  const { dir, args } = place(t, movingProject());
  const other = await run(dir, args('f_[#].png', 'PNG Sequence'), 'other-instance');
  assert.equal(other.code, 1);
  assert.match(
    other.lines.at(-1) ?? '',
    /^aerender ERROR: After Effects can not render for aerender\. Another instance of aerender, or another script, may be running;/,
  );
  const licence = await run(dir, args('f_[#].png', 'PNG Sequence'), 'licence');
  assert.equal(licence.code, 1);
  assert.match(licence.lines.at(-1) ?? '', /license/);
  const font = await run(dir, args('f_[#].png', 'PNG Sequence'), 'missing-font');
  assert.equal(font.code, 0);
  assert.ok(font.lines.some((line) => line.includes('Font family: Sans, Font style: Regular')));
});

for (const [naming, sequence, movie] of [
  ['', 'f_00000.png', 'out.avi'],
  ['naming:ext', 'f_00000.png.png', 'out.avi.avi'],
  ['naming:none', 'f_00000', 'out'],
  ['naming:underscore', 'f__00000.png', 'out.avi'],
  ['naming:brackets', 'f_[00000].png', 'out_[#####].avi'],
] as const)
  test(`an output module names its files: ${naming || 'as asked for'}`, async (t) => {
    const { dir, args } = place(t, movingProject(), OTHER_MODULES);
    await run(dir, args('f_[#####].png', 'PNG Sequence', '-e', '0'), naming);
    await run(dir, args('out.avi', 'Lossless', '-e', '0'), naming);
    const names = readdirSync(dir).filter((name) => /^(f_|out)/.test(name));
    assert.deepEqual(names, [sequence, movie]);
  });

test('a module adds its extension to one that it does not have, and a number where none was asked for', async (t) => {
  const { dir, args } = place(t, movingProject(), OTHER_MODULES);
  await run(dir, args('out.mp4', 'Lossless', '-e', '0'));
  await run(dir, args('out.png', 'PNG Sequence', '-e', '0'));
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.startsWith('out')),
    ['out.mp4.avi', 'out_00000.png'],
  );
});

test('the version comes late; it ends late or not at all', async (t) => {
  const { dir, args } = place(t, movingProject(), { ...OTHER_MODULES, version: '25.1x3' });
  const late = await run(dir, args('f_[#].png', 'PNG Sequence'), 'version-late');
  assert.equal(late.lines.indexOf('aerender version 25.1x3'), 4);
  assert.equal(
    late.lines[2],
    'INFO:After Effects: this project must be converted from version 24.2 (Macintosh 64). The original file will be unchanged.',
  );
  const hung = await runUntil(dir, args('f_[#].png', 'PNG Sequence'), 'no-exit', /Total Time Elapsed/);
  assert.equal(hung.signal, 'SIGTERM');
});

test('lines come in the language of the installation', async (t) => {
  const { dir, args } = place(t, movingProject(), { ...OTHER_MODULES, language: 'de_DE' });
  const { lines } = await run(dir, args('f_[#].png', 'PNG Sequence'));
  assert.ok(lines.includes('PROGRESS:  Dauer: 0:00:00:10'));
  assert.ok(lines.includes('PROGRESS:  0:00:00:00 (1): 0 Sekunden'));
});

function isWholePng(path: string): boolean {
  assert.ok(existsSync(path), path);
  assert.ok(statSync(path).size > 0);
  return readFileSync(path).subarray(-8, -4).toString('latin1') === 'IEND';
}
