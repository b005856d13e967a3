/** Small JPEGs with the machine's ffmpeg. */
import { start } from '../lib/exec.ts';
import { requireFfmpeg } from './ffmpeg.ts';
import { MEDIA_FORMATS } from './media-formats.ts';
import type { MovieTail } from './movie-tail.ts';
import { PICTURE_DECODERS, type PictureKind } from './picture.ts';
import type { JpegJob } from './picture-to-jpeg.ts';

/** Of a frame file; null: it cannot be decoded. */
export function pictureWithFfmpeg(path: string, kind: PictureKind, job: JpegJob): Promise<Uint8Array | null> {
  const input = [
    '-f',
    'image2',
    '-pattern_type',
    'none',
    '-c:v',
    PICTURE_DECODERS[kind],
    '-i',
    `file:${path}`,
  ];
  return makeJpeg(input, job.filter, job);
}

/** Of the last frame of a movie; null: none can be decoded. */
export function movieWithFfmpeg(tail: MovieTail, job: JpegJob): Promise<Uint8Array | null> {
  // The frames of the last second, small, so that keeping them costs little; of these the last.
  const filter = `${job.filter},reverse,trim=end_frame=1`;
  if (tail.kind === 'avi') return makeJpeg(['-f', 'avi', '-i', 'pipe:0'], filter, job, tail.bytes);
  const input = ['-format_whitelist', MEDIA_FORMATS, '-sseof', '-1', '-i', `file:${tail.path}`];
  return makeJpeg(input, filter, job);
}

async function makeJpeg(
  input: readonly string[],
  filter: string,
  { quality, settings, signal }: JpegJob,
  stdin?: Buffer,
): Promise<Uint8Array | null> {
  const { ffmpeg } = await requireFfmpeg(settings);
  const program = await start(
    ffmpeg,
    [
      // One thread: starting more costs as much as they save.
      ...[
        '-hide_banner',
        '-loglevel',
        'error',
        '-threads',
        '1',
        ...input,
        '-filter_complex',
        `[0:v:0]${filter}[v]`,
      ],
      ...['-map', '[v]', '-frames:v', '1', '-threads', '1', '-c:v', 'mjpeg', '-q:v', String(quality)],
      ...['-f', 'mjpeg', 'pipe:1'],
    ],
    {
      signal,
      graceMs: 500,
      stdin: stdin ? 'pipe' : 'ignore',
      stdout: 'pipe',
      env: { FFREPORT: undefined },
    },
  );
  const chunks: Buffer[] = [];
  program.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  if (stdin) program.stdin?.end(stdin);
  const { exitCode } = await program.done;
  const jpeg = Buffer.concat(chunks);
  return exitCode === 0 && jpeg.length > 0 ? jpeg : null;
}
