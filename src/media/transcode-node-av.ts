/** Transcoding in this process with node-av: decode, filter, and the encoder that the other engines use. */
import { readFile, writeFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FilterAPI, Frame } from 'node-av';
import { FlatrenderError } from '../lib/errors.ts';
import { openEncoder } from './encoder.ts';
import { fpsFraction } from './encoding-plan.ts';
import { type NodeAv, openMedia, requireNodeAv } from './node-av.ts';
import { decodePicture, encodePicture } from './picture-codec.ts';
import type { PicturePlan, SourcePicture } from './picture-plan.ts';
import { framePath, type SequenceSource, type TranscodeOptions } from './transcode.ts';

/** Runs it. Throws MEDIA_INVALID, FFMPEG_FAILED, FFMPEG_MISSING, or the signal's reason. */
export async function transcodeWithNodeAv(
  options: TranscodeOptions,
  picture: SourcePicture,
  plan: PicturePlan,
): Promise<void> {
  const av = await requireNodeAv();
  const { source, output, signal } = options;
  const frames =
    source.kind === 'sequence'
      ? sequenceFrames(av, source, picture, signal)
      : movieFrames(av, source.path, options.settings.threads, signal);
  const isStill = output.container === 'png';
  const filter = av.FilterAPI.create(`${plan.filter},format=${isStill ? 'rgb24' : 'rgb0'}`, {});
  try {
    const pictures = filtered(filter, frames, isStill ? 1 : options.frames);
    await (isStill ? writeStill(av, pictures, options) : writeVideo(pictures, options, picture, plan));
  } finally {
    filter.close();
  }
}

async function writeVideo(
  pictures: AsyncIterable<Frame>,
  options: TranscodeOptions,
  { hasAudio }: SourcePicture,
  { width, height }: PicturePlan,
): Promise<void> {
  const { source, output, frames, path, settings, signal, onLog, onProgress } = options;
  const sound = options.audio ?? (source.kind === 'movie' && hasAudio ? source.path : null);
  const hasSound = sound !== null && output.container !== 'gif';
  await using encoder = await openEncoder(
    {
      ...{ path, output, width, height, frames, settings, signal },
      audio: hasSound ? { path: sound } : undefined,
      ...(onLog ? { onLog } : {}),
    },
    'node-av',
  );
  let count = 0;
  for await (const frame of pictures) {
    const pixels = frame.toBuffer();
    frame.free();
    await encoder.write(pixels);
    count += 1;
    onProgress?.({ frame: count });
  }
  if (count !== frames) {
    throw new FlatrenderError('FFMPEG_FAILED', `node-av made ${count} of ${frames} frames`);
  }
  await encoder.finish();
}

async function writeStill(
  av: NodeAv,
  pictures: AsyncIterable<Frame>,
  { path, onProgress }: TranscodeOptions,
): Promise<void> {
  for await (const frame of pictures) {
    try {
      await writeFile(path, encodePicture(av, frame, 'png'));
    } finally {
      frame.free();
    }
    onProgress?.({ frame: 1 });
    return;
  }
  throw new FlatrenderError('FFMPEG_FAILED', 'node-av made no picture');
}

/** What comes out of a filter, up to `count` frames. The receiver frees them. */
async function* filtered(
  filter: FilterAPI,
  frames: AsyncIterable<Frame>,
  count: number,
): AsyncGenerator<Frame> {
  let left = count;
  for await (const frame of frames) {
    let ready: Frame[];
    try {
      ready = filter.processAllSync(frame);
    } catch (cause) {
      throw failure('cannot convert a frame', cause);
    } finally {
      frame.free();
    }
    for (const each of ready) {
      if (left <= 0) each.free();
      else yield each;
      left -= 1;
    }
    if (left <= 0) return;
  }
  filter.flushSync();
  // One at a time: the last frame is repeated without end, and only the count ends it.
  for (const frame of filter.flushFramesSync()) {
    yield frame;
    left -= 1;
    if (left <= 0) return;
  }
}

/** The pictures of a sequence, each decoded by itself, timed by their place. */
async function* sequenceFrames(
  av: NodeAv,
  source: SequenceSource,
  { kind }: SourcePicture,
  signal: AbortSignal,
): AsyncGenerator<Frame> {
  const { num, den } = fpsFraction(source.fps);
  for (let index = 0; index < source.count; index += 1) {
    const path = framePath(source, source.start + index);
    const bytes = await readFile(path, { signal }).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw new FlatrenderError('MEDIA_INVALID', `cannot read the frame ${path}`, { cause });
    });
    const frame = decodePicture(av, kind ?? 'png', bytes);
    if (!frame) throw new FlatrenderError('MEDIA_INVALID', `the frame ${path} cannot be decoded`);
    frame.timeBase = new av.Rational(den, num);
    frame.pts = BigInt(index);
    frame.duration = 1n;
    yield frame;
    await nextTurn();
  }
}

/** The pictures of a movie. */
async function* movieFrames(
  av: NodeAv,
  path: string,
  threadCount: number,
  signal: AbortSignal,
): AsyncGenerator<Frame> {
  const demuxer = await openMedia(av, path);
  try {
    const stream = demuxer.video();
    if (!stream) throw new FlatrenderError('MEDIA_INVALID', `${path} holds no picture`);
    using decoder = await av.Decoder.create(stream, {
      exitOnError: true,
      threadCount,
      configure: (context) => void context.setOption('err_detect', 'explode'),
    });
    for await (const packet of demuxer.packets(stream.index)) {
      signal.throwIfAborted();
      let frames: Frame[];
      try {
        frames = await decoder.decodeAll(packet);
      } catch (cause) {
        throw failure(`cannot decode ${path}`, cause);
      } finally {
        packet?.free();
      }
      yield* frames;
      if (packet === null) break;
    }
  } finally {
    await demuxer.close();
  }
}

function failure(what: string, cause: unknown): FlatrenderError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new FlatrenderError('FFMPEG_FAILED', `node-av ${what}: ${why}`, { cause });
}
