import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../../src/lib/exec.ts';
import type { EncoderName } from '../../src/media/encoder.ts';
import { findFfmpeg } from '../../src/media/ffmpeg.ts';
import { movieTail } from '../../src/media/movie-tail.ts';
import { loadNodeAv } from '../../src/media/node-av.ts';
import { parsePicture, pictureFault } from '../../src/media/picture-file.ts';
import { movieFrameToJpeg, pictureToJpeg } from '../../src/media/picture-to-jpeg.ts';
import { finishOutput } from '../../src/media/probe.ts';
import { remux } from '../../src/media/remux.ts';
import { colorAt, decodeFrames } from '../helpers/decode-frames.ts';
import { failureOf } from '../helpers/failure-of.ts';
import { temporaryDirectory } from '../helpers/render-request.ts';

const tools = await findFfmpeg('');
const settings = { ffmpegPath: '', threads: 0 };
const noFfmpeg = 'needs ffmpeg, to make the sources: apt-get install ffmpeg';
const skip = tools ? false : noFfmpeg;
const skips: Record<EncoderName, string | false> = {
  ffmpeg: skip,
  'node-av': skip || ((await loadNodeAv()) ? false : 'needs the package node-av: npm install'),
};
const signal = new AbortController().signal;

/** Kinds of frame files that After Effects writes, as ffmpeg writes them: arguments, extension, whether with alpha. */
const KINDS: readonly (readonly [
  name: string,
  args: readonly string[],
  extension: string,
  hasAlpha: boolean,
])[] = [
  ['png', ['-pix_fmt', 'rgb24'], 'png', false],
  ['png with alpha', ['-pix_fmt', 'rgba'], 'png', true],
  ['png of 16 bits', ['-pix_fmt', 'rgba64be'], 'png', true],
  ['tiff', ['-pix_fmt', 'rgb24', '-compression_algo', 'raw'], 'tif', false],
  ['tiff, LZW', ['-pix_fmt', 'rgba', '-compression_algo', 'lzw'], 'tif', true],
  ['tiff, Deflate', ['-pix_fmt', 'rgb24', '-compression_algo', 'deflate'], 'tif', false],
  ['jpeg', ['-pix_fmt', 'yuvj420p'], 'jpg', false],
];

test('whole frame files have no fault, and say their size and whether they have alpha', {
  skip,
}, async (context) => {
  const directory = temporaryDirectory(context);
  for (const [name, args, extension, hasAlpha] of KINDS) {
    const path = await makePicture(directory, args, extension);
    assert.equal(await pictureFault(path, { width: 93, height: 57 }), null, name);
    const found = parsePicture(readFileSync(path));
    assert.ok(!('fault' in found), name);
    assert.deepEqual([found.width, found.height, found.hasAlpha], [93, 57, hasAlpha], name);
    assert.equal(await pictureFault(path, { width: 93, height: 58 }), 'is 93 × 57, not 93 × 58');
  }
});

test('a frame file that was cut off is found at every length', { skip }, async (context) => {
  const directory = temporaryDirectory(context);
  for (const [name, args, extension] of KINDS) {
    const bytes = readFileSync(await makePicture(directory, args, extension));
    for (let length = 0; length < bytes.length; length += length < 400 ? 1 : 37) {
      const found = parsePicture(bytes.subarray(0, length));
      assert.ok('fault' in found, `${name}: ${length} of ${bytes.length} bytes`);
      assert.match(found.fault, /^(is|begins) /);
    }
    assert.ok('fault' in parsePicture(bytes.subarray(0, bytes.length - 1)), `${name}: the last byte`);
  }
});

test('a frame file whose end was left full of zeros is found', { skip }, async (context) => {
  const directory = temporaryDirectory(context);
  for (const [name, args, extension] of KINDS) {
    const bytes = readFileSync(await makePicture(directory, args, extension));
    for (const share of [0, 0.1, 0.5, 0.9]) {
      const zeroed = Buffer.from(bytes);
      zeroed.fill(0, Math.floor(bytes.length * share));
      assert.ok('fault' in parsePicture(zeroed), `${name}: from ${share * 100} % on`);
    }
  }
});

