import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { run } from '../../src/lib/exec.ts';
import type { EncoderName } from '../../src/media/encoder.ts';
import { findFfmpeg } from '../../src/media/ffmpeg.ts';
import { describeMovie } from '../../src/media/movie-description.ts';
import { loadNodeAv } from '../../src/media/node-av.ts';
import { finishOutput, probeMedia } from '../../src/media/probe.ts';
import { type SequenceSource, type TranscodeOptions, transcode } from '../../src/media/transcode.ts';
import { colorAt, decodeFrames } from '../helpers/decode-frames.ts';
import { failureOf } from '../helpers/failure-of.ts';
import { temporaryDirectory } from '../helpers/render-request.ts';

const tools = await findFfmpeg('');
const settings = { ffmpegPath: '', threads: 0 };
const noFfmpeg = 'needs ffmpeg, to make the sources: apt-get install ffmpeg';
const skips: Record<EncoderName, string | false> = {
  ffmpeg: tools ? false : noFfmpeg,
  'node-av': !tools ? noFfmpeg : (await loadNodeAv()) ? false : 'needs the package node-av: npm install',
};

/** The frame number is the level of grey, in steps of 8. */
const COUNTED = 'color=black:s=64x36:r=25,format=rgb24,geq=r=8*N:g=8*N:b=8*N';

