/** What every encoder must do; run against each implementation. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type EncoderName, encodedSize, openEncoder } from '../../src/media/encoder.ts';
import { finishOutput } from '../../src/media/probe.ts';
import { colorAt, decodeFrames } from '../helpers/decode-frames.ts';
import { temporaryDirectory } from '../helpers/render-request.ts';

const settings = { ffmpegPath: '', threads: 0 };
const FRAMES = 25;
const CODECS = { mp4: 'h264', mov: 'h264', webm: 'vp9', gif: 'gif' } as const;

/** `skip`: why this implementation cannot run here. */
export function encoderSuite(name: EncoderName, skip: string | undefined): void {
  for (const [container, codec] of Object.entries(CODECS) as [keyof typeof CODECS, string][]) {
    test(`${name}: ${container} has every frame, its size, its length and no sound`, { skip }, async (t) => {
      const path = join(temporaryDirectory(t), `out.${container}`);
      const size = await encode(name, path, container, {});
      const info = await finishOutput(
        path,
        { ...size, container, frames: FRAMES, fps: 25, hasAudio: false },
        settings,
      );
      assert.deepEqual([info.codec, info.frames, info.damage], [codec, FRAMES, []]);
      assert.ok(!existsSync(`${path}.part`));
      assert.deepEqual(openFiles(path), [], 'on Windows an open file cannot be moved');
    });
  }

  test(`${name}: an odd rate and an odd size come out as they should`, { skip }, async (t) => {
    const path = join(temporaryDirectory(t), 'out.mp4');
    const size = await encode(name, path, 'mp4', { fps: 29.97, width: 65, height: 33 });
    assert.deepEqual(size, { width: 66, height: 34 });
    const info = await finishOutput(
      path,
      { ...size, container: 'mp4', frames: FRAMES, fps: 30000 / 1001 },
      settings,
    );
    assert.equal(info.durationMs, Math.round((FRAMES * 1001) / 30));
  });

  test(`${name}: colours survive: the file is BT.709 and says so`, { skip }, async (t) => {
    const path = join(temporaryDirectory(t), 'out.mp4');
    await encode(name, path, 'mp4', {});
    const [frame] = await decodeFrames(`${path}.part`, [12]);
    assert.ok(frame);
    for (const [y, wanted] of [
      [0.25, [200, 40, 90]],
      [0.75, [18, 22, 43]],
    ] as const) {
      const found = colorAt(frame, 0.5, y);
      assert.ok(
        wanted.every((value, part) => Math.abs(value - (found[part] ?? 0)) <= 4),
        `${found} instead of ${wanted}`,
      );
    }
  });

  for (const [what, seconds] of [
    ['longer', 3],
    ['shorter', 0.3],
  ] as const) {
    test(`${name}: sound that is ${what} than the picture ends with it`, { skip }, async (t) => {
      const directory = temporaryDirectory(t);
      const path = join(directory, 'out.mp4');
      writeFileSync(join(directory, 'tone.wav'), toneWav(seconds));
      const size = await encode(name, path, 'mp4', { audio: { path: join(directory, 'tone.wav') } });
      const info = await finishOutput(
        path,
        { ...size, container: 'mp4', frames: FRAMES, fps: 25, hasAudio: true },
        settings,
      );
      assert.equal(info.durationMs, 1000);
    });
  }

  test(`${name}: a sound track that is none fails and leaves nothing`, { skip }, async (t) => {
    const directory = temporaryDirectory(t);
    const audio = join(directory, 'noise.mp3');
    writeFileSync(audio, 'this is not sound');
    await assert.rejects(encode(name, join(directory, 'out.mp4'), 'mp4', { audio: { path: audio } }), {
      name: 'FlatrenderError',
    });
    assert.deepEqual(readdirSync(directory), ['noise.mp3']);
  });

  test(`${name}: abort stops at once and leaves nothing`, { skip }, async (t) => {
    const directory = temporaryDirectory(t);
    const stop = new AbortController();
    const started = performance.now();
    await assert.rejects(
      encode(name, join(directory, 'out.mp4'), 'mp4', {
        signal: stop.signal,
        onFrame: (index) => index === 5 && stop.abort(new Error('enough')),
      }),
    );
    assert.ok(performance.now() - started < 5000);
    assert.deepEqual(readdirSync(directory), []);
  });

  test(`${name}: an encoder that is let go without an end leaves nothing`, { skip }, async (t) => {
    const directory = temporaryDirectory(t);
    const encoder = await openEncoder(optionsFor(join(directory, 'out.mp4'), 'mp4', {}), name);
    await encoder.write(picture(64, 32, 0));
    await encoder[Symbol.asyncDispose]();
    assert.deepEqual(readdirSync(directory), []);
  });

  test(`${name}: a place that cannot be written is an error`, { skip }, async (t) => {
    const file = join(temporaryDirectory(t), 'file');
    writeFileSync(file, 'no directory');
    await assert.rejects(encode(name, join(file, 'out.mp4'), 'mp4', {}), { name: 'FlatrenderError' });
  });

  test(`${name}: ten files in a row in one process`, { skip }, async (t) => {
    const directory = temporaryDirectory(t);
    for (let round = 0; round < 10; round += 1) {
      const path = join(directory, `${round}.mp4`);
      const size = await encode(name, path, 'mp4', {});
      await finishOutput(path, { ...size, container: 'mp4', frames: FRAMES, fps: 25 }, settings);
      globalThis.gc?.();
    }
    assert.equal(readdirSync(directory).length, 10);
  });
}