test('a changed byte of a PNG is found wherever it is', { skip }, async (context) => {
  const bytes = readFileSync(await makePicture(temporaryDirectory(context), ['-pix_fmt', 'rgba'], 'png'));
  for (let at = 0; at < bytes.length; at += 1) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ 0x10;
    // After the first four bytes the signature is of no consequence.
    if (at >= 4 && at < 8) continue;
    assert.ok('fault' in parsePicture(flipped), `byte ${at}`);
  }
});

test('changed bytes never do more than make a frame file faulty', { skip }, async (context) => {
  const directory = temporaryDirectory(context);
  let seed = 1;
  const random = (below: number): number => {
    seed = (seed * 48_271) % 0x7fffffff;
    return seed % below;
  };
  for (const [name, args, extension] of KINDS) {
    const bytes = readFileSync(await makePicture(directory, args, extension));
    for (let round = 0; round < 2000; round += 1) {
      const changed = Buffer.from(bytes);
      for (let change = 0; change <= round % 4; change += 1) {
        // Mostly where the structure is.
        const at = random(3) === 0 ? random(bytes.length) : (bytes.length + random(700) - 300) % bytes.length;
        changed[at] = random(256);
      }
      const at = performance.now();
      parsePicture(changed);
      assert.ok(performance.now() - at < 500, `${name}: round ${round}`);
    }
  }
});

test('a Photoshop file is whole when its last row is there', async (context) => {
  const path = join(temporaryDirectory(context), 'frame.psd');
  for (const compression of [0, 1] as const) {
    const bytes = psd(16, 9, compression);
    writeFileSync(path, bytes);
    assert.equal(await pictureFault(path, { width: 16, height: 9 }), null);
    for (let length = 0; length < bytes.length; length += 1)
      assert.ok('fault' in parsePicture(bytes.subarray(0, length)), `${length} bytes`);
  }
});

test('what is missing, empty, unwritten or no picture is said so', async (context) => {
  const directory = temporaryDirectory(context);
  const fault = (name: string, content: Uint8Array | string) => {
    writeFileSync(join(directory, name), content);
    return pictureFault(join(directory, name));
  };
  mkdirSync(join(directory, 'dir.png'));
  assert.equal(await pictureFault(join(directory, 'none.png')), 'is missing');
  assert.equal(await pictureFault(join(directory, 'dir.png')), 'cannot be read (EISDIR)');
  assert.equal(await fault('a.png', ''), 'is empty');
  assert.match((await fault('b.png', Buffer.alloc(4096))) ?? '', /begins with zeros \(4096 bytes\)/);
  assert.equal(await fault('c.png', 'Not a picture'), 'is no PNG, TIFF, JPEG or PSD picture');
});

test('a QuickTime or MP4 file without its index is not worth starting a program for', {
  skip,
}, async (context) => {
  const path = join(temporaryDirectory(context), 'movie.mp4');
  await ffmpeg(['-f', 'lavfi', '-i', 'testsrc=s=64x36:r=25', '-frames:v', '20', path]);
  assert.deepEqual(await movieTail(path), { kind: 'file', path, hasAlpha: true });
  const bytes = readFileSync(path);
  for (const length of [0, 7, 20, 100, bytes.indexOf('moov'), bytes.length - 1]) {
    writeFileSync(path, bytes.subarray(0, length));
    assert.equal(await movieTail(path), null, `${length} bytes`);
  }
  // Lengths that lead nowhere, or round and round.
  for (const length of [0, 1, 7, 8, 0xffffffff]) {
    const damaged = Buffer.alloc(5000);
    for (let at = 0; at + 8 <= damaged.length; at += 8) {
      damaged.writeUInt32BE(length, at);
      damaged.write('free', at + 4, 'latin1');
    }
    writeFileSync(path, damaged);
    assert.equal(await movieTail(path), null, `atoms of ${length} bytes`);
  }
});

