/** Encoding with the machine's ffmpeg: raw frames go into its standard input. */
import type { Writable } from 'node:stream';
import { FlatrenderError } from '../lib/errors.ts';
import { type EncoderOptions, type FrameEncoder, removePart } from './encoder.ts';
import type { EncodingPlan } from './encoding-plan.ts';
import { type FfmpegResult, requireFfmpeg, startFfmpeg } from './ffmpeg.ts';
import { MEDIA_FORMATS } from './media-formats.ts';

/** Builds the arguments (the global ones come from `startFfmpeg`): raw frames on standard input, a file of the planned kind. */
export function ffmpegEncoderArgs(options: EncoderOptions, plan: EncodingPlan): string[] {
  const { width, height, audio, settings, path } = options;
  const sound = audio && plan.audio;
  return [
    // rgb0, not rgba: the frames are opaque, and the conversion is faster.
    ...['-f', 'rawvideo', '-pix_fmt', 'rgb0', '-video_size', `${width}x${height}`],
    ...['-framerate', `${plan.fps.num}/${plan.fps.den}`, '-i', 'pipe:0'],
    // A damaged sound track must be an error: by default ffmpeg leaves a gap and exits with 0.
    ...(sound
      ? ['-err_detect', 'explode', '-format_whitelist', MEDIA_FORMATS, '-i', `file:${audio.path}`]
      : []),
    ...['-filter_complex', `[0:v]${plan.video.filter}[v]${sound ? `;[1:a:0]${sound.filter}[a]` : ''}`],
    ...['-map', '[v]', ...(sound ? ['-map', '[a]'] : [])],
    ...ffmpegOutputArgs(plan, { hasSound: Boolean(sound), threads: settings.threads, path }),
  ];
}

/** Builds the arguments of an output whose streams are mapped and filtered: codecs, tags, container, file. */
export function ffmpegOutputArgs(
  { video, audio, format, formatOptions }: EncodingPlan,
  { hasSound, threads, path }: { hasSound: boolean; threads: number; path: string },
): string[] {
  const sound = hasSound ? audio : null;
  return [
    ...['-c:v', video.codec, ...pairs(video.options)],
    // Constant quality of VP9 is a limit unless the bit rate is 0.
    ...(video.codec === 'libvpx-vp9' ? ['-b:v', '0'] : []),
    ...(video.codec === 'gif'
      ? []
      : ['-color_primaries', 'bt709', '-color_trc', 'bt709', '-colorspace', 'bt709', '-color_range', 'tv']),
    ...(sound ? ['-c:a', sound.codec, '-b:a', String(sound.bitRate), ...pairs(sound.options)] : []),
    ...(threads > 0 ? ['-threads', String(threads)] : []),
    ...['-map_metadata', '-1', '-fps_mode', 'passthrough'],
    ...[...pairs(formatOptions), '-f', format, `file:${path}`],
  ];
}

function pairs(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).flatMap(([key, value]) => [`-${key}`, value]);
}

/** Starts ffmpeg. Throws FFMPEG_MISSING. */
export async function openFfmpegEncoder(options: EncoderOptions, plan: EncodingPlan): Promise<FrameEncoder> {
  const { ffmpeg } = await requireFfmpeg(options.settings);
  const stop = new AbortController();
  const { stdin, done } = await startFfmpeg(ffmpegEncoderArgs(options, plan), {
    ffmpeg,
    stdin: 'pipe',
    signal: AbortSignal.any([options.signal, stop.signal]),
    onLine(line) {
      // With sound: our frames wait for the encoder, as they should.
      if (!line.includes('Thread message queue blocking')) options.onLog?.(`ffmpeg: ${line}`);
    },
  });
  if (!stdin) throw new Error('ffmpeg was started without its standard input');
  return new FfmpegEncoder({ stdin, done, stop }, options.path);
}

interface Running {
  readonly stdin: Writable;
  readonly done: Promise<FfmpegResult>;
  readonly stop: AbortController;
}

class FfmpegEncoder implements FrameEncoder {
  readonly name = 'ffmpeg';
  readonly #running: Running;
  readonly #path: string;
  #isFinished = false;

  constructor(running: Running, path: string) {
    this.#running = running;
    this.#path = path;
  }

  async write(frame: Uint8Array): Promise<void> {
    const { stdin, done } = this.#running;
    // The callback comes when the last byte is in the pipe: that is the back-pressure.
    const isWritten = await new Promise<boolean>((resolve) => stdin.write(frame, (error) => resolve(!error)));
    if (isWritten) return;
    await done; // rejects with the reason
    throw new FlatrenderError('FFMPEG_FAILED', 'ffmpeg stopped reading before the last frame');
  }

  async finish(): Promise<void> {
    this.#running.stdin.end();
    await this.#running.done;
    this.#isFinished = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isFinished) return;
    this.#running.stop.abort();
    await this.#running.done.catch(() => {}); // the file goes anyway
    await removePart(this.#path);
  }
}
