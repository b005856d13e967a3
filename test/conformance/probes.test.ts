/** Probing by ffprobe and by node-av must agree, and find what is wrong with a file. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { chooseEncoder, openEncoder } from '../../src/media/encoder.ts';
import { findFfmpeg } from '../../src/media/ffmpeg.ts';
import { loadNodeAv } from '../../src/media/node-av.ts';
import { finishOutput, probeDuration, probeMedia, verifyOutput } from '../../src/media/probe.ts';
import { temporaryDirectory } from '../helpers/render-request.ts';
import { toneWav } from './encoder.ts';

const settings = { ffmpegPath: '', threads: 0 };
const expected = { container: 'mp4', width: 320, height: 180, frames: 50, fps: 25 };
const path = process.env.PATH;

for (const name of ['ffprobe', 'node-av'] as const) {
  const isHere = name === 'ffprobe' ? (await findFfmpeg(settings))?.ffprobe : await loadNodeAv();
  const skip = isHere ? undefined : `there is no ${name} on this machine`;
  // What is not on PATH is not found, and the other way is taken.
  const hidden = name === 'ffprobe' ? path : '/nowhere';

  const probeTest = (title: string, run: (t: TestContext) => Promise<void>) =>
    test(`${name}: ${title}`, { skip }, async (t) => {
      t.after(() => {
        process.env.PATH = path;
      });
      const file = await video(t);
      process.env.PATH = hidden;
      await run(Object.assign(t, { file }));
    });

  probeTest('a whole file is what it is', async (t) => {
    const info = await verifyOutput(fileOf(t), expected, settings, undefined, name);
    assert.deepEqual(
      { ...info, sizeBytes: 0 },
      {
        container: 'mp4',
        codec: 'h264',
        width: 320,
        height: 180,
        frames: 50,
        durationMs: 2000,
        hasAudio: false,
        damage: [],
        sizeBytes: 0,
      },
    );
    assert.equal(info.sizeBytes, readFileSync(fileOf(t)).length);
  });

  probeTest('each difference is named with what was expected and found', async (t) => {
    const wrong = { container: 'webm', width: 640, height: 360, frames: 51, fps: 10, hasAudio: true };
    await assert.rejects(
      verifyOutput(fileOf(t), wrong, settings, undefined, name),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'OUTPUT_INVALID');
        for (const part of [
          'container: expected webm, found mp4',
          'size: expected 640 × 360, found 320 × 180',
          'frames: expected 51, found 50',
          'sound: expected true, found false',
          'length: expected 5100 ms, found 2000 ms',
        ]) {
          assert.ok(error.message.includes(part), `${part} is not in: ${error.message}`);
        }
        return true;
      },
    );
  });

  for (const [what, share] of [
    ['half', 0.5],
    ['its last bytes', 0.995],
  ] as const) {
    probeTest(`a file that lost ${what} is refused`, async (t) => {
      truncateSync(fileOf(t), Math.floor(readFileSync(fileOf(t)).length * share));
      await assert.rejects(verifyOutput(fileOf(t), expected, settings, undefined, name), {
        code: 'OUTPUT_INVALID',
      });
    });
  }

  probeTest('a file whose pictures were overwritten is refused', async (t) => {
    const bytes = readFileSync(fileOf(t));
    const start = bytes.indexOf('mdat', 0, 'latin1') + 8;
    bytes.fill(0xa5, start, start + 4000);
    writeFileSync(fileOf(t), bytes);
    await assert.rejects(verifyOutput(fileOf(t), expected, settings, undefined, name), {
      code: 'OUTPUT_INVALID',
    });
  });

  probeTest('a text, an empty file and no file are no media', async (t) => {
    for (const [suffix, content] of [
      ['.txt', 'hello '.repeat(100)],
      ['.empty', ''],
    ] as const) {
      writeFileSync(fileOf(t) + suffix, content);
      await assert.rejects(probeMedia(fileOf(t) + suffix, settings), { code: 'MEDIA_INVALID' });
    }
    await assert.rejects(probeMedia(`${fileOf(t)}.missing`, settings), { code: 'MEDIA_INVALID' });
  });

  probeTest('the length of a sound is counted', async (t) => {
    const wav = `${fileOf(t)}.wav`;
    writeFileSync(wav, toneWav(2.34));
    assert.equal(await probeDuration(wav, settings), 2.34);
    const info = await probeMedia(wav, settings);
    assert.deepEqual([info.frames, info.hasAudio, info.width], [0, true, 0]);
  });

  probeTest('a finished output gets its name, a wrong one is removed', async (t) => {
    const good = `${fileOf(t)}.good.mp4`;
    copyFileSync(fileOf(t), `${good}.part`);
    assert.equal((await finishOutput(good, expected, settings)).frames, 50);
    assert.deepEqual([existsSync(good), existsSync(`${good}.part`)], [true, false]);
    const short = `${fileOf(t)}.short.mp4`;
    copyFileSync(fileOf(t), `${short}.part`);
    await assert.rejects(finishOutput(short, { ...expected, frames: 60 }, settings), {
      code: 'OUTPUT_INVALID',
    });
    assert.deepEqual([existsSync(short), existsSync(`${short}.part`)], [false, false]);
  });
}

function fileOf(t: TestContext): string {
  return (t as TestContext & { file: string }).file;
}

/** A video of 50 noisy frames. */
async function video(t: TestContext): Promise<string> {
  const file = join(temporaryDirectory(t), 'video.mp4');
  const { width, height, fps, frames } = expected;
  const signal = new AbortController().signal;
  await using encoder = await openEncoder({
    path: file,
    output: { container: 'mp4', fps, quality: 20 },
    width,
    height,
    frames,
    settings,
    signal,
  });
  for (let index = 0; index < frames; index += 1) {
    const pixels = Buffer.alloc(width * height * 4);
    for (let at = 0; at < pixels.length; at += 1)
      pixels[at] = (at * 7 + index * 13 + ((at >> 5) % 251)) & 255;
    await encoder.write(pixels);
  }
  await encoder.finish();
  return file;
}

test('without an ffmpeg that was configured, the message says which', async () => {
  await assert.rejects(chooseEncoder({ ffmpegPath: '/no/such/ffmpeg', threads: 0 }), {
    code: 'FFMPEG_MISSING',
    message: /\/no\/such\/ffmpeg/,
  });
});

after(() => {
  process.env.PATH = path;
});
