import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findFfmpeg, ProgressReader, reasonOf, requireFfmpeg, runFfmpeg } from '../../src/media/ffmpeg.ts';
import { failureOf } from '../helpers/failure-of.ts';
import { temporaryDirectory } from '../helpers/render-request.ts';

const posix = process.platform === 'win32' ? 'the fake programs are scripts with a #! line' : false;

test('progress is read in blocks; out_time_ms, which is in microseconds, is not used', () => {
  const seen: unknown[] = [];
  const reader = new ProgressReader((progress) => seen.push(progress));
  const lines = [
    ...['frame=0', 'out_time_us=N/A', 'progress=continue'],
    ...['frame=12', 'fps=24.1', 'out_time_us=-23000', 'out_time_ms=7', 'progress=continue'],
    ...['frame=25', 'out_time_us=1000000', 'out_time_ms=1000000', 'out_time=00:00:01.000000', 'progress=end'],
  ];
  for (const line of lines) reader.take(line);
  assert.deepEqual(seen, [
    { frame: 0, outTimeUs: 0 },
    { frame: 12, outTimeUs: 0 },
    { frame: 25, outTimeUs: 1_000_000 },
  ]);
  assert.equal(reader.hasEnded, true);
});

test('the reason of a failure is the first real error, without levels and addresses', () => {
  const lines = [
    '[mp3 @ 0x55d0c0ffee00] [warning] Estimating duration from bitrate, this may be inaccurate',
    '[mp3float @ 0x55d0c0ffee11] [error] Header missing',
    '[mp3float @ 0x55d0c0ffee11] [error] Header missing',
    '[error] Error while decoding stream #0:0: Invalid data found when processing input',
    '[fatal] Conversion failed!',
  ];
  assert.equal(reasonOf(lines), 'mp3float: Header missing');
  assert.equal(
    reasonOf(lines.slice(3)),
    'Error while decoding stream #0:0: Invalid data found when processing input; Conversion failed!',
  );
  assert.equal(reasonOf(['[warning] odd']), 'odd');
  assert.equal(reasonOf([]), 'it gave no reason');
});

test('an ffmpeg is found on PATH with its ffprobe, and by its path', { skip: posix }, async (context) => {
  const directory = temporaryDirectory(context);
  const ffmpeg = fake(directory, 'ffmpeg', 'console.log("ffmpeg version n7.1-custom Copyright (c)")');
  const ffprobe = fake(directory, 'ffprobe', '');
  const expected = { ffmpeg, ffprobe, version: 'n7.1-custom' };
  assert.deepEqual(await findFfmpeg(ffmpeg), expected);
  withPath(context, `relative:${directory}`);
  assert.deepEqual(await findFfmpeg(''), expected);
});

test('no ffmpeg is null, and FFMPEG_MISSING with a hint where it is needed', async (context) => {
  withPath(context, temporaryDirectory(context));
  assert.equal(await findFfmpeg(''), null);
  const error = await failureOf(requireFfmpeg(''));
  assert.equal(error.code, 'FFMPEG_MISSING');
  assert.match(error.hint ?? '', /install/);
});

test('a configured path that does not work is an error, not another ffmpeg', {
  skip: posix,
}, async (context) => {
  const directory = temporaryDirectory(context);
  const missing = await failureOf(findFfmpeg(join(directory, 'none')));
  assert.equal(missing.code, 'FFMPEG_MISSING');
  assert.match(missing.hint ?? '', /FFMPEG_PATH/);
  const other = fake(directory, 'ls', 'console.log("ls (GNU coreutils) 9.1")');
  assert.match(
    (await failureOf(findFfmpeg(other))).message,
    /is not an ffmpeg that runs here: .*GNU coreutils/,
  );
});

test('exit code 0 without the last progress block is a failure, and so is any other exit code', {
  skip: posix,
}, async (context) => {
  const directory = temporaryDirectory(context);
  const cut = fake(directory, 'cut', 'console.log("frame=3\\nprogress=continue")');
  assert.equal((await failureOf(runFfmpeg(['x'], { ffmpeg: cut }))).code, 'FFMPEG_FAILED');
  const terminated = fake(
    directory,
    'terminated',
    'console.log("frame=3\\nprogress=end"); process.exitCode = 255',
  );
  const error = await failureOf(runFfmpeg(['x'], { ffmpeg: terminated }));
  assert.match(error.message, /exit code 255/);
  const full = fake(
    directory,
    'full',
    'console.error("[error] av_interleaved_write_frame(): No space left on device"); process.exitCode = 1',
  );
  assert.equal((await failureOf(runFfmpeg(['x'], { ffmpeg: full }))).code, 'DISK_FULL');
});

test('global options are added, and a log file by FFREPORT is not written', {
  skip: posix,
}, async (context) => {
  const directory = temporaryDirectory(context);
  const echo = fake(
    directory,
    'echo',
    'console.error(JSON.stringify([process.argv.slice(2), process.env.FFREPORT])); console.log("progress=end")',
  );
  const lines: string[] = [];
  process.env.FFREPORT = 'file=x.log';
  context.after(() => {
    delete process.env.FFREPORT;
  });
  await runFfmpeg(['-i', 'a'], { ffmpeg: echo, onLine: (line) => lines.push(line) });
  assert.deepEqual(JSON.parse(lines[0] ?? ''), [
    [
      ...['-hide_banner', '-nostdin', '-y', '-loglevel', 'level+warning', '-nostats'],
      ...['-progress', 'pipe:1', '-stats_period', '0.5', '-xerror', '-i', 'a'],
    ],
    null,
  ]);
});

function fake(directory: string, name: string, code: string): string {
  const file = join(directory, name);
  writeFileSync(file, `#!${process.execPath}\n${code}\n`);
  chmodSync(file, 0o755);
  return file;
}

function withPath(context: TestContext, path: string): void {
  const before = process.env.PATH;
  process.env.PATH = path;
  context.after(() => {
    process.env.PATH = before;
  });
}
