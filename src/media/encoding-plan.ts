/** What a container needs: codecs, their options, filters. The same for both encoders. */
import type { OutputSpec } from '../protocol/jobs.ts';

/** A codec by FFmpeg's name and its private options. */
interface CodecPlan {
  readonly codec: string;
  readonly options: Readonly<Record<string, string>>;
}

export interface EncodingPlan {
  /** FFmpeg's name of the muxer; the file's name ends in .part and tells nothing. */
  readonly format: string;
  readonly formatOptions: Readonly<Record<string, string>>;
  readonly fps: Fraction;
  readonly video: CodecPlan & { readonly filter: string };
  /** Null: the container has no sound. */
  readonly audio:
    | (CodecPlan & { readonly filter: string; readonly bitRate: number; readonly seconds: number })
    | null;
}

export interface Fraction {
  readonly num: number;
  readonly den: number;
}

interface PlanOptions {
  readonly output: Pick<OutputSpec, 'container' | 'fps' | 'quality'>;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

/** RGB to limited-range BT.709, and tagged so: without that players guess, and colours shift. */
const TO_YUV =
  'scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int,format=yuv420p,' +
  'setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv';

/** One palette for the whole GIF needs all its frames in memory; above this each frame gets its own. */
const MAX_PALETTE_BYTES = 256 * 1024 * 1024;

/** Plans how frames become a file of a container. */
export function planEncoding({ output, width, height, frames }: PlanOptions): EncodingPlan {
  const fps = fpsFraction(output.fps);
  const seconds = (frames * fps.den) / fps.num;
  const crf = String(output.quality);
  // Cut where the picture ends; padded with silence, so that both last equally long.
  const sound = `aresample=48000,aformat=channel_layouts=stereo,apad=whole_dur=${seconds},atrim=end=${seconds}`;
  switch (output.container) {
    case 'mp4':
    case 'mov':
      return {
        format: output.container,
        formatOptions: { movflags: '+faststart' },
        fps,
        // veryfast: on flat, animated graphics the slower presets save 10–20 % of an already small file at 2–4
        // times the time.
        video: { codec: 'libx264', options: { preset: 'veryfast', crf }, filter: TO_YUV },
        audio: {
          codec: 'aac',
          options: {},
          filter: `${sound},aformat=sample_fmts=fltp`,
          bitRate: 192_000,
          seconds,
        },
      };
    case 'webm':
      return {
        format: 'webm',
        formatOptions: {},
        fps,
        video: {
          codec: 'libvpx-vp9',
          options: { crf, deadline: 'good', 'cpu-used': '5', 'row-mt': '1' },
          filter: TO_YUV,
        },
        audio: {
          codec: 'libopus',
          options: {},
          filter: `${sound},aformat=sample_fmts=flt`,
          bitRate: 128_000,
          seconds,
        },
      };
    default:
      return {
        format: 'gif',
        formatOptions: { loop: '0' },
        fps,
        video: { codec: 'gif', options: {}, filter: gifFilter(width * height * 4 * frames) },
        audio: null,
      };
  }
}

function gifFilter(bytes: number): string {
  // The conversion first: it copies, and what follows keeps frames that the caller will have changed by then.
  const [stats, use] = bytes > MAX_PALETTE_BYTES ? ['single', ':new=1'] : ['full', ''];
  return `format=bgra,split[a][b];[a]palettegen=stats_mode=${stats}[p];[b][p]paletteuse=dither=sierra2_4a${use}`;
}

/** A frame rate as a fraction: 29.97 and its kind as n·1000/1001, others to a thousandth. */
export function fpsFraction(fps: number): Fraction {
  const whole = Math.round(fps);
  if (Math.abs(fps - whole) < 0.0005) return { num: whole, den: 1 };
  const near = Math.ceil(fps);
  if (Math.abs(fps - (near * 1000) / 1001) < 0.005) return { num: near * 1000, den: 1001 };
  return { num: Math.round(fps * 1000), den: 1000 };
}
