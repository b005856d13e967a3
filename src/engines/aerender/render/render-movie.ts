/** Movie mode: the output module writes one file, which is proven whole before anything is made of it. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FlatrenderError } from '../../../lib/errors.ts';
import { movieFrameToJpeg } from '../../../media/picture-to-jpeg.ts';
import { type MediaInfo, probeMedia } from '../../../media/probe.ts';
import { GrowingFiles } from './growing-files.ts';
import { extensionOf } from './output-modules.ts';
import type { RenderStage } from './render-stage.ts';
import { type AerenderRun, runAerender } from './run-aerender.ts';

export interface RenderedMovie {
  readonly path: string;
  readonly info: MediaInfo;
}

/** Renders the range into one file. Nothing of it is used unless it is whole. */
export async function renderMovie(stage: RenderStage, outputModule: string): Promise<RenderedMovie> {
  const { workspace, range, previews, progress, settings, signal } = stage;
  const directory = join(workspace, 'movie');
  await mkdir(directory, { recursive: true });
  let growing: GrowingFiles | undefined;
  try {
    const run = await runAerender({
      ...stage.runOptions({
        outputModule,
        output: join(directory, `movie.${extensionOf(outputModule, 'mov')}`),
        start: 0,
        count: range.count,
      }),
      progress,
      onFrame: () => stage.onProgress(),
      onStart(program) {
        growing = new GrowingFiles({
          directory,
          clock: stage.clock,
          onGrowth(path) {
            program.alive('file');
            previews.offer((until) => movieFrameToJpeg(path, { ...stage.pictures, signal: until }));
          },
        });
        return () => growing?.stop();
      },
    });
    await growing?.close();
    await previews.settled();
    const found = await growing?.largest();
    // A movie that a crash cut off may be anything: it is looked at by a process of its own.
    const probe = run.isDone ? 'node-av' : 'ffprobe';
    const info =
      found === undefined ? null : await probeMedia(found, settings, signal, probe).catch(notAMovie);
    const frames = info === null ? 0 : framesIn(info, stage);
    if (run.isDone && run.trouble) throw run.trouble;
    if (run.isDone && (found === undefined || info === null)) throw noFile(directory, run);
    if (found === undefined || info === null || frames < range.count || !run.isDone)
      throw run.failure(frames, range.count);
    if (info.damage.length > 0) throw damaged(info);
    await previews.offerLast((until) => movieFrameToJpeg(found, { ...stage.pictures, signal: until }));
    progress.finish();
    stage.onProgress();
    return { path: found, info };
  } finally {
    growing?.stop();
    await previews.settled();
  }
}

/**
 * Frames of the composition that the movie covers, by its length: render settings may have a frame rate of their own.
 */
function framesIn({ durationMs, frames }: MediaInfo, { fps, range }: RenderStage): number {
  if (frames === 0) return 0;
  // Containers round to a millisecond or to their own clock; less than half a frame is no frame.
  return Math.min(range.count, Math.floor((durationMs / 1000) * fps + 0.5));
}

function notAMovie(error: unknown): null {
  // Unreadable is what it is after a crash: the failure of the run says why.
  if (error instanceof FlatrenderError && error.code === 'MEDIA_INVALID') return null;
  throw error;
}

function noFile(directory: string, run: AerenderRun): FlatrenderError {
  return new FlatrenderError(
    'AE_SHORT_OUTPUT',
    `After Effects said it was done, but there is no movie that can be read in ${directory}`,
    {
      hint: 'the output module may write a format that ffmpeg cannot read: use "Lossless", "High Quality" or an H.264 one',
      details: { lastLines: run.outcome.lastLines.slice(-20) },
    },
  );
}

function damaged(info: MediaInfo): FlatrenderError {
  return new FlatrenderError(
    'AE_SHORT_OUTPUT',
    `the movie that After Effects wrote is damaged: ${info.damage.slice(0, 3).join(' · ')}`,
    { hint: 'mode: sequence renders single frames and repeats those that are damaged' },
  );
}
