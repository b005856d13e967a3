/** From rendered frames or a rendered movie to the verified output file. */
import { join } from 'node:path';
import { encodedSize } from '../../../media/encoder.ts';
import { finishOutput, type MediaInfo, verifyOutput } from '../../../media/probe.ts';
import { remux } from '../../../media/remux.ts';
import { type MovieSource, type SequenceSource, transcode } from '../../../media/transcode.ts';
import type { RenderContext, RenderRequest, RenderResult } from '../../engine.ts';

/** What was rendered. */
export interface Rendered {
  readonly source: SequenceSource | MovieSource;
  readonly alpha: 'straight' | 'premultiplied';
  /** #rrggbb of the composition, which is behind what output modules with alpha leave transparent. */
  readonly matte: string;
  /** A sound file of its own; null: none, or in the movie. */
  readonly audio: string | null;
  /** Whether the output has sound. */
  readonly hasAudio: boolean;
  /** What the movie holds; null for frames. */
  readonly movie: MediaInfo | null;
  /** Frames that the output gets. */
  readonly outputFrames: number;
}

export interface EncodeOptions {
  readonly request: RenderRequest;
  readonly context: RenderContext;
  readonly log: { say(line: string): void };
  /** A frame is done, so that the watchdog knows. */
  readonly onFrame: () => void;
  /** Aborted by the engine's abort, and when the encoder hangs. */
  readonly signal: AbortSignal;
}

/** Encodes, verifies and names the output. OUTPUT_INVALID, FFMPEG_FAILED, MEDIA_INVALID, DISK_FULL. */
export async function encodeOutput(rendered: Rendered, options: EncodeOptions): Promise<RenderResult> {
  const { request, context, log, signal } = options;
  const { output, workspace, settings } = request;
  const { outputFrames: frames } = rendered;
  const path = join(workspace, `output.${output.container}`);
  const size = encodedSize(output);
  const expected = {
    ...size,
    container: output.container,
    frames,
    fps: output.fps,
    hasAudio: rendered.hasAudio,
  };
  // All frames are there: a bar that began anew would say that they are not.
  context.onProgress({ phase: 'encode', frame: frames, frames, fps: null });
  if (await isFinal(rendered, expected, options)) {
    log.say('the movie is what was asked for: copied, not encoded again');
    const container = output.container === 'mov' ? 'mov' : 'mp4';
    await remux(moviePath(rendered), `${path}.part`, container, settings, signal);
  } else {
    await transcode({
      source: rendered.source,
      alpha: rendered.alpha,
      matte: rendered.matte,
      audio: rendered.audio,
      output,
      frames,
      path: `${path}.part`,
      settings,
      signal,
      onLog: (line) => log.say(line),
      onProgress: tellTenths(frames, options),
    });
  }
  context.onProgress({ phase: 'verify', frame: frames, frames, fps: null });
  const { codec, durationMs, sizeBytes } = await finishOutput(path, expected, settings, signal);
  // FFmpeg counts a still as one frame of 25 a second.
  return {
    path,
    frames,
    durationMs: output.container === 'png' ? 0 : durationMs,
    ...size,
    codec,
    sizeBytes,
  };
}

/** A line for every tenth, so that whoever follows the log knows that it goes on; every frame for the watchdog. */
function tellTenths(frames: number, { log, onFrame }: EncodeOptions): (progress: { frame: number }) => void {
  let last = 0;
  return ({ frame }) => {
    if (frame <= last) return;
    onFrame();
    const tenth = (count: number): number => Math.floor((count * 10) / frames);
    if (tenth(frame) > tenth(last)) log.say(`encoded ${Math.min(frame, frames)} of ${frames} frames`);
    last = frame;
  };
}

/** Whether the rendered movie is exactly the output: then a second encoding would only lose quality and time. */
async function isFinal(
  { source, audio, movie }: Rendered,
  expected: Parameters<typeof verifyOutput>[1],
  { request, signal }: EncodeOptions,
): Promise<boolean> {
  if (source.kind !== 'movie' || audio !== null || movie?.codec !== 'h264') return false;
  if (expected.container !== 'mp4' && expected.container !== 'mov') return false;
  return verifyOutput(
    source.path,
    { ...expected, container: movie.container },
    request.settings,
    signal,
  ).then(
    () => true,
    () => false,
  );
}

function moviePath({ source }: Rendered): string {
  if (source.kind !== 'movie') throw new TypeError('frames are no movie');
  return source.path;
}
