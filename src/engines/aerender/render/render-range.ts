/** Which frames of the composition an output takes. */
import { FlatrenderError } from '../../../lib/errors.ts';
import { fpsFraction } from '../../../media/encoding-plan.ts';
import type { OutputSpec } from '../../../protocol/jobs.ts';
import type { BindDone } from '../bind/bind-data.ts';

export interface RenderRange {
  /** Number that After Effects gives the first frame that is rendered: what `-s` takes. */
  readonly first: number;
  /** Frames of the composition that are rendered, in a row. */
  readonly count: number;
  /** Frames of the output; another number where it has another frame rate. */
  readonly outputFrames: number;
}

/**
 * The whole composition, or its beginning when the output is shorter, or one frame for a still. TEMPLATE_INVALID when
 * the composition ends before the output does: a video that stops early must not be taken for a whole one.
 */
export function renderRange(composition: BindDone['composition'], output: OutputSpec): RenderRange {
  const { frames: all, fps, startFrame, name } = composition;
  const rate = exact(fps);
  if (output.container === 'png') {
    const at = output.atSeconds ?? all / rate / 2;
    // 0.1 s at 30 fps is frame 3, whatever 0.1 * 30 is in binary.
    const index = Math.min(all - 1, Math.floor(at * rate + 1e-6));
    return { first: startFrame + index, count: 1, outputFrames: 1 };
  }
  const outputRate = exact(output.fps);
  // An output that follows an input: the script has given the composition that length.
  const seconds = output.durationSeconds ?? all / rate;
  const wanted = Math.max(1, Math.round(seconds * rate));
  // A frame less is the rounding of the length that somebody wrote down.
  if (wanted > all + 1) {
    throw new FlatrenderError(
      'TEMPLATE_INVALID',
      `composition "${name}" has ${all} frames (${shown(all / rate)} s), but output "${output.name}" lasts ${shown(seconds)} s`,
      { hint: 'make the composition longer, or correct composition.duration in template.yaml' },
    );
  }
  const count = Math.min(all, wanted);
  const outputFrames = Math.max(1, Math.round((count / rate) * outputRate));
  return { first: startFrame, count, outputFrames };
}

/** 29.97 is 30000/1001: over an hour the difference is four frames. */
function exact(fps: number): number {
  const { num, den } = fpsFraction(fps);
  return num / den;
}

function shown(seconds: number): string {
  return String(Math.round(seconds * 1000) / 1000);
}
