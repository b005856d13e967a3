/** What a movie's streams are, from its header alone. */
import { FlatrenderError } from '../lib/errors.ts';
import { run } from '../lib/exec.ts';
import { findFfmpeg, type MediaSettings } from './ffmpeg.ts';
import { MEDIA_FORMATS } from './media-formats.ts';
import { loadNodeAv, openMedia, requireNodeAv } from './node-av.ts';
import type { SourcePicture } from './picture-plan.ts';

/**
 * Reads a movie's header, with node-av or else ffprobe; `first` the other one.
 * Throws MEDIA_INVALID, FFMPEG_MISSING, ABORTED.
 */
export async function describeMovie(
  path: string,
  settings: Pick<MediaSettings, 'ffmpegPath'>,
  signal?: AbortSignal,
  first: 'ffprobe' | 'node-av' = 'node-av',
): Promise<SourcePicture> {
  const isNodeAvFirst = first === 'node-av' && (await loadNodeAv()) !== null;
  const ffprobe = isNodeAvFirst ? null : (await findFfmpeg(settings))?.ffprobe;
  return ffprobe ? withFfprobe(ffprobe, path, signal) : withNodeAv(path);
}

async function withFfprobe(ffprobe: string, path: string, signal?: AbortSignal): Promise<SourcePicture> {
  const entries = 'stream=codec_type,width,height,pix_fmt,color_space';
  const { exitCode, stdout, stderr } = await run(
    ffprobe,
    [
      ...['-v', 'error', '-show_entries', entries, '-of', 'compact=p=0:nk=0'],
      ...['-format_whitelist', MEDIA_FORMATS, `file:${path}`],
    ],
    { anyExitCode: true, ...(signal ? { signal } : {}) },
  );
  const streams = stdout.split('\n').map(
    (line) =>
      new Map(
        line
          .trim()
          .split('|')
          .map((pair) => splitPair(pair)),
      ),
  );
  const video = streams.find((stream) => stream.get('codec_type') === 'video');
  if (exitCode !== 0 || !video) throw noMovie(path, stderr.trim().split('\n').at(-1) ?? '');
  return {
    kind: null,
    width: Number(video.get('width')) || 0,
    height: Number(video.get('height')) || 0,
    ...pixelTraits(video.get('pix_fmt') ?? '', video.get('color_space') ?? 'unknown'),
    hasAudio: streams.some((stream) => stream.get('codec_type') === 'audio'),
  };
}

async function withNodeAv(path: string): Promise<SourcePicture> {
  const av = await requireNodeAv();
  const demuxer = await openMedia(av, path);
  try {
    const video = demuxer.video();
    if (!video) throw noMovie(path, '');
    const { width, height, format, colorSpace } = video.codecpar;
    const space = colorSpace === av.AVCOL_SPC_UNSPECIFIED ? 'unknown' : String(colorSpace);
    const pixels = av.avGetPixFmtName(format as never) ?? '';
    const hasAudio = demuxer.audio() !== undefined;
    return { kind: null, width, height, ...pixelTraits(pixels, space), hasAudio };
  } finally {
    await demuxer.close();
  }
}

/** By FFmpeg's names of pixel formats; one that is not known may have alpha. */
function pixelTraits(format: string, colorSpace: string): { hasAlpha: boolean; isUntagged: boolean } {
  const isYuv = /^(yuv|nv|uyvy|yuyv)/.test(format);
  const isOpaque =
    (isYuv && !format.startsWith('yuva')) || /^(rgb|bgr|gbrp|gray|0rgb|0bgr|mono)/.test(format);
  return {
    hasAlpha: !isOpaque || /^(rgba|bgra)/.test(format),
    isUntagged: isYuv && (colorSpace === 'unknown' || colorSpace === 'reserved'),
  };
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf('=');
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function noMovie(path: string, why: string): FlatrenderError {
  return new FlatrenderError(
    'MEDIA_INVALID',
    `${path} is not a movie that can be read: ${why === '' ? 'it holds no picture' : why}`,
  );
}
