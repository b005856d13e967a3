/** Small JPEGs with node-av. */
import { readFile } from 'node:fs/promises';
import type { Demuxer, Frame } from 'node-av';
import type { MovieTail } from './movie-tail.ts';
import { type NodeAv, openMedia, requireNodeAv } from './node-av.ts';
import type { PictureKind } from './picture.ts';
import { decodePicture, encodePicture } from './picture-codec.ts';
import type { JpegJob } from './picture-to-jpeg.ts';

/** Of a frame file; null: it cannot be decoded. */
export async function pictureWithNodeAv(
  path: string,
  kind: PictureKind,
  job: JpegJob,
): Promise<Uint8Array | null> {
  const av = await requireNodeAv();
  const bytes = await readFile(path, { signal: job.signal });
  const frame = decodePicture(av, kind, bytes);
  if (!frame) return null;
  frame.timeBase = new av.Rational(1, 25);
  frame.pts = 0n;
  return toJpeg(av, frame, job);
}

/** Of the last frame of a movie; null: none can be decoded. */
export async function movieWithNodeAv(tail: MovieTail, job: JpegJob): Promise<Uint8Array | null> {
  const av = await requireNodeAv();
  const demuxer = await (tail.kind === 'avi'
    ? av.Demuxer.open(tail.bytes, { format: 'avi' })
    : openMedia(av, tail.path)
  ).catch(() => null);
  if (!demuxer) return null;
  try {
    const frame = await lastFrame(av, demuxer, tail.kind === 'file', job.signal);
    return frame && toJpeg(av, frame, job);
  } finally {
    await demuxer.close();
  }
}

/** The last frame of a file; the caller frees it. */
async function lastFrame(
  av: NodeAv,
  demuxer: Demuxer,
  hasIndex: boolean,
  signal: AbortSignal,
): Promise<Frame | null> {
  const stream = demuxer.video();
  if (!stream) return null;
  if (hasIndex && demuxer.duration > 1) {
    // To the key frame before.
    await demuxer.seek(demuxer.duration - 1, -1, av.AVSEEK_FLAG_BACKWARD).catch(() => 0);
  }
  using decoder = await av.Decoder.create(stream, { threadCount: 1 });
  let last: Frame | null = null;
  for await (const packet of demuxer.packets(stream.index)) {
    signal.throwIfAborted();
    // What is damaged is passed over.
    const frames = await decoder.decodeAll(packet).catch((): Frame[] => []);
    for (const frame of frames) {
      last?.free();
      last = frame;
    }
    packet?.free();
    if (packet === null) break;
  }
  return last;
}

/** Frees the frame. */
function toJpeg(av: NodeAv, frame: Frame, { filter, quality }: JpegJob): Uint8Array | null {
  const scaler = av.FilterAPI.create(filter, {});
  try {
    const [small, ...others] = [...scaler.processAllSync(frame)];
    for (const other of others) other.free();
    if (!small) return null;
    try {
      return encodePicture(av, small, 'mjpeg', quality);
    } finally {
      small.free();
    }
  } finally {
    frame.free();
    scaler.close();
  }
}
