/** The filters between a rendered picture and the encoder: rate, exact count, background, fit. The same for both encoders. */
import type { OutputSpec } from '../protocol/jobs.ts';
import { encodedSize } from './encoder.ts';
import { fpsFraction } from './encoding-plan.ts';
import type { PictureKind } from './picture.ts';

/** What is known of a source before it is opened. */
export interface SourcePicture {
  /** Of the frames of a sequence; null: a movie. */
  readonly kind: PictureKind | null;
  readonly width: number;
  readonly height: number;
  /** Whether it can have transparent places. */
  readonly hasAlpha: boolean;
  /** A YUV picture that does not say by which matrix. */
  readonly isUntagged: boolean;
  readonly hasAudio: boolean;
}

interface PlanOptions {
  readonly source:
    | { readonly kind: 'sequence'; readonly fps: number; readonly count: number }
    | { readonly kind: 'movie' };
  readonly alpha?: 'straight' | 'premultiplied' | undefined;
  readonly matte?: string | undefined;
  readonly output: Pick<OutputSpec, 'container' | 'width' | 'height' | 'fps' | 'fit' | 'background'>;
  readonly frames: number;
}

export interface PicturePlan {
  /** Of the encoded frames. */
  readonly width: number;
  readonly height: number;
  /** One chain (with labels inside), from the decoded picture to opaque frames of that size, in number and rate right. */
  readonly filter: string;
}

/** Exact, and chroma in full where it is made to RGB. */
const SCALE_FLAGS = 'flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp';

/** Plans the way of a picture into the frame of an output. */
export function planPicture(options: PlanOptions, picture: SourcePicture): PicturePlan {
  const { output } = options;
  const size = encodedSize(output);
  const filters = [
    // HD without a tag is BT.709; FFmpeg takes it for BT.601, and colours shift.
    ...(picture.isUntagged ? ['setparams=colorspace=bt709'] : []),
    ...rateFilters(options),
    ...(picture.hasAlpha
      ? [flatten(options.matte ?? output.background, options.alpha === 'premultiplied')]
      : []),
    ...(picture.width === size.width && picture.height === size.height
      ? []
      : fitFilters(size, output.fit, output.background)),
    'setsar=1',
  ];
  return { ...size, filter: filters.join(',') };
}

/** The output's rate and its frames: the source is cut, or its last frame stands. */
function rateFilters({ source, output, frames }: PlanOptions): string[] {
  const { num, den } = fpsFraction(output.fps);
  const isStill = output.container === 'png';
  const own = source.kind === 'sequence' ? fpsFraction(source.fps) : null;
  const isSame = own !== null && own.num === num && own.den === den;
  return [
    ...(source.kind === 'sequence' ? [`trim=end_frame=${source.count}`] : []),
    ...(isSame ? [] : [`fps=fps=${num}/${den}:start_time=0`]),
    'tpad=stop=-1:stop_mode=clone',
    isStill
      ? `trim=start_frame=${frames - 1}:end_frame=${frames},setpts=PTS-STARTPTS`
      : `trim=end_frame=${frames}`,
  ];
}

/**
 * Lays a picture over a colour. The colour comes from the picture itself, whose size and times it so has; before any
 * scaling, because that would mix in what is transparent.
 */
export function flatten(background: string, isPremultiplied: boolean): string {
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(background.slice(at, at + 2), 16) || 0);
  const colour = `lutrgb=r=${r}:g=${g}:b=${b}:a=255`;
  if (!isPremultiplied) {
    return (
      `scale=${SCALE_FLAGS},format=rgba,split[fr_over][fr_under];[fr_under]${colour},format=rgb24[fr_colour];` +
      '[fr_colour][fr_over]overlay=format=rgb,format=rgb24'
    );
  }
  // picture + colour × (1 − alpha), with filters that know nothing of alpha: `overlay` and `unpremultiply` of FFmpeg 8
  // go by what the file says, and PNG always says straight.
  return (
    `scale=${SCALE_FLAGS},format=gbrap,split=3[fr_picture][fr_alpha][fr_under];[fr_picture]format=gbrp[fr_over];` +
    '[fr_alpha]colorchannelmixer=0:0:0:1:0:0:0:1:0:0:0:1,format=gbrp,negate[fr_mask];' +
    `[fr_under]${colour},format=gbrp[fr_colour];[fr_colour][fr_mask]blend=all_mode=multiply[fr_rest];` +
    '[fr_over][fr_rest]blend=all_mode=addition,format=rgb24'
  );
}

/** In RGB: `pad` would make the colour to YUV in its own way. */
function fitFilters(
  { width, height }: { width: number; height: number },
  fit: OutputSpec['fit'],
  background: string,
): string[] {
  const scale = `scale=${width}:${height}:${SCALE_FLAGS}`;
  if (fit === 'stretch') return [scale];
  if (fit === 'cover') return [`${scale}:force_original_aspect_ratio=increase`, `crop=${width}:${height}`];
  const color = `0x${background.slice(1, 7)}`;
  return [
    `${scale}:force_original_aspect_ratio=decrease`,
    'format=rgb24',
    `pad=${width}:${height}:-1:-1:color=${color}`,
  ];
}