for (const name of ['ffmpeg', 'node-av'] as const) {
  const skip = skips[name];

  test(`${name}: every frame of a sequence is there, in order`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    const source = await makeSequence(directory, COUNTED, 20, { start: 7 });
    const path = await make(context, name, { source, frames: 20 });
    assert.deepEqual(await greys(path), ramp(20));
  });

  test(`${name}: the rate is converted and the length is exact`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    const source = await makeSequence(directory, COUNTED, 24);
    for (const [from, to, frames] of [
      [25, 50, 48],
      [24, 12, 12],
      [23.976, 29.97, 30],
      [10, 60, 144],
    ] as const) {
      const path = await make(context, name, {
        source: { ...source, fps: from },
        frames,
        output: { fps: to },
      });
      const found = await greys(path);
      assert.equal(found.length, frames);
      for (const [index, grey] of found.entries()) {
        const wanted = (index * from) / to;
        assert.ok(Math.abs(grey / 8 - wanted) <= 1, `${from} to ${to}: frame ${index} shows ${grey / 8}`);
      }
    }
  });

  test(`${name}: a longer output holds the last frame, a shorter one is cut`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    const source = await makeSequence(directory, COUNTED, 10);
    const sound = await makeSound(directory, 5);
    const long = await make(context, name, { source, frames: 30, audio: sound });
    const short = await make(context, name, { source, frames: 4 });
    assert.deepEqual(await greys(long), [...ramp(10), ...Array(20).fill(72)]);
    assert.deepEqual(await greys(short), ramp(4));
    const [hasSound, silent] = [await probeMedia(long, settings), await probeMedia(short, settings)];
    assert.deepEqual([hasSound.hasAudio, silent.hasAudio], [true, false]);
  });

  test(`${name}: a picture of another shape is fitted, on the background`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    // Red left half, blue right half; 2 : 1.
    const picture = 'color=red:s=80x40:r=25,format=rgb24,drawbox=x=40:w=40:h=40:c=blue:t=fill';
    const source = await makeSequence(directory, picture, 3);
    const look = async (fit: 'contain' | 'cover' | 'stretch') => {
      const output = { width: 60, height: 60, fit, background: '#00ff80' };
      const [frame] = await decodeFrames(await make(context, name, { source, frames: 3, output }), [1]);
      assert.ok(frame);
      assert.deepEqual([frame.width, frame.height], [60, 60]);
      return [colorAt(frame, 0.5, 0.08), colorAt(frame, 0.1, 0.5), colorAt(frame, 0.9, 0.5)].map(named);
    };
    assert.deepEqual(await look('contain'), ['0,255,128', '255,0,0', '0,0,255']);
    assert.deepEqual(await look('stretch'), [(await look('cover'))[0], '255,0,0', '0,0,255']);
  });

  test(`${name}: what is transparent shows the background`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    // From left to right: white opaque, white half transparent, transparent (with a colour that must not show).
    const picture =
      "color=white:s=96x48:r=25,format=rgba,geq=r=255:g='if(lt(X,64),255,0)':b='if(lt(X,64),255,0)':a='if(lt(X,32),255,if(lt(X,64),128,0))'";
    const output = { width: 96, height: 48, background: '#2040c0' };
    for (const extra of [
      { extension: 'png' },
      { extension: 'png', args: ['-pix_fmt', 'rgba64be'] },
      { extension: 'tif', args: ['-pix_fmt', 'rgba', '-compression_algo', 'lzw'] },
    ]) {
      const source = await makeSequence(join(directory, String(extra.args)), picture, 2, extra);
      const [frame] = await decodeFrames(await make(context, name, { source, frames: 2, output }), [0]);
      assert.ok(frame);
      near(colorAt(frame, 0.1, 0.5), [255, 255, 255]);
      near(colorAt(frame, 0.5, 0.5), [144, 160, 224]);
      near(colorAt(frame, 0.9, 0.5), [0x20, 0x40, 0xc0]);
    }
  });

  test(`${name}: colours stay what they are, whatever they come in`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    const picture = 'color=0xd02010:s=64x36:r=25';
    const bt709 = ['-vf', 'scale=out_color_matrix=bt709', '-pix_fmt', 'yuv420p'];
    const movie = async (file: string, ...args: string[]) => {
      const path = join(directory, file);
      await ffmpeg(['-f', 'lavfi', '-i', `${picture},format=rgb24`, '-frames:v', '3', ...args, path]);
      return { kind: 'movie', path } as const;
    };
    const sources: TranscodeOptions['source'][] = [
      await makeSequence(join(directory, 'png'), `${picture},format=rgb24`, 3),
      await makeSequence(join(directory, 'deep'), picture, 3, { args: ['-pix_fmt', 'rgb48be'] }),
      await makeSequence(join(directory, 'jpg'), `${picture},format=rgb24`, 3, { extension: 'jpg' }),
      await movie('untagged.avi', ...bt709, '-c:v', 'rawvideo'),
      await movie('tagged.mp4', ...bt709, '-c:v', 'libx264', '-colorspace', 'bt709'),
      await movie('rgb.mov', '-c:v', 'qtrle', '-pix_fmt', 'rgb24'),
    ];
    for (const [index, source] of sources.entries()) {
      for (const size of [{}, { width: 80, height: 50 }]) {
        const [frame] = await decodeFrames(
          await make(context, name, { source, frames: 3, output: size }),
          [1],
        );
        assert.ok(frame, String(index));
        near(colorAt(frame, 0.5, 0.5), [0xd0, 0x20, 0x10]);
      }
    }
  });

  test(`${name}: premultiplied colours are not darkened a second time`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    const picture = 'color=white:s=64x36:r=25,format=rgba,geq=r=128:g=128:b=128:a=128';
    const source = await makeSequence(directory, picture, 2);
    const output = { background: '#0000ff' };
    const show = async (alpha: 'straight' | 'premultiplied') => {
      const [frame] = await decodeFrames(
        await make(context, name, { source, frames: 2, output, alpha }),
        [0],
      );
      return frame ? colorAt(frame, 0.5, 0.5) : [0, 0, 0];
    };
    near(await show('straight'), [64, 64, 192]);
    near(await show('premultiplied'), [128, 128, 255]);
  });

  test(`${name}: every container, with its sound`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    const source = await makeSequence(directory, COUNTED, 10, { extension: 'jpg' });
    const audio = await makeSound(directory, 0.2);
    for (const container of ['mp4', 'mov', 'webm', 'gif', 'png'] as const) {
      const frames = container === 'png' ? 1 : 10;
      const output = { container, width: 65, height: 37 };
      const path = join(directory, `out.${container}`);
      await transcode(optionsOf({ source, audio, frames, output, path: `${path}.part` }), name);
      const size = container === 'gif' || container === 'png' ? [65, 37] : [66, 38];
      const [width = 0, height = 0] = size;
      const hasAudio = container !== 'gif' && container !== 'png';
      await finishOutput(path, { container, width, height, frames, fps: 25, hasAudio }, settings);
    }
  });

  test(`${name}: a still is the last of its frames`, { skip }, async (context) => {
    const source = await makeSequence(temporaryDirectory(context), COUNTED, 12);
    const path = await make(context, name, { source, frames: 8, output: { container: 'png' } });
    assert.deepEqual(
      (await greys(path)).map((grey) => grey / 8),
      [7],
    );
  });

  test(`${name}: lossless and H.264 movies keep their own sound, or get another`, {
    skip,
  }, async (context) => {
    const directory = temporaryDirectory(context);
    for (const [file, ...codec] of [
      ['animation.mov', '-c:v', 'qtrle', '-c:a', 'pcm_s16le'],
      [
        'prores.mov',
        '-c:v',
        'prores_ks',
        '-profile:v',
        '4444',
        '-pix_fmt',
        'yuva444p10le',
        '-c:a',
        'pcm_s16le',
      ],
      ['raw.avi', '-c:v', 'rawvideo', '-pix_fmt', 'bgr24', '-c:a', 'pcm_s16le'],
      ['h264.mp4', '-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-c:a', 'aac'],
      ['silent.mov', '-c:v', 'png', '-an'],
    ] as const) {
      const movie = join(directory, file);
      const inputs = ['-f', 'lavfi', '-i', COUNTED, '-f', 'lavfi', '-i', 'sine=f=440:r=48000'];
      await ffmpeg([...inputs, '-frames:v', '15', '-t', '0.6', ...codec, movie]);
      const source = { kind: 'movie', path: movie } as const;
      const path = await make(context, name, { source, frames: 15 });
      const found = await greys(path);
      assert.equal(found.length, 15, file);
      for (const [index, grey] of found.entries())
        assert.ok(Math.abs(grey - index * 8) < 6, `${file}: frame ${index} is ${grey}`);
      assert.equal((await probeMedia(path, settings)).hasAudio, file !== 'silent.mov', file);
    }
    const silent = { kind: 'movie', path: join(directory, 'silent.mov') } as const;
    const sound = await makeSound(directory, 1);
    const path = await make(context, name, { source: silent, frames: 15, audio: sound });
    assert.equal((await probeMedia(path, settings)).hasAudio, true);
  });

  test(`${name}: what a movie holds is told by its header`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    const first = name === 'ffmpeg' ? 'ffprobe' : 'node-av';
    for (const [file, traits, ...codec] of [
      ['a.mov', [true, false, true], '-c:v', 'qtrle', '-pix_fmt', 'argb', '-c:a', 'pcm_s16le'],
      ['b.mov', [false, false, false], '-c:v', 'qtrle', '-pix_fmt', 'rgb24', '-an'],
      ['c.mov', [true, true, false], '-c:v', 'prores_ks', '-pix_fmt', 'yuva444p10le', '-an'],
      ['d.mp4', [false, true, true], '-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-c:a', 'aac'],
      [
        'e.mp4',
        [false, false, false],
        '-c:v',
        'libx264',
        '-pix_fmt',
        'yuv420p',
        '-colorspace',
        'bt709',
        '-an',
      ],
    ] as const) {
      const path = join(directory, file);
      const inputs = ['-f', 'lavfi', '-i', COUNTED, '-f', 'lavfi', '-i', 'sine=r=48000', '-t', '0.2'];
      await ffmpeg([...inputs, ...codec, path]);
      const found = await describeMovie(path, settings, undefined, first);
      assert.deepEqual([found.width, found.height, found.kind], [64, 36, null], file);
      assert.deepEqual([found.hasAlpha, found.isUntagged, found.hasAudio], traits, file);
    }
    const error = await failureOf(describeMovie(join(directory, 'none.mov'), settings, undefined, first));
    assert.equal(error.code, 'MEDIA_INVALID');
  });

  test(`${name}: any directory and file name is taken as it is`, { skip }, async (context) => {
    const directory = join(temporaryDirectory(context), `it's 100%05d [a]; "b" ümläut`);
    const source = await makeSequence(directory, COUNTED, 3, { prefix: '%d 50% #_' });
    const path = await make(context, name, { source, frames: 3 });
    assert.equal((await greys(path)).length, 3);
  });

  test(`${name}: a missing, a damaged and a foreign file are errors, and nothing is left`, {
    skip,
  }, async (context) => {
    const directory = temporaryDirectory(context);
    const source = await makeSequence(join(directory, 'in'), 'testsrc=s=64x36:r=25', 6);
    const path = join(directory, 'out', 'out.mp4.part');
    mkdirSync(join(directory, 'out'));
    const fail = (parts: Partial<TranscodeOptions>) =>
      failureOf(transcode(optionsOf({ source, frames: 6, path, ...parts }), name));
    const longer = await fail({ source: { ...source, count: 7 } });
    assert.equal(longer.code, 'MEDIA_INVALID');
    assert.match(longer.message, /the frame .*f_00006\.png is missing/);
    const noMovie = await fail({ source: { kind: 'movie', path: join(directory, 'in', 'f_00001.txt') } });
    assert.equal(noMovie.code, 'MEDIA_INVALID');
    const noSound = await fail({ audio: join(source.directory, 'f_00001.png') });
    assert.ok(['MEDIA_INVALID', 'FFMPEG_FAILED'].includes(noSound.code));
    truncateSync(join(source.directory, 'f_00004.png'), 100);
    const damaged = await fail({});
    assert.ok(['MEDIA_INVALID', 'FFMPEG_FAILED'].includes(damaged.code), damaged.code);
    truncateSync(join(source.directory, 'f_00000.png'), 100);
    assert.match((await fail({})).message, /f_00000\.png is cut off after 100 bytes/);
    assert.deepEqual(readdirSync(join(directory, 'out')), []);
  });

  test(`${name}: an abort ends it within a second and removes the file`, { skip }, async (context) => {
    const directory = temporaryDirectory(context);
    const source = await makeSequence(join(directory, 'in'), 'testsrc2=s=640x360:r=25', 1);
    const out = join(directory, 'out');
    mkdirSync(out);
    const controller = new AbortController();
    const reason = new FlatrenderError('JOB_CANCELLED', 'cancelled by its owner');
    const started = Promise.withResolvers<void>();
    const working = failureOf(
      transcode(
        {
          ...optionsOf({ source, frames: 1_000_000, path: join(out, 'out.mp4.part') }),
          signal: controller.signal,
          onProgress: ({ frame }) => frame > 0 && started.resolve(),
        },
        name,
      ),
    );
    await started.promise;
    const at = performance.now();
    controller.abort(reason);
    assert.equal(await working, reason);
    assert.ok(performance.now() - at < 2000);
    assert.deepEqual(readdirSync(out), []);
  });
}

