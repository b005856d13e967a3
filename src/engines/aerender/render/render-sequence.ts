/** Sequence mode: single frames, of which none is rendered twice, whatever becomes of After Effects meanwhile. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FlatrenderError } from '../../../lib/errors.ts';
import { pictureToJpeg } from '../../../media/picture-to-jpeg.ts';
import { extensionOf } from './output-modules.ts';
import type { RenderStage } from './render-stage.ts';
import { type AerenderRun, canResume, runAerender } from './run-aerender.ts';
import { FRAME_PATTERN, type RunFrame, RunFrames } from './run-frames.ts';
import { type FrameGap, SequenceFrames, type TakenIn } from './sequence-frames.ts';

/**
 * Launches that may fail in one attempt, as long as each brings at least one frame. A composition that crashes After
 * Effects every few frames would otherwise keep a node for hours; another node, another try.
 */
const MOST_FAILURES = 5;

/** Renders all frames of the range. Throws the error of the first launch that brought nothing, or of the last. */
export async function renderSequence(stage: RenderStage, outputModule: string): Promise<SequenceFrames> {
  const { log, workspace, range, progress } = stage;
  const frames = await SequenceFrames.open(join(workspace, 'frames'), range.count);
  let failures = 0;
  for (let launch = 1; ; launch += 1) {
    const [gap] = frames.gaps();
    if (!gap) break;
    if (launch > 1) {
      progress.restart(gap.start);
      log.say(`rendering on at frame ${gap.start}: ${frames.whole} of ${frames.count} frames are there`);
    }
    const { run, taken } = await renderGap(stage, { frames, gap, launch, outputModule });
    for (const fault of taken.faults) log.say(fault);
    progress.filesDone(frames.whole);
    stage.onProgress();
    const isFilled = frames.gaps()[0]?.start !== gap.start && taken.added === gap.count;
    if (isFilled && run.trouble) throw run.trouble;
    if (isFilled && run.isDone) continue;
    const error = failureOf(run, taken, frames);
    if (isFilled) {
      // What it was there for is there: that it then crashed or hung is worth a line.
      log.say(`the frames are whole although aerender failed: ${error.message}`);
      continue;
    }
    failures += 1;
    if (!canResume(error) || taken.added === 0 || failures > MOST_FAILURES) throw error;
    await stage.setting.sweep();
    log.say(
      `${error instanceof FlatrenderError ? error.code : 'failed'} after ${taken.added} frames: ${error.message}`,
    );
  }
  return frames;
}

interface GapOptions {
  readonly frames: SequenceFrames;
  readonly gap: FrameGap;
  readonly launch: number;
  readonly outputModule: string;
}

/** One launch for one row of missing frames. */
async function renderGap(
  stage: RenderStage,
  { frames, gap, launch, outputModule }: GapOptions,
): Promise<{ run: AerenderRun; taken: TakenIn }> {
  const { previews, progress } = stage;
  const directory = join(stage.workspace, `run-${launch}`);
  await mkdir(directory);
  let watching: RunFrames | undefined;
  try {
    const run = await runAerender({
      ...stage.runOptions({
        outputModule,
        output: join(directory, `${FRAME_PATTERN}.${extensionOf(outputModule, 'tif')}`),
        start: gap.start,
        count: gap.count,
      }),
      progress,
      onFrame: () => stage.onProgress(),
      onStart(program) {
        watching = new RunFrames({
          directory,
          clock: stage.clock,
          onGrowth: () => program.alive('file'),
          onWhole(path, whole) {
            program.enter(whole >= gap.count ? 'encode' : 'frame');
            progress.filesDone(frames.whole + whole);
            stage.onProgress();
            previews.offer((signal) => pictureToJpeg(path, { ...stage.pictures, signal }));
          },
        });
        return () => watching?.stop();
      },
    });
    const found: readonly RunFrame[] = (await watching?.close()) ?? [];
    await previews.settled();
    const taken = await frames.takeIn(found, gap);
    const last = gap.start + gap.count - 1;
    if (taken.added > 0 && frames.has(last))
      previews.offer((signal) => pictureToJpeg(frames.pathOf(last), { ...stage.pictures, signal }));
    return { run, taken };
  } finally {
    watching?.stop();
    await previews.settled();
    // What another program still holds goes with the workspace.
    await rm(directory, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
  }
}

/** A launch that says it did all, and whose files are not whole, is told by the files. */
function failureOf(run: AerenderRun, taken: TakenIn, frames: SequenceFrames): Error {
  const error = run.failure(frames.whole, frames.count);
  if (!run.isDone || taken.faults.length === 0) return error;
  return new FlatrenderError(
    'AE_SHORT_OUTPUT',
    `After Effects said it was done, but of ${frames.count} frames only ${frames.whole} are whole: ${taken.faults.slice(0, 3).join('; ')}`,
    {
      hint: 'the disk of the node may be full or failing; the next attempt renders the frames anew',
      details: { expected: frames.count, found: frames.whole, faults: taken.faults.slice(0, 20) },
    },
  );
}
