/** Small JPEGs of what is being rendered: of a frame file, of a movie that still grows. */
import { FlatrenderError } from '../lib/errors.ts';
import { chooseEncoder, type EncoderName } from './encoder.ts';
import type { MediaSettings } from './ffmpeg.ts';
import { movieTail } from './movie-tail.ts';
import { loadNodeAv } from './node-av.ts';
import { readPicture } from './picture-file.ts';
import { flatten } from './picture-plan.ts';

/** What the control plane takes. */
const MAX_BYTES = 512 * 1024;
/** JPEG quality of FFmpeg (2 best, 31 worst) with which a picture of the usual size stays far below that. */
const QUALITY = 5;

export interface JpegOptions {
  readonly settings: MediaSettings;
  /** Wider pictures are scaled down to it; default 640. */
  readonly maxWidth?: number;
  readonly signal: AbortSignal;
  /** `#rrggbb` behind what is transparent; default black. */
  readonly background?: string;
}

/** One picture to be made, by either implementation. */
export interface JpegJob {
  readonly filter: string;
  readonly quality: number;
  readonly settings: MediaSettings;
  readonly signal: AbortSignal;
}

/**
 * A frame file as JPEG of at most 512 kB. With node-av, else the machine's ffmpeg, or the one named: a frame that was
 * found whole is no danger to this process, and another process takes six times as long (15 against 90 ms for 1080p).
 * Throws MEDIA_INVALID (missing, damaged, of another kind), FFMPEG_FAILED, FFMPEG_MISSING, ABORTED.
 */
export async function pictureToJpeg(
  path: string,
  options: JpegOptions,
  name?: EncoderName,
): Promise<Uint8Array> {
  const picture = await readPicture(path, options.signal);
  if ('fault' in picture) throw new FlatrenderError('MEDIA_INVALID', `the frame ${path} ${picture.fault}`);
  const chosen = name ?? ((await loadNodeAv()) ? 'node-av' : 'ffmpeg');
  const jpeg = await smallEnough(options, picture.hasAlpha, async (job) => {
    if (chosen === 'ffmpeg') {
      const { pictureWithFfmpeg } = await import('./preview-ffmpeg.ts');
      return pictureWithFfmpeg(path, picture.kind, job);
    }
    const { pictureWithNodeAv } = await import('./preview-node-av.ts');
    return pictureWithNodeAv(path, picture.kind, job);
  });
  if (jpeg) return jpeg;
  throw new FlatrenderError('MEDIA_INVALID', `the frame ${path} cannot be decoded`);
}

/**
 * The last frame of a movie that can be read, also of one that is being written or was cut off; null when none can:
 * QuickTime and MP4 files say where their frames are when they are closed, AVI files with each frame. With the machine's
 * ffmpeg, else node-av, or the one named. Throws FFMPEG_MISSING, ABORTED.
 */
export async function movieFrameToJpeg(
  path: string,
  options: JpegOptions,
  name?: EncoderName,
): Promise<Uint8Array | null> {
  const chosen = name ?? (await chooseEncoder(options.settings));
  const tail = await movieTail(path).catch(() => null);
  if (!tail) return null;
  return smallEnough(options, tail.hasAlpha, async (job) => {
    if (chosen === 'ffmpeg') {
      const { movieWithFfmpeg } = await import('./preview-ffmpeg.ts');
      return movieWithFfmpeg(tail, job);
    }
    const { movieWithNodeAv } = await import('./preview-node-av.ts');
    return movieWithNodeAv(tail, job);
  });
}

/** Makes it smaller until it is small enough. */
async function smallEnough(
  { maxWidth = 640, settings, signal, background = '#000000' }: JpegOptions,
  hasAlpha: boolean,
  make: (job: JpegJob) => Promise<Uint8Array | null>,
): Promise<Uint8Array | null> {
  for (let [width, quality] = [maxWidth, QUALITY]; ; [width, quality] = [Math.ceil(width / 2), 12]) {
    signal.throwIfAborted();
    // Scaled first: what transparent edges lose by that does not matter here.
    const filter = [
      `scale=w='min(${width},iw)':h=-2:flags=bilinear`,
      hasAlpha ? flatten(background, false) : 'format=rgb24',
      'format=yuvj420p',
    ].join(',');
    const jpeg = await make({ filter, quality, settings, signal });
    if (!jpeg || jpeg.length <= MAX_BYTES) return jpeg;
  }
}
