/** The Lottie engine: Skottie (Skia as WebAssembly) draws, an encoder writes. No After Effects, no browser. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FlatrenderError } from '../../lib/errors.ts';
import { chooseEncoder, encodedSize, openEncoder } from '../../media/encoder.ts';
import { finishOutput, type MediaInfo, probeDuration } from '../../media/probe.ts';
import type { EngineInfo } from '../../protocol/nodes.ts';
import type { Engine, EngineSettings, RenderContext, RenderRequest, RenderResult } from '../engine.ts';
import { canvasKitVersion, loadCanvasKit } from './canvaskit.ts';
import { type Prepared, prepare } from './prepare.ts';
import { Reporter } from './reporter.ts';
import { Stage } from './stage.ts';

/**
 * One buffer with the encoder, one being drawn: ffmpeg reads the first while Skia draws the second.
 */
const BUFFERS = 2;

/** Renders Lottie templates. */
export const lottieEngine: Engine = { name: 'lottie', probe, render };

async function probe(settings: EngineSettings): Promise<EngineInfo> {
  try {
    await chooseEncoder(settings);
    await loadCanvasKit();
    return { name: 'lottie', available: true, version: canvasKitVersion() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const hint =
      error instanceof FlatrenderError
        ? error.hint
        : 'install flatrender again: canvaskit-wasm cannot be loaded';
    return { name: 'lottie', available: false, reason: reason.slice(0, 1024), ...(hint ? { hint } : {}) };
  }
}

async function render(request: RenderRequest, context: RenderContext): Promise<RenderResult> {
  const { signal } = context;
  throwIfAborted(signal);
  const reporter = new Reporter(context, request.settings.previewMs);
  reporter.phase('prepare', null);
  const kit = await loadCanvasKit();
  const prepared = await prepare(kit, request, context.onLog);
  try {
    throwIfAborted(signal);
    await mkdir(request.workspace, { recursive: true });
    const size = encodedSize(request.output);
    using stage = new Stage({
      kit,
      animation: prepared.animation,
      source: { width: prepared.lottie.w, height: prepared.lottie.h },
      ...size,
      fit: request.output.fit,
      background: backgroundOf(request),
      buffers: request.output.container === 'png' ? 1 : BUFFERS,
    });
    const job: Job = { request, context, prepared, stage, reporter, size };
    return request.output.container === 'png' ? await renderStill(job) : await renderVideo(job);
  } catch (error) {
    // Whatever failed because of the abort, the abort is the reason.
    throwIfAborted(signal);
    throw error;
  } finally {
    prepared.animation.delete();
  }
}

interface Job {
  readonly request: RenderRequest;
  readonly context: RenderContext;
  readonly prepared: Prepared;
  readonly stage: Stage;
  readonly reporter: Reporter;
  readonly size: { readonly width: number; readonly height: number };
}

async function renderVideo({
  request,
  context,
  prepared,
  stage,
  reporter,
  size,
}: Job): Promise<RenderResult> {
  const { output, settings, workspace } = request;
  const { signal } = context;
  const audio = audioOf(request);
  const frames = Math.max(1, Math.round((await durationOf(request, signal)) * output.fps));
  const path = join(workspace, `output.${output.container}`);
  {
    await using encoder = await openEncoder({
      path: `${path}.part`,
      output,
      ...size,
      frames,
      audio: audio === undefined ? undefined : { path: audio },
      settings,
      signal,
      onLog: context.onLog,
    });
    reporter.phase('render', frames);
    let waiting = Promise.resolve();
    for (let index = 0; index < frames; index += 1) {
      const pixels = stage.draw(positionAt(prepared.lottie, index / output.fps));
      // The frame before must be out of its buffer before the one after this is drawn into it.
      await waiting;
      throwIfAborted(signal);
      waiting = encoder.write(pixels);
      waiting.catch(() => {}); // awaited with the next frame; the drawing between must not make it an unhandled one
      reporter.frame(index + 1, () => stage.preview(640, MAX_PREVIEW_BYTES));
      await nextTurn();
    }
    await waiting;
    reporter.phase('encode', frames);
    await encoder.finish();
  }
  reporter.phase('verify', frames);
  const hasAudio = output.container === 'gif' ? false : audio !== undefined;
  const info = await finishOutput(
    path,
    { ...size, container: output.container, frames, fps: output.fps, hasAudio },
    settings,
    signal,
  );
  return toResult(path, info, frames);
}

async function renderStill({
  request,
  context,
  prepared,
  stage,
  reporter,
  size,
}: Job): Promise<RenderResult> {
  const { output, settings, workspace } = request;
  const seconds = output.atSeconds ?? (await durationOf(request, context.signal)) / 2;
  const path = join(workspace, 'output.png');
  reporter.phase('render', 1);
  stage.draw(positionAt(prepared.lottie, seconds));
  reporter.frame(1, () => stage.preview(640, MAX_PREVIEW_BYTES));
  reporter.phase('encode', 1);
  try {
    await writeFile(`${path}.part`, stage.png());
  } catch (error) {
    await rm(`${path}.part`, { force: true });
    throw error;
  }
  reporter.phase('verify', 1);
  const info = await finishOutput(
    path,
    { ...size, container: 'png', frames: 1, fps: output.fps },
    settings,
    context.signal,
  );
  return { ...toResult(path, info, 1), durationMs: 0 };
}

/** As the engine contract says. */
const MAX_PREVIEW_BYTES = 512 * 1024;

/**
 * Where an instant is in the animation, in its frames. An output that is longer than the animation holds its last
 * frame: the animation was made to end there, while starting again would show an entrance nobody asked for. The out
 * point itself shows nothing: layers end before it.
 */
function positionAt({ ip, op, fr }: Prepared['lottie'], seconds: number): number {
  const last = op - ip - 1e-3;
  return Math.min(Math.max(0, seconds * fr), Math.max(0, last));
}

/** Length of the output: fixed, or that of the input that gives it. */
async function durationOf({ output, inputs, settings }: RenderRequest, signal: AbortSignal): Promise<number> {
  if (output.durationSeconds !== null) return output.durationSeconds;
  const input = output.durationFrom === null ? undefined : inputs[output.durationFrom];
  if (input && 'path' in input) return probeDuration(input.path, settings, signal);
  throw new FlatrenderError(
    'INPUT_INVALID',
    `the length follows the input ${output.durationFrom ?? '(none)'}, which is not given`,
    {
      hint: 'give that input, or use an output with a length of its own',
    },
  );
}

/** The sound track: a file of the bundle, or an input if it is given. */
function audioOf({ manifest, bundleDir, inputs }: RenderRequest): string | undefined {
  const audio = manifest.engines.lottie?.audio;
  if (typeof audio === 'string') return join(bundleDir, audio);
  const input = audio === undefined ? undefined : inputs[audio.input];
  return input && 'path' in input ? input.path : undefined;
}

function backgroundOf({ manifest, inputs, output }: RenderRequest): string {
  const name = manifest.engines.lottie?.background?.input;
  const input = name === undefined ? undefined : inputs[name];
  return input?.type === 'color' ? input.value : output.background;
}

function toResult(path: string, info: MediaInfo, frames: number): RenderResult {
  const { durationMs, width, height, codec, sizeBytes } = info;
  return { path, frames, durationMs, width, height, codec, sizeBytes };
}

function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  if (signal.reason instanceof FlatrenderError) throw signal.reason;
  throw new FlatrenderError('ABORTED', 'the rendering was stopped', { cause: signal.reason });
}