interface Parts {
  readonly source: TranscodeOptions['source'];
  readonly frames: number;
  readonly audio?: string | null;
  readonly alpha?: TranscodeOptions['alpha'];
  readonly output?: Partial<TranscodeOptions['output']>;
  readonly path?: string;
}

function optionsOf({ source, frames, audio = null, output, path = '', alpha }: Parts): TranscodeOptions {
  return {
    ...{ source, frames, audio, path, settings, alpha },
    output: {
      ...{ container: 'mp4', width: 64, height: 36, fps: 25, quality: 10, fit: 'contain' },
      background: '#000000',
      ...output,
    },
    signal: new AbortController().signal,
  };
}

let made = 0;

/** Transcodes into a file of its own, and returns its path. */
async function make(context: TestContext, name: EncoderName, parts: Parts): Promise<string> {
  const directory = temporaryDirectory(context);
  made += 1;
  const path = join(directory, `${made}.part`);
  await transcode(optionsOf({ ...parts, path }), name);
  return path;
}

async function ffmpeg(args: readonly string[]): Promise<void> {
  await run(tools?.ffmpeg ?? '', ['-v', 'error', '-y', ...args]);
}

async function makeSequence(
  directory: string,
  graph: string,
  count: number,
  { start = 0, prefix = 'f_', extension = 'png', args = [] as readonly string[] } = {},
): Promise<SequenceSource> {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const pattern = `${join(directory, prefix).replaceAll('%', '%%')}%05d.${extension}`;
  const frames = ['-frames:v', String(count), '-start_number', String(start)];
  await ffmpeg(['-f', 'lavfi', '-i', graph, ...frames, ...args, `file:${pattern}`]);
  return { kind: 'sequence', directory, prefix, digits: 5, start, count, extension, fps: 25 };
}

async function makeSound(directory: string, seconds: number): Promise<string> {
  const path = join(directory, `${seconds}.wav`);
  await ffmpeg(['-f', 'lavfi', '-i', `sine=f=440:r=44100:d=${seconds}`, path]);
  return path;
}

/** The level of grey of every frame. */
async function greys(path: string): Promise<number[]> {
  const all = Array.from({ length: 500 }, (_, index) => index);
  const frames = await decodeFrames(path, all);
  return frames.map((frame) => Math.round(colorAt(frame, 0.5, 0.5)[1] / 8) * 8);
}

function ramp(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index * 8);
}

/** A colour to the nearest of its kind: encoding moves it a little. */
function named(color: readonly number[]): string {
  const levels = [0, 128, 255];
  return color
    .map((part) =>
      levels.reduce((best, level) => (Math.abs(level - part) < Math.abs(best - part) ? level : best)),
    )
    .join(',');
}

function near(found: readonly number[], wanted: readonly number[]): void {
  for (const [index, part] of wanted.entries())
    assert.ok(Math.abs((found[index] ?? 0) - part) < 8, `${found} instead of ${wanted}`);
}
