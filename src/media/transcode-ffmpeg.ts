/** Transcoding with the machine's ffmpeg: one process. */
import { join } from 'node:path';
import { ffmpegOutputArgs } from './encoder-ffmpeg.ts';
import { fpsFraction, planEncoding } from './encoding-plan.ts';
import { requireFfmpeg, runFfmpeg } from './ffmpeg.ts';
import { MEDIA_FORMATS } from './media-formats.ts';
import { PICTURE_DECODERS } from './picture.ts';
import type { PicturePlan, SourcePicture } from './picture-plan.ts';
import type { SequenceSource, TranscodeOptions } from './transcode.ts';

/** Runs it. Throws FFMPEG_FAILED, FFMPEG_MISSING, DISK_FULL, ABORTED. */
export async function transcodeWithFfmpeg(
  options: TranscodeOptions,
  picture: SourcePicture,
  plan: PicturePlan,
): Promise<void> {
  const { ffmpeg } = await requireFfmpeg(options.settings);
  const { frames, onProgress, onLog, signal } = options;
  await runFfmpeg(transcodeArgs(options, picture, plan), {
    ffmpeg,
    signal,
    onProgress: ({ frame }) => onProgress?.({ frame: Math.min(frame, frames) }),
    onLine: (line) => onLog?.(`ffmpeg: ${line}`),
  });
}

/** Builds the arguments (the global ones come from `runFfmpeg`). */
export function transcodeArgs(
  { source, audio, output, frames, path, settings }: TranscodeOptions,
  picture: SourcePicture,
  plan: PicturePlan,
): string[] {
  const strict = ['-err_detect', 'explode', '-format_whitelist', MEDIA_FORMATS];
  const input =
    source.kind === 'sequence' ? sequenceArgs(source, picture) : [...strict, '-i', `file:${source.path}`];
  if (output.container === 'png') {
    return [
      ...[...input, '-filter_complex', `[0:v:0]${plan.filter},format=rgb24[v]`, '-map', '[v]'],
      ...[
        '-frames:v',
        '1',
        '-c:v',
        'png',
        '-map_metadata',
        '-1',
        '-f',
        'image2',
        '-update',
        '1',
        `file:${path}`,
      ],
    ];
  }
  const encoding = planEncoding({ output, width: plan.width, height: plan.height, frames });
  const sound = encoding.audio === null ? null : audio !== null ? '1:a:0' : picture.hasAudio ? '0:a:0' : null;
  const graph = [
    `[0:v:0]${plan.filter},${encoding.video.filter}[v]`,
    ...(sound === null ? [] : [`[${sound}]${encoding.audio?.filter}[a]`]),
  ];
  return [
    ...input,
    ...(sound === '1:a:0' ? [...strict, '-i', `file:${audio}`] : []),
    ...['-filter_complex', graph.join(';'), '-map', '[v]', ...(sound === null ? [] : ['-map', '[a]'])],
    // Chapters and time codes of After Effects count in its own frames.
    ...['-map_chapters', '-1', '-dn', '-sn'],
    ...ffmpegOutputArgs(encoding, { hasSound: sound !== null, threads: settings.threads, path }),
  ];
}

/**
 * A numbered sequence. In the pattern only the number is one: `%` in a name is written twice. Not strict with TIFF: the
 * decoder would refuse tags that it does not know, even ResolutionUnit (ffmpeg 5.1).
 */
function sequenceArgs(source: SequenceSource, { kind }: SourcePicture): string[] {
  const { num, den } = fpsFraction(source.fps);
  const literal = (text: string): string => text.replaceAll('%', '%%');
  const number = source.digits > 1 ? `%0${source.digits}d` : '%d';
  const pattern = `${literal(join(source.directory, source.prefix))}${number}.${literal(source.extension)}`;
  return [
    ...['-f', 'image2', '-pattern_type', 'sequence', '-framerate', `${num}/${den}`],
    ...['-start_number', String(source.start), '-start_number_range', '1'],
    ...['-c:v', PICTURE_DECODERS[kind ?? 'png'], ...(kind === 'tiff' ? [] : ['-err_detect', 'explode'])],
    ...['-i', `file:${pattern}`],
  ];
}
