/** Turns rendered frames or a rendered movie into the output file that was asked for. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FlatrenderError } from '../lib/errors.ts';
import type { OutputSpec } from '../protocol/jobs.ts';
import { chooseEncoder, type EncoderName, removePart } from './encoder.ts';
import type { MediaSettings } from './ffmpeg.ts';
import { describeMovie } from './movie-description.ts';
import { loadNodeAv } from './node-av.ts';
import { readPicture } from './picture-file.ts';
import { planPicture, type SourcePicture } from './picture-plan.ts';

/** Up to here starting ffmpeg costs more than its speed gains: three frames of 1080p. */
const SMALL_PIXELS = 6_500_000;
const SMALL_FRAMES = 50;

/** Numbered picture files: `<directory>/<prefix><number of `digits` digits>.<extension>`. */
export interface SequenceSource {
  readonly kind: 'sequence';
  readonly directory: string;
  readonly prefix: string;
  /** The number is filled up to so many digits with zeros. */
  readonly digits: number;
  /** Number of the first frame, 0 or more. */
  readonly start: number;
  readonly count: number;
  /** Without the dot. What the files are is told by their content: PNG, JPEG, TIFF or PSD, all alike. */
  readonly extension: string;
  readonly fps: number;
}

/** A finished movie file. */
export interface MovieSource {
  readonly kind: 'movie';
  readonly path: string;
}

export interface TranscodeOptions {
  readonly source: SequenceSource | MovieSource;
  /** How the pixels of a source with alpha are stored; After Effects calls it "Color". Default straight. */
  readonly alpha?: 'straight' | 'premultiplied' | undefined;
  /** #rrggbb behind what is transparent in the source; default: the background of the output. */
  readonly matte?: string | undefined;
  /** A sound file; null: with a movie its own sound, if it has any and the container takes it. */
  readonly audio: string | null;
  readonly output: Pick<
    OutputSpec,
    'container' | 'width' | 'height' | 'fps' | 'quality' | 'fit' | 'background'
  >;
  /**
   * Frames of the output. The source is cut there, or its last frame stands until then, sound likewise with silence:
   * so whether a movie is whole must be known before. A still (container png) is the last of them.
   */
  readonly frames: number;
  /** Where the file is written; by convention it ends in `.part` until it is verified. */
  readonly path: string;
  readonly settings: MediaSettings;
  /** Stops it within a second and removes the file. */
  readonly signal: AbortSignal;
  /** Frames of the output that are done; at least twice a second. */
  readonly onProgress?: (progress: { readonly frame: number }) => void;
  readonly onLog?: (line: string) => void;
}

/**
 * Writes the output file: frame rate converted to exactly `frames` frames, fitted into the size (rounded up to even
 * numbers where the codec needs that: `encodedSize`), what is transparent over the matte, tagged BT.709,
 * with sound. With the machine's ffmpeg, else node-av, or the one named; what is small, with node-av. The file is not verified: `finishOutput`.
 * Throws MEDIA_INVALID (a source that is missing or cannot be read), FFMPEG_FAILED, FFMPEG_MISSING, DISK_FULL, ABORTED.
 */
export async function transcode(options: TranscodeOptions, name?: EncoderName): Promise<void> {
  const { source, settings, signal, path } = options;
  throwIfAborted(signal);
  const chosen = name ?? (await chooseFor(options));
  try {
    const picture =
      source.kind === 'sequence'
        ? await describeSequence(source, signal)
        : await describeMovie(source.path, settings, signal);
    const plan = planPicture(options, picture);
    options.onLog?.(`encoding ${options.output.container} with ${chosen}`);
    if (chosen === 'ffmpeg') {
      const { transcodeWithFfmpeg } = await import('./transcode-ffmpeg.ts');
      await transcodeWithFfmpeg(options, picture, plan);
    } else {
      const { transcodeWithNodeAv } = await import('./transcode-node-av.ts');
      await transcodeWithNodeAv(options, picture, plan);
    }
    throwIfAborted(signal);
  } catch (error) {
    await removePart(path);
    throwIfAborted(signal);
    throw error;
  }
}

/**
 * The encoder of this machine; for a still and for a few small frames node-av, unless an ffmpeg is configured: starting
 * ffmpeg takes longer than the whole work (10 frames of 320 × 180: 84 ms against 26).
 */
async function chooseFor({ source, output, frames, settings }: TranscodeOptions): Promise<EncoderName> {
  const isSmall = output.width * output.height * frames <= SMALL_PIXELS;
  // Of a long movie few frames may be wanted, but all before them are decoded.
  const isShort = source.kind === 'sequence' && source.count <= SMALL_FRAMES;
  if (settings.ffmpegPath === '' && isSmall && isShort && (await loadNodeAv())) return 'node-av';
  return chooseEncoder(settings);
}

/** The path of a frame by its number. */
export function framePath(
  source: Omit<SequenceSource, 'kind' | 'start' | 'count' | 'fps'>,
  frame: number,
): string {
  return join(source.directory, frameName(source, frame));
}

function frameName(
  { prefix, digits, extension }: Pick<SequenceSource, 'prefix' | 'digits' | 'extension'>,
  frame: number,
): string {
  return `${prefix}${String(frame).padStart(digits, '0')}.${extension}`;
}

/** What the first frame says, once all are known to be there: ffmpeg would end at the first that is not, with exit code 0. */
async function describeSequence(source: SequenceSource, signal: AbortSignal): Promise<SourcePicture> {
  const names = new Set(
    await readdir(source.directory).catch((cause: unknown) => {
      throw new FlatrenderError('MEDIA_INVALID', `cannot read the frames in ${source.directory}`, { cause });
    }),
  );
  for (let frame = source.start; frame < source.start + source.count; frame += 1) {
    if (names.has(frameName(source, frame))) continue;
    throw new FlatrenderError('MEDIA_INVALID', `the frame ${framePath(source, frame)} is missing`);
  }
  const path = framePath(source, source.start);
  const first = await readPicture(path, signal);
  if ('fault' in first) throw new FlatrenderError('MEDIA_INVALID', `the frame ${path} ${first.fault}`);
  const { kind, width, height, hasAlpha } = first;
  return { kind, width, height, hasAlpha, isUntagged: false, hasAudio: false };
}

/** Throws the signal's own error, or ABORTED. */
export function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  if (signal.reason instanceof FlatrenderError) throw signal.reason;
  throw new FlatrenderError('ABORTED', 'the encoding was stopped', { cause: signal.reason });
}