for (const name of ['ffmpeg', 'node-av'] as const) {
  const skip = skips[name];

  test(`${name}: a preview is a small JPEG of the frame, on the background`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    for (const [kind, args, extension] of KINDS) {
      const path = await makePicture(directory, args, extension, 'color=red:s=800x400');
      const jpeg = await pictureToJpeg(path, { settings, signal, maxWidth: 200 }, name);
      const shown = await decodeJpeg(directory, jpeg);
      assert.deepEqual([shown.width, shown.height], [200, 100], kind);
      near(colorAt(shown, 0.5, 0.5), [255, 0, 0]);
    }
    const clear = await makePicture(
      directory,
      ['-pix_fmt', 'rgba'],
      'png',
      'color=red@0:s=64x64,format=rgba',
    );
    const jpeg = await pictureToJpeg(clear, { settings, signal, background: '#0000ff' }, name);
    near(colorAt(await decodeJpeg(directory, jpeg), 0.5, 0.5), [0, 0, 255]);
  });

  test(`${name}: a preview stays below 512 kB, whatever is in the picture`, { skip }, async (context) => {
    const noise = 'color=gray:s=2400x1600,format=rgb24,noise=alls=100:allf=t';
    const path = await makePicture(temporaryDirectory(context), ['-pix_fmt', 'rgb24'], 'png', noise);
    const jpeg = await pictureToJpeg(path, { settings, signal, maxWidth: 2400 }, name);
    assert.ok(jpeg.length > 50_000 && jpeg.length <= 512 * 1024, `${jpeg.length} bytes`);
    assert.deepEqual([...jpeg.subarray(0, 2), ...jpeg.subarray(-2)], [0xff, 0xd8, 0xff, 0xd9]);
  });

  test(`${name}: a damaged frame has no preview, and an abort is one`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    const path = await makePicture(directory, [], 'png');
    const reason = new Error('stopped');
    await assert.rejects(pictureToJpeg(path, { settings, signal: AbortSignal.abort(reason) }, name), reason);
    writeFileSync(path, readFileSync(path).subarray(0, 500));
    const error = await failureOf(pictureToJpeg(path, { settings, signal }, name));
    assert.equal(error.code, 'MEDIA_INVALID');
    assert.match(error.message, /frame\.png is cut off after 500 bytes/);
  });

  test(`${name}: of a movie that still grows the last whole frame is shown`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    const whole = join(directory, 'whole.avi');
    // Each frame has its number as level of grey, in steps of 5.
    const counted = 'color=black:s=160x90:r=25,format=rgb24,geq=r=5*N:g=5*N:b=5*N';
    await ffmpeg([
      '-f',
      'lavfi',
      '-i',
      counted,
      '-frames:v',
      '50',
      '-c:v',
      'rawvideo',
      '-pix_fmt',
      'bgr24',
      whole,
    ]);
    const bytes = readFileSync(whole);
    const frame = 160 * 90 * 3 + 8;
    const first = bytes.indexOf('movi', 0, 'latin1') + 4;
    const path = join(directory, 'growing.avi');
    for (const [frames, more] of [
      [1, 0],
      [1, 4000],
      [7, 0],
      [30, 20_000],
      [49, frame - 1],
    ] as const) {
      const part = Buffer.from(bytes.subarray(0, first + frames * frame + more));
      for (const unclosed of [false, true]) {
        if (unclosed) zeroCounts(part);
        writeFileSync(path, part);
        const jpeg = await movieFrameToJpeg(path, { settings, signal }, name);
        assert.ok(jpeg, `${frames} frames and ${more} bytes`);
        const shown = colorAt(await decodeJpeg(directory, jpeg), 0.5, 0.5);
        near(shown, Array(3).fill((frames - 1) * 5), 2.4);
      }
    }
    writeFileSync(path, bytes.subarray(0, first + 100));
    assert.equal(await movieFrameToJpeg(path, { settings, signal }, name), null);
  });

  test(`${name}: of a finished movie the last frame is shown, of one without its index none`, {
    skip,
  }, async (context) => {
    const directory = temporaryDirectory(context);
    const counted = 'color=black:s=160x90:r=25,format=rgb24,geq=r=2*N:g=2*N:b=2*N';
    for (const [file, ...codec] of [
      ['long.mov', '-c:v', 'qtrle'],
      ['long.mp4', '-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-crf', '1'],
    ] as const) {
      const path = join(directory, file);
      await ffmpeg(['-f', 'lavfi', '-i', counted, '-frames:v', '100', ...codec, path]);
      const jpeg = await movieFrameToJpeg(path, { settings, signal }, name);
      assert.ok(jpeg, file);
      near(colorAt(await decodeJpeg(directory, jpeg), 0.5, 0.5), [198, 198, 198], 4);
      writeFileSync(path, readFileSync(path).subarray(0, 2000));
      assert.equal(await movieFrameToJpeg(path, { settings, signal }, name), null, `${file}, cut off`);
    }
    for (const content of ['', 'RIFF', Buffer.alloc(5000)]) {
      writeFileSync(join(directory, 'none.avi'), content);
      assert.equal(await movieFrameToJpeg(join(directory, 'none.avi'), { settings, signal }, name), null);
    }
    assert.equal(await movieFrameToJpeg(join(directory, 'missing.mov'), { settings, signal }, name), null);
  });

  test(`${name}: a movie that is right is copied into the other container`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    const source = join(directory, 'in.mov');
    await ffmpeg([
      ...['-f', 'lavfi', '-i', 'testsrc=s=64x36:r=25', '-f', 'lavfi', '-i', 'sine=r=48000', '-t', '1'],
      ...['-timecode', '01:00:00:00', '-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-c:a', 'aac', source],
    ]);
    const path = join(directory, 'out.mp4');
    await remux(source, `${path}.part`, 'mp4', settings, signal, name);
    const bytes = readFileSync(`${path}.part`);
    assert.ok(bytes.indexOf('moov') < bytes.indexOf('mdat'), 'its index comes first');
    assert.equal(bytes.indexOf('tmcd'), -1, 'it has no time code');
    const expected = { container: 'mp4', width: 64, height: 36, frames: 25, fps: 25, hasAudio: true };
    await finishOutput(path, expected, settings);
    const cut = join(directory, 'cut.mov');
    writeFileSync(cut, readFileSync(source).subarray(0, 3000));
    const error = await failureOf(remux(cut, `${path}.part`, 'mp4', settings, signal, name));
    assert.ok(['FFMPEG_FAILED', 'MEDIA_INVALID'].includes(error.code));
    await assert.rejects(async () => readFileSync(`${path}.part`));
  });
}

