/** Builds the ffmpeg command of a render. Pure: the same description gives the same arguments. */
import { type EncodingPlan, fpsFraction, planEncoding } from '../../media/encoding-plan.ts';
import type { OutputSpec } from '../../protocol/jobs.ts';
import { filterColor } from './filter-escape.ts';
import type { ImageCodec } from './media-kind.ts';

/** One `-i`. */
export type SourcePlan =
  | { readonly kind: 'image'; readonly path: string; readonly codec: ImageCodec; readonly loop: boolean }
  | { readonly kind: 'media'; readonly path: string; readonly loop: boolean }
  | { readonly kind: 'lavfi'; readonly graph: string };

export interface RenderPlan {
  readonly sources: readonly SourcePlan[];
  /** The template's graph, filled in. */
  readonly graph: string;
  /** Label of the picture, with its brackets. */
  readonly video: string;
  /** Label or stream specifier of the sound; null: silent. */
  readonly audio: string | null;
  readonly output: OutputSpec;
  readonly width: number;
  readonly height: number;
  /** All frames of the video; for a still: up to and with the one that is kept. */
  readonly frames: number;
  readonly threads: number;
  /** Where the file is written. */
  readonly path: string;
  /** Where the preview is written, again and again. */
  readonly previewPath: string;
}

/**
 * Demuxers for what customers send. Playlists and scripts (hls, concat, …) are not among them: they would have ffmpeg
 * open whatever files and addresses they name.
 */
const FORMATS =
  'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,gif,mp3,wav,w64,flac,ogg,aac,aiff,caf,amr,ac3,eac3,wv,tta';

/** What {@link startFfmpeg} runs: inputs, graph, outputs. */
export function buildArgs(plan: RenderPlan): string[] {
  const encoding = plan.output.container === 'png' ? null : planEncoding(plan);
  const threads = String(plan.threads);
  return [
    ...(plan.threads > 0 ? ['-filter_complex_threads', threads] : []),
    ...plan.sources.flatMap((source) => sourceArgs(source, plan.output.fps)),
    ...['-filter_complex', buildGraph(plan, encoding)],
    ...(encoding ? videoArgs(plan, encoding) : stillArgs(plan)),
    ...['-map', '[fr_preview]', '-c:v', 'mjpeg', '-q:v', '6', '-f', 'image2', '-update', '1'],
    ...['-atomic_writing', '1', fileUrl(plan.previewPath)],
  ];
}

/** Arguments of one input. */
export function sourceArgs(source: SourcePlan, fps: number): string[] {
  switch (source.kind) {
    case 'lavfi':
      return ['-f', 'lavfi', '-i', source.graph];
    case 'image':
      return [
        // No patterns: `%03d` and `*` in a file's name are part of it.
        ...['-f', 'image2', '-pattern_type', 'none', '-framerate', String(fps)],
        ...(source.loop ? ['-loop', '1'] : []),
        ...['-c:v', source.codec, '-err_detect', 'explode', '-i', fileUrl(source.path)],
      ];
    default:
      return [
        ...['-protocol_whitelist', 'file', '-format_whitelist', FORMATS, '-err_detect', 'explode'],
        ...(source.loop ? ['-stream_loop', '-1'] : []),
        ...['-i', fileUrl(source.path)],
      ];
  }
}

/** The template's graph and what every output needs after it: size, rate, exact length, preview, encoding. */
export function buildGraph(plan: RenderPlan, encoding: EncodingPlan | null): string {
  const { output, frames } = plan;
  const { num, den } = fpsFraction(output.fps);
  const finished = [
    ...fitFilters(plan),
    'setsar=1',
    `fps=fps=${num}/${den}:start_time=0`,
    // Rounding of a source's length may cost it its last frame. More than that is an error, found by verification.
    'tpad=stop=2:stop_mode=clone',
    `trim=end_frame=${frames}`,
  ].join(',');
  const preview =
    '[fr_p]fps=2,scale=640:640:force_original_aspect_ratio=decrease:force_divisible_by=2,format=yuvj420p[fr_preview]';
  if (!encoding) {
    const still = `[fr_v]trim=start_frame=${frames - 1},setpts=PTS-STARTPTS,format=rgb24[fr_out]`;
    return [plan.graph, `${plan.video}${finished},split=3[fr_n][fr_v][fr_p]`, still, preview].join(';\n');
  }
  const sound =
    plan.audio === null || !encoding.audio
      ? []
      : [`${bracketed(plan.audio)}${encoding.audio.filter}[fr_sound]`];
  return [
    plan.graph,
    `${plan.video}${finished},split=2[fr_v][fr_p]`,
    `[fr_v]${encoding.video.filter}[fr_out]`,
    preview,
    ...sound,
  ].join(';\n');
}

/** A graph that draws at the size of the output passes through untouched. */
function fitFilters({ output, width, height }: RenderPlan): string[] {
  const scale = `scale=${width}:${height}:flags=bicubic`;
  if (output.fit === 'stretch') return [scale];
  if (output.fit === 'cover')
    return [`${scale}:force_original_aspect_ratio=increase`, `crop=${width}:${height}`];
  const color = filterColor(output.background.slice(0, 7));
  return [`${scale}:force_original_aspect_ratio=decrease`, `pad=${width}:${height}:-1:-1:color=${color}`];
}

function videoArgs(plan: RenderPlan, { video, audio, format, formatOptions }: EncodingPlan): string[] {
  const sound = plan.audio === null ? null : audio;
  return [
    ...['-map', '[fr_out]', '-c:v', video.codec, ...pairs(video.options)],
    // Constant quality of VP9 is a limit unless the bit rate is 0.
    ...(video.codec === 'libvpx-vp9' ? ['-b:v', '0'] : []),
    ...(video.codec === 'gif'
      ? []
      : ['-color_primaries', 'bt709', '-color_trc', 'bt709', '-colorspace', 'bt709', '-color_range', 'tv']),
    ...(sound
      ? ['-map', '[fr_sound]', '-c:a', sound.codec, '-b:a', String(sound.bitRate), ...pairs(sound.options)]
      : []),
    ...(plan.threads > 0 ? ['-threads', String(plan.threads)] : []),
    ...['-map_metadata', '-1', '-map_chapters', '-1', '-fps_mode', 'passthrough'],
    ...[...pairs(formatOptions), '-f', format, fileUrl(plan.path)],
  ];
}

/** The frames before the still go to the null muxer first in line: progress counts the first video output. */
function stillArgs(plan: RenderPlan): string[] {
  return [
    ...['-map', '[fr_n]', '-f', 'null', '-'],
    ...['-map', '[fr_out]', '-frames:v', '1', '-c:v', 'png', '-map_metadata', '-1'],
    ...['-f', 'image2', '-update', '1', fileUrl(plan.path)],
  ];
}

/** `0:a` → `[0:a]`; a label keeps its brackets. */
function bracketed(label: string): string {
  return label.startsWith('[') ? label : `[${label}]`;
}

function pairs(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).flatMap(([key, value]) => [`-${key}`, value]);
}

/** A path that ffmpeg takes for nothing but a file: neither an option, nor a protocol, nor a pattern. */
function fileUrl(path: string): string {
  return `file:${path}`;
}
