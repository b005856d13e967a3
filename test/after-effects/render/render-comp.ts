/** Renders a span of a composition, and goes wrong in the middle when it is told to. */
import { setTimeout as timer, setImmediate as turn } from 'node:timers/promises';
import { loadCanvasKit } from '../../../src/engines/lottie/canvaskit.ts';
import type { Fault } from '../faults.ts';
import type { OutputModule } from '../output-modules.ts';
import type { SimComp, SimProject } from '../sim-project.ts';
import { type Naming, outputPath } from './output-path.ts';
import { openSink } from './sinks.ts';
import { hasSound, mixSound } from './sound.ts';
import { Stage } from './stage.ts';

export interface RenderOptions {
  readonly project: SimProject;
  readonly comp: SimComp;
  readonly module: OutputModule;
  /** As given after -output. */
  readonly output: string;
  readonly span: FrameSpan;
  readonly fault: Fault | null;
  readonly missing: 'bars' | 'black';
  readonly fontFile: (postScriptName: string) => string | null;
  readonly scratchDir: string;
  /** Milliseconds that a frame takes besides drawing. */
  readonly frameMs: number;
  /** A frame is done; counts from 0. */
  readonly onFrame: (index: number) => void;
}

/** Frames of a composition, counted from its beginning. */
export interface FrameSpan {
  readonly first: number;
  readonly count: number;
  readonly step: number;
}

/** How it went: `hung` and `crashed` are for the caller to play. */
export type RenderEnd = 'done' | 'hung' | 'crashed' | 'failed';

/** Renders. Throws where a real program would have an error of its own. */
export async function renderComp(options: RenderOptions): Promise<RenderEnd> {
  const { comp, module, span, fault } = options;
  const fps = exactFps(comp.fps);
  const seconds = (frame: number) => (frame * fps.den) / fps.num;
  // Compressed movies have even sizes only.
  const even = module.kind === 'movie' ? 2 : 1;
  const size = {
    width: Math.ceil(comp.width / even) * even,
    height: Math.ceil(comp.height / even) * even,
  };
  const naming = (fault?.mode === 'naming' ? fault.argument : 'given') as Naming;
  const stop = stopAt(fault, span.count);
  const isHeard = module.kind !== 'sequence' && hasSound(options.project, comp);
  const kit = await loadCanvasKit();
  const stage = new Stage(kit, { ...options, ...size, alpha: module.alpha });
  const sink = await openSink({
    module,
    path: (frame) => outputPath(options.output, module, naming, frame),
    ...size,
    fps,
    frames: span.count,
    sound: isHeard
      ? mixSound(options.project, comp, seconds(span.first), seconds(span.first + span.count * span.step))
      : null,
    scratchDir: options.scratchDir,
  });
  for (let index = 0; index < span.count; index += 1) {
    const frame = span.first + index * span.step;
    if (index === stop?.frame && stop.end !== 'crashed') break;
    stage.draw(seconds(frame));
    if (index === stop?.frame) {
      if (module.kind === 'sequence') await sink.write(stage, comp.displayStartFrame + frame, 0.5);
      break;
    }
    const isDamaged = fault?.mode === 'damaged-frame' && Number(fault.argument) === frame;
    await sink.write(stage, comp.displayStartFrame + frame, isDamaged ? 0.5 : 1);
    options.onFrame(index);
    // Lines leave this process between frames (on Windows a pipe is written to later).
    await (options.frameMs > 0 ? timer(options.frameMs) : turn());
  }
  if (stop?.end !== 'hung') await sink.finish();
  return stop?.end ?? 'done';
}

/** Before which frame it ends, and how. */
function stopAt(fault: Fault | null, frames: number): { frame: number; end: RenderEnd } | null {
  const at = (percent: number) => Math.min(frames - 1, Math.floor((frames * percent) / 100));
  switch (fault?.mode) {
    case 'hang-at':
    case 'spin-at':
      return { frame: at(Number(fault.argument)), end: 'hung' };
    case 'crash-at':
      return { frame: at(Number(fault.argument)), end: 'crashed' };
    case 'exit1-partial':
      return { frame: at(50), end: 'failed' };
    case 'short-output':
      return { frame: at(80), end: 'done' };
    default:
      return null;
  }
}

/** 29.97 and its kind as n·1000/1001. */
export function exactFps(fps: number): { num: number; den: number } {
  if (Number.isInteger(fps)) return { num: fps, den: 1 };
  const near = Math.ceil(fps);
  return Math.abs(fps - (near * 1000) / 1001) < 0.005
    ? { num: near * 1000, den: 1001 }
    : { num: Math.round(fps * 1000), den: 1000 };
}
