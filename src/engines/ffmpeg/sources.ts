/** Looks at the files a render reads, before it starts: what they are, how long, and whether they are whole. */
import { basename, join } from 'node:path';
import { FlatrenderError } from '../../lib/errors.ts';
import { run } from '../../lib/exec.ts';
import { type FfmpegTools, runFfmpeg } from '../../media/ffmpeg.ts';
import { probeMedia } from '../../media/probe.ts';
import type { RenderRequest } from '../engine.ts';
import { type SourcePlan, sourceArgs } from './build-args.ts';
import { fillGraph, type GraphValues } from './fill-graph.ts';
import { imageCodecOf } from './media-kind.ts';

interface Context {
  readonly request: RenderRequest;
  readonly tools: FfmpegTools;
  readonly signal: AbortSignal;
}

type Section = NonNullable<RenderRequest['manifest']['engines']['ffmpeg']>;

/** The `-i` of each source of the manifest. Throws MEDIA_INVALID, INPUT_INVALID, TEMPLATE_INVALID. */
export async function planSources(
  section: Section,
  values: GraphValues,
  request: RenderRequest,
): Promise<SourcePlan[]> {
  const plans: SourcePlan[] = [];
  for (const [index, source] of section.sources.entries()) {
    const where = `sources[${index}]`;
    if ('generate' in source) {
      plans.push({ kind: 'lavfi', graph: fillGraph(source.generate, `${where}.generate`, values) });
    } else if ('file' in source) {
      plans.push(await planFile(join(request.bundleDir, ...source.file.split('/')), source.loop));
    } else {
      plans.push(await planInput(source, where, values, request));
    }
  }
  return plans;
}

async function planInput(
  source: { input: string; loop: boolean; otherwise?: string | undefined },
  where: string,
  values: GraphValues,
  { inputs }: RenderRequest,
): Promise<SourcePlan> {
  const input = inputs[source.input];
  if (input === undefined) {
    if (source.otherwise !== undefined) {
      return { kind: 'lavfi', graph: fillGraph(source.otherwise, `${where}.otherwise`, values) };
    }
    throw new FlatrenderError(
      'INPUT_INVALID',
      `input "${source.input}" is not given, and this template cannot do without`,
      {
        hint: `set it, or give engines.ffmpeg.${where} of the template an "otherwise"`,
      },
    );
  }
  if (!('path' in input)) {
    throw new FlatrenderError(
      'TEMPLATE_INVALID',
      `engines.ffmpeg.${where}: input "${source.input}" is a ${input.type}, not a file`,
    );
  }
  return planFile(input.path, source.loop);
}

async function planFile(path: string, loop: boolean): Promise<SourcePlan> {
  const codec = await imageCodecOf(path);
  // A GIF may be an animation: then it is a video, unless one frame of it is wanted for the whole time.
  return codec === null ? { kind: 'media', path, loop } : { kind: 'image', path, codec, loop };
}

/**
 * Decodes every file that came with the job: a damaged one is refused by name before the render, not after an hour.
 * Returns the exact length of each sound and video, in seconds, by input name.
 */
export async function checkInputs(context: Context): Promise<Map<string, number>> {
  const { inputs, manifest } = context.request;
  const seconds = new Map<string, number>();
  for (const [name, input] of Object.entries(inputs)) {
    const definition = manifest.inputs[name];
    if (!('path' in input) || input.type === 'font') continue;
    const length = await lengthOf(name, input, context);
    if (length === null) continue;
    seconds.set(name, length);
    const limit =
      definition?.type === 'audio' || definition?.type === 'video' ? definition.maxSeconds : length;
    if (length > limit + 0.5) {
      throw new FlatrenderError(
        'INPUT_INVALID',
        `input "${name}" lasts ${Math.round(length)} s; at most ${limit} s are allowed`,
      );
    }
  }
  return seconds;
}

