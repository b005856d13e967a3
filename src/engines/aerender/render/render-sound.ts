/** The sound of the composition as a file of its own, for frames have none. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FlatrenderError } from '../../../lib/errors.ts';
import { probeMedia } from '../../../media/probe.ts';
import { GrowingFiles } from './growing-files.ts';
import { extensionOf, soundModule } from './output-modules.ts';
import type { RenderStage } from './render-stage.ts';
import { canResume, runAerender } from './run-aerender.ts';

/**
 * Renders the sound of the range. AE_OUTPUT_MODULE_NOT_FOUND when this After Effects has no template for it: a video
 * that is silent by accident must not be taken for a good one.
 */
export async function renderSound(stage: RenderStage): Promise<string> {
  const { log, setting } = stage;
  const outputModule = soundModule({ wanted: null, available: stage.outputModules });
  log.say(`rendering the sound with "${outputModule}"`);
  try {
    return await renderOnce(stage, outputModule, 'sound');
  } catch (error) {
    // The frames are there: not worth losing them over a crash.
    if (!(error instanceof FlatrenderError) || !canResume(error)) throw error;
    log.say(`${error.code}: ${error.message}; once more`);
    await setting.sweep();
    return await renderOnce(stage, outputModule, 'sound-again');
  }
}

async function renderOnce(stage: RenderStage, outputModule: string, name: string): Promise<string> {
  const { workspace, range, settings, signal } = stage;
  const directory = join(workspace, 'sound', name);
  await mkdir(directory, { recursive: true });
  let growing: GrowingFiles | undefined;
  try {
    const run = await runAerender({
      ...stage.runOptions({
        outputModule,
        output: join(directory, `sound.${extensionOf(outputModule, 'aif')}`),
        start: 0,
        count: range.count,
      }),
      progress: null,
      onFrame() {},
      onStart(program) {
        growing = new GrowingFiles({ directory, clock: stage.clock, onGrowth: () => program.alive('file') });
        return () => growing?.stop();
      },
    });
    await growing?.close();
    const path = await growing?.largest();
    if (!run.isDone || path === undefined) throw run.failure(null, null);
    if (run.trouble) throw run.trouble;
    const seconds = range.count / stage.fps;
    const { durationMs, hasAudio } = await probeMedia(path, settings, signal);
    // A frame of silence at the end is added anyway; more is a sound that was cut off.
    if (hasAudio && durationMs / 1000 > seconds - 1.5 / stage.fps - 0.05) return path;
    throw new FlatrenderError(
      'AE_SHORT_OUTPUT',
      `the sound that After Effects wrote lasts ${durationMs} ms, the composition ${Math.round(seconds * 1000)} ms`,
      { hint: 'the next attempt renders it anew' },
    );
  } finally {
    growing?.stop();
  }
}
