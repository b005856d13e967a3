/** Transcoding in this process with node-av: decode, filter, and the encoder that the other engines use. */
import { readFile, writeFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FilterAPI, Frame } from 'node-av';
import { FlatrenderError } from '../lib/errors.ts';
import { openEncoder } from './encoder.ts';
import { fpsFraction } from './encoding-plan.ts';
import { type NodeAv, openMedia, requireNodeAv } from './node-av.ts';
import { PICTURE_DECODERS, type PictureKind } from './picture.ts';
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

/** Encodes one picture, in a pixel format that the codec takes. `quality`: of JPEG, 2 (best) to 31. */
export function encodePicture(av: NodeAv, frame: Frame, codec: 'png' | 'mjpeg', quality = 2): Buffer {
  const encoder = new av.CodecContext();
  try {
    const found = av.Codec.findEncoderByName(codec as never);
    if (!found) throw new FlatrenderError('FFMPEG_FAILED', `node-av has no encoder ${codec}`);
    encoder.allocContext3(found);
    encoder.width = frame.width;
    encoder.height = frame.height;
    encoder.pixelFormat = frame.format as never;
    encoder.timeBase = new av.Rational(1, 25);
    encoder.threadCount = 1;
    if (codec === 'mjpeg') {
      // The libraries take the quality from the frame, in units of FF_QP2LAMBDA (118), with the flag QSCALE.
      encoder.setFlags(av.AV_CODEC_FLAG_QSCALE);
      encoder.globalQuality = quality * 118;
      frame.quality = quality * 118;
    }
    frame.pts = 0n;
    const packet = new av.Packet();
    packet.alloc();
    try {
      const result =
        encoder.open2Sync(found, null) || encoder.sendFrameSync(frame) || encoder.receivePacketSync(packet);
      if (result < 0 || !packet.data)
        throw new FlatrenderError('FFMPEG_FAILED', `node-av cannot encode a picture (${result})`);
      return Buffer.from(packet.data);
    } finally {
      packet.free();
    }
  } finally {
    encoder.freeContext();
  }
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

/**
 * Decodes one picture; null: it is damaged. The caller frees it. With a decoder of its own: that of FFmpeg 8 for PNG
 * adds the first row to the last one of the picture before (seen with node-av 6.1.1).
 */
export function decodePicture(av: NodeAv, kind: PictureKind, bytes: Buffer): Frame | null {
  const codec = av.Codec.findDecoderByName(PICTURE_DECODERS[kind] as never);
  const decoder = new av.CodecContext();
  const packet = new av.Packet();
  const frame = new av.Frame();
  try {
    decoder.allocContext3(codec);
    // Frame threads would give the picture with a later one.
    decoder.threadCount = 1;
    if (kind !== 'tiff') decoder.setOption('err_detect', 'explode');
    if (codec === null || decoder.open2Sync(codec, null) < 0)
      throw new FlatrenderError('FFMPEG_FAILED', `node-av cannot open its decoder for ${kind}`);
    packet.alloc();
    frame.alloc();
    packet.data = bytes;
    if (decoder.sendPacketSync(packet) === 0 && decoder.receiveFrameSync(frame) === 0) return frame;
  } finally {
    packet.free();
    decoder.freeContext();
  }
  frame.free();
  return null;
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