/** Null for an image. */
async function lengthOf(
  name: string,
  input: { type: 'image' | 'audio' | 'video' | 'font'; path: string },
  { tools, signal, request }: Context,
): Promise<number | null> {
  const plan = await planFile(input.path, false);
  if (input.type === 'video' && plan.kind === 'media') {
    const info = await probeMedia(input.path, request.settings, signal).catch((error: unknown) => {
      throw asInvalid(name, input.path, 'cannot be read as a video', error);
    });
    if (info.frames > 0 && info.damage.length === 0) return info.durationMs / 1000;
    throw invalid(
      name,
      input.path,
      info.damage[0] ? `is damaged: ${info.damage[0]}` : 'has no picture',
      REPAIR_HINT,
    );
  }
  if (input.type === 'image' && plan.kind !== 'image') {
    throw invalid(
      name,
      input.path,
      'is not a PNG, JPEG, WebP, GIF, BMP or TIFF image',
      'convert it to PNG or JPEG',
    );
  }
  // A picture as a sound would otherwise be the cover of an empty track.
  if (input.type === 'audio' && plan.kind === 'image')
    throw invalid(name, input.path, `is an image (${plan.codec})`, 'give a sound file');
  const map = plan.kind === 'image' ? ['-frames:v', '1'] : ['-map', '0:a:0'];
  const { outTimeUs } = await runFfmpeg([...sourceArgs(plan, 25), ...map, '-f', 'null', '-'], {
    ffmpeg: tools.ffmpeg,
    signal,
  }).catch((error: unknown) => {
    throw asInvalid(
      name,
      input.path,
      `cannot be read as ${input.type === 'audio' ? 'a sound' : 'an image'}`,
      error,
    );
  });
  if (plan.kind === 'image') return null;
  const seconds = outTimeUs / 1_000_000;
  const claimed = await claimedSeconds(input.path, tools, signal);
  // Half a second and a fiftieth: encoders count their delay and padding in.
  if (claimed !== null && seconds < claimed * 0.98 - 0.5) {
    const found = `${seconds.toFixed(1)} of ${claimed.toFixed(1)} s`;
    throw invalid(name, input.path, `is cut off: it holds ${found}`, 'send it again, whole');
  }
  if (seconds > 0) return seconds;
  throw invalid(name, input.path, 'has no sound in it', 'give a sound file');
}

/**
 * The length a file says it has; null when it does not say. An MP3 that was cut off while it was uploaded decodes
 * without an error: only the frame count in its head (Xing, Info) tells.
 */
async function claimedSeconds(
  path: string,
  { ffprobe }: FfmpegTools,
  signal: AbortSignal,
): Promise<number | null> {
  if (ffprobe === null) return null;
  const what = ['-show_entries', 'format=duration', '-of', 'default=nokey=1:noprint_wrappers=1'];
  const input = sourceArgs({ kind: 'media', path, loop: false }, 25);
  const { stdout, stderr } = await run(ffprobe, ['-v', 'warning', ...what, ...input], {
    signal,
    anyExitCode: true,
  });
  const seconds = Number.parseFloat(stdout);
  // Without a count ffprobe divides the size by the first bit rate: wrong for a variable one.
  return /Estimating duration/.test(stderr) || !(seconds > 0) ? null : seconds;
}

const REPAIR_HINT =
  'export it again, or repair it: ffmpeg -i FILE -c:a pcm_s16le repaired.wav (sound), -c:v libx264 repaired.mp4 (video)';

function asInvalid(name: string, path: string, what: string, error: unknown): unknown {
  const isVerdict =
    error instanceof FlatrenderError && (error.code === 'FFMPEG_FAILED' || error.code === 'MEDIA_INVALID');
  if (!isVerdict) return error;
  // Without the exit code and the path, which says nothing more than the name before it.
  const reason = error.message.replace(/^ffmpeg failed \([^)]*\): /, '').replace(/; file:.*/s, '');
  const refused = /(\w+): Format not on whitelist/.exec(reason)?.[1];
  const why = refused === undefined ? reason : `its format (${refused}) is not accepted`;
  const hint = what.endsWith('an image') ? 'export it again as PNG or JPEG' : REPAIR_HINT;
  return invalid(name, path, `${what}: ${why}`, hint, error);
}

function invalid(name: string, path: string, what: string, hint: string, cause?: unknown): FlatrenderError {
  return new FlatrenderError('MEDIA_INVALID', `input "${name}" (${basename(path)}) ${what}`, { hint, cause });
}