async function ffmpeg(args: readonly string[]): Promise<void> {
  await run(tools?.ffmpeg ?? '', ['-v', 'error', '-y', ...args]);
}

async function makePicture(
  directory: string,
  args: readonly string[],
  extension: string,
  graph = 'testsrc=s=93x57',
): Promise<string> {
  const path = join(directory, `frame.${extension}`);
  await ffmpeg(['-f', 'lavfi', '-i', graph, '-frames:v', '1', '-update', '1', ...args, path]);
  return path;
}

async function decodeJpeg(directory: string, jpeg: Uint8Array) {
  const path = join(directory, 'preview.png');
  writeFileSync(join(directory, 'preview.jpg'), jpeg);
  // The helper takes its frames for video: a PNG has no range or matrix to be mistaken.
  await ffmpeg(['-i', join(directory, 'preview.jpg'), '-pix_fmt', 'rgb24', '-update', '1', path]);
  const [frame] = await decodeFrames(path, [0]);
  assert.ok(frame);
  return frame;
}

/** What the header says while an AVI is written. */
function zeroCounts(avi: Buffer): void {
  const at = (mark: string): number => avi.indexOf(mark, 0, 'latin1') + 8;
  avi.writeUInt32LE(0, 4);
  avi.writeUInt32LE(0, at('avih') + 16);
  avi.writeUInt32LE(0, at('strh') + 32);
  avi.writeUInt32LE(0, avi.indexOf('movi', 0, 'latin1') - 4);
}

/** A Photoshop file of one colour, uncompressed or with PackBits (rows of one run). */
function psd(width: number, height: number, compression: 0 | 1): Buffer {
  const head = Buffer.alloc(26);
  head.write('8BPS', 'latin1');
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(3, 12);
  head.writeUInt32BE(height, 14);
  head.writeUInt32BE(width, 18);
  head.writeUInt16BE(8, 22);
  head.writeUInt16BE(3, 24);
  const rows = height * 3;
  const lengths = Buffer.alloc(rows * 2);
  for (let row = 0; row < rows; row += 1) lengths.writeUInt16BE(2, row * 2);
  const packed = Buffer.concat([
    lengths,
    ...Array.from({ length: rows }, () => Buffer.from([257 - width, 0x7f])),
  ]);
  const data = compression === 0 ? Buffer.alloc(width * rows, 0x7f) : packed;
  return Buffer.concat([head, Buffer.alloc(12), Buffer.from([0, compression]), data]);
}

function near(found: readonly number[], wanted: readonly number[], tolerance = 8): void {
  for (const [index, part] of wanted.entries())
    assert.ok(Math.abs((found[index] ?? 0) - part) < tolerance, `${found} instead of ${wanted}`);
}