interface Variation {
  readonly fps?: number;
  readonly width?: number;
  readonly height?: number;
  readonly audio?: { path: string };
  readonly signal?: AbortSignal;
  readonly onFrame?: (index: number) => void;
}

function optionsFor(path: string, container: keyof typeof CODECS, change: Variation) {
  const size = encodedSize({ container, width: change.width ?? 64, height: change.height ?? 32 });
  return {
    path: `${path}.part`,
    output: { container, fps: change.fps ?? 25, quality: 12 },
    ...size,
    frames: FRAMES,
    audio: change.audio,
    settings,
    signal: change.signal ?? new AbortController().signal,
  };
}

/** Writes 25 frames into `<path>.part`; returns the size of the frames. */
async function encode(name: EncoderName, path: string, container: keyof typeof CODECS, change: Variation) {
  const options = optionsFor(path, container, change);
  const { width, height } = options;
  await using encoder = await openEncoder(options, name);
  for (let index = 0; index < FRAMES; index += 1) {
    change.onFrame?.(index);
    await encoder.write(picture(width, height, index));
  }
  await encoder.finish();
  return { width, height };
}

/** Two bands of colour, and a bar that moves. */
function picture(width: number, height: number, index: number): Buffer {
  const pixels = Buffer.alloc(width * height * 4, 255);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const color = x === index ? [255, 255, 255] : y < height / 2 ? [200, 40, 90] : [18, 22, 43];
      pixels.set(color, (y * width + x) * 4);
    }
  }
  return pixels;
}

/** A WAV file with a tone: 16 bit, mono, 44.1 kHz. */
export function toneWav(seconds: number): Buffer {
  const samples = Math.round(seconds * 44_100);
  const wav = Buffer.alloc(44 + samples * 2);
  wav.write('RIFF', 0, 'latin1');
  wav.writeUInt32LE(36 + samples * 2, 4);
  wav.write('WAVEfmt ', 8, 'latin1');
  for (const [offset, value, size] of [
    [16, 16, 4],
    [20, 1, 2],
    [22, 1, 2],
    [24, 44_100, 4],
    [28, 88_200, 4],
    [32, 2, 2],
    [34, 16, 2],
  ] as const) {
    wav.writeUIntLE(value, offset, size);
  }
  wav.write('data', 36, 'latin1');
  wav.writeUInt32LE(samples * 2, 40);
  for (let index = 0; index < samples; index += 1) {
    wav.writeInt16LE(Math.round(Math.sin((index / 44_100) * 2 * Math.PI * 440) * 12_000), 44 + index * 2);
  }
  return wav;
}

/** Files of this process whose path begins like this; Linux says. */
function openFiles(path: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc/self/fd')
    .map((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`);
      } catch {
        return ''; // that of the listing itself
      }
    })
    .filter((file) => file.startsWith(path));
}
