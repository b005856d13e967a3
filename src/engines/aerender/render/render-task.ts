/** One task from the bound project to the verified output. */
import { join } from 'node:path';
import type { Clock } from '../../../lib/clock.ts';
import { FlatrenderError } from '../../../lib/errors.ts';
import { findFfmpeg } from '../../../media/ffmpeg.ts';
import { loadNodeAv } from '../../../media/node-av.ts';
import type { RenderContext, RenderRequest, RenderResult } from '../../engine.ts';
import { type Bound, bindPhase } from '../bind/bind-phase.ts';
import { findDialog } from '../machine/dialogs.ts';
import { type InstalledFonts, installFonts } from '../machine/fonts.ts';
import { findInstallation } from '../machine/installation.ts';
import { rememberLearned } from '../machine/learned.ts';
import { createProcessView } from '../machine/process-view.ts';
import { killStale } from '../machine/processes.ts';
import { openSession, withBindLock } from '../machine/session.ts';
import { RenderProgress } from '../report/progress.ts';
import { Watchdog, watchLimits } from '../report/watchdog.ts';
import { encodeOutput, type Rendered } from './encode-output.ts';
import { movieModule, type RenderMode, sequenceModule } from './output-modules.ts';
import { Previews } from './previews.ts';
import { renderMovie } from './render-movie.ts';
import { renderRange } from './render-range.ts';
import { renderSequence } from './render-sequence.ts';
import { renderSound } from './render-sound.ts';
import { type RenderStage, renderStage } from './render-stage.ts';
import { SequenceFrames } from './sequence-frames.ts';
import type { TaskLog } from './task-log.ts';
import type { TaskSetting } from './task-setting.ts';

/** How often the log says that it waits, ms. */
const WAITING_MS = 60_000;
/** Longest that looking for leftovers may hold up an abort, ms. */
const SWEEP_MS = 2_000;

/** Renders. Throws AE_* and what encoding throws; leaves no process, and files only in the workspace. */
export async function renderTask(
  request: RenderRequest,
  context: RenderContext,
  log: TaskLog,
  clock: Clock,
): Promise<RenderResult> {
  const { section, settings } = sectionAndSettings(request);
  const installation = await findInstallation(settings.path, { signal: context.signal });
  log.say(`After Effects ${installation.version ?? 'of unknown version'} in ${installation.directory}`);
  const { stateDir } = settings;
  await using session = await openSession({ stateDir, taskId: request.taskId, signal: context.signal });
  // One listing for both: on Windows it takes a second.
  const view = createProcessView({ clock, signal: context.signal });
  const setting: TaskSetting = {
    request,
    section,
    settings,
    installation,
    surroundings: {
      log,
      clock,
      signal: context.signal,
      limits: watchLimits(settings.limits, section.limits),
      track: (pid) => session.track(pid),
      cpuMs: view.cpuMs,
      blockedBy: (pid) => findDialog([pid], context.signal, { windowTitles: view.titles }),
    },
    async sweep(signal = context.signal) {
      const { killStale: policy } = settings;
      try {
        const ended = await killStale({ policy, installation, session, signal });
        for (const { pid, name } of ended) log.say(`ended a leftover: ${name} (${pid})`);
      } catch (error) {
        signal.throwIfAborted();
        // Where processes cannot be listed there may well be nothing to end.
        log.say(`cannot look for leftovers: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  };
  try {
    return await renderIn(setting, context);
  } catch (error) {
    // A program that crashed may have left another one that nothing leads to any more.
    await endLeftovers(setting);
    throw error;
  }
}

/** Gets ready what encodes while After Effects starts, which leaves time for it; what fails then is said when it is needed. */
function warmUpEncoders(settings: RenderRequest['settings']): void {
  void loadNodeAv();
  void findFfmpeg(settings).catch(() => {});
}

/** The flow itself, once it is clear what runs where. */
async function renderIn(setting: TaskSetting, context: RenderContext): Promise<RenderResult> {
  const { request, settings, surroundings } = setting;
  const { clock, log } = surroundings;
  await setting.sweep();
  await using fonts = await fontsOf(setting);
  for (const { names, places } of fonts.installed)
    log.say(`font ${names.join(', ')}: ${places.map(({ path }) => path).join(', ')}`);
  const { result: bound, project } = await bindInTurn(setting);
  for (const { path } of bound.missingFootage) log.say(`rendered without its file: ${path}`);
  for (const name of bound.missingFonts) log.say(`rendered with another font: ${name}`);
  await rememberLearned(settings.stateDir, setting.installation, bound);
  const range = renderRange(bound.composition, request.output);
  log.say(
    `composition "${bound.composition.name}": ${bound.composition.width} × ${bound.composition.height}, ${bound.composition.fps} fps, ${range.count} of ${bound.composition.frames} frames`,
  );
  const progress = new RenderProgress({ frames: range.count, clock });
  const previews = new Previews(context, request.settings.previewMs, clock);
  const stage = renderStage({ setting, context, bound, project, range, progress, previews });
  stage.onProgress();
  const rendered =
    modeOf(setting) === 'sequence'
      ? await asSequence(stage, bound.composition.hasAudio)
      : await asMovie(stage, bound.composition);
  return await encode(rendered, setting, context, clock);
}

function sectionAndSettings({ manifest, settings }: RenderRequest) {
  const section = manifest.engines.aerender;
  if (!section)
    throw new FlatrenderError(
      'TEMPLATE_INVALID',
      'this template has no engines.aerender in its template.yaml',
    );
  if (settings.aerender) return { section, settings: settings.aerender };
  throw new FlatrenderError('ENGINE_UNAVAILABLE', 'this node does not use After Effects', {
    hint: 'set AE_PATH in its agent.env',
  });
}

async function fontsOf({ request, section, settings, surroundings }: TaskSetting): Promise<InstalledFonts> {
  const fonts = section.fonts.map(({ file, names }) => ({
    file: join(request.bundleDir, ...file.split('/')),
    names,
  }));
  return await installFonts(fonts, { stateDir: settings.stateDir, signal: surroundings.signal });
}

/** One task at a time: After Effects takes a script from whoever comes. */
async function bindInTurn(setting: TaskSetting): Promise<Bound> {
  const { clock, log, signal } = setting.surroundings;
  let cancel = (): void => {};
  // Silence would be taken for a hang of the engine.
  const wait = (): void => {
    cancel = clock.after(WAITING_MS, () => {
      log.say('waiting until another task has bound its inputs');
      wait();
    });
  };
  wait();
  try {
    return await withBindLock(setting.settings.stateDir, signal, () => {
      cancel();
      return bindPhase(setting, () => warmUpEncoders(setting.request.settings));
    });
  } finally {
    cancel();
  }
}

/** At the end of a failure. An abort has to be over soon: on Windows, where looking takes seconds, the next task looks. */
async function endLeftovers(setting: TaskSetting): Promise<void> {
  if (!setting.surroundings.signal.aborted) return await setting.sweep();
  if (process.platform === 'win32') return;
  await setting.sweep(AbortSignal.timeout(SWEEP_MS)).catch(() => {});
}

/** A still is one frame: always as a picture, which needs no video codec. */
function modeOf({ request, settings, section }: TaskSetting): RenderMode {
  if (request.output.container === 'png') return 'sequence';
  return settings.mode ?? section.mode;
}

function wantsSound(stage: RenderStage, hasAudio: boolean): boolean {
  const { container } = stage.setting.request.output;
  return hasAudio && container !== 'gif' && container !== 'png';
}

async function asSequence(stage: RenderStage, hasAudio: boolean): Promise<Rendered> {
  const { section, settings } = stage.setting;
  const wanted =
    settings.outputModules.sequence ?? (section.mode === 'sequence' ? section.outputModule : null) ?? null;
  const outputModule = sequenceModule({ wanted, available: stage.outputModules });
  const frames = await renderSequence(stage, outputModule);
  const audio = wantsSound(stage, hasAudio) ? await renderSound(stage) : null;
  return {
    source: {
      kind: 'sequence',
      directory: frames.directory,
      prefix: SequenceFrames.PREFIX,
      digits: SequenceFrames.DIGITS,
      start: 0,
      count: frames.count,
      extension: frames.extension ?? 'png',
      fps: stage.fps,
    },
    // Names of templates with such alpha say so; others are taken for straight.
    alpha: /premul/i.test(outputModule) ? 'premultiplied' : 'straight',
    matte: stage.pictures.background,
    audio,
    hasAudio: audio !== null,
    movie: null,
    outputFrames: stage.range.outputFrames,
  };
}

async function asMovie(
  stage: RenderStage,
  composition: { width: number; height: number; fps: number; hasAudio: boolean },
): Promise<Rendered> {
  const { section, settings, request } = stage.setting;
  const { output } = request;
  const wanted =
    settings.outputModules.movie ?? (section.mode === 'movie' ? section.outputModule : null) ?? null;
  const isFinal =
    output.container === 'mp4' &&
    output.width === composition.width &&
    output.height === composition.height &&
    Math.abs(output.fps - composition.fps) < 0.001;
  const outputModule = movieModule({ wanted, available: stage.outputModules }, isFinal);
  const { path, info } = await renderMovie(stage, outputModule);
  // A module that writes no sound (Audio Output: Off) is no reason for a silent video.
  const isSilent = wantsSound(stage, composition.hasAudio) && !info.hasAudio;
  const audio = isSilent ? await renderSound(stage) : null;
  return {
    source: { kind: 'movie', path },
    alpha: /premul/i.test(outputModule) ? 'premultiplied' : 'straight',
    matte: stage.pictures.background,
    audio,
    hasAudio: wantsSound(stage, info.hasAudio || isSilent),
    movie: info,
    outputFrames: stage.range.outputFrames,
  };
}

/** Encodes under the watchdog: ffmpeg may hang as well. */
async function encode(
  rendered: Rendered,
  { request, surroundings }: TaskSetting,
  context: RenderContext,
  clock: Clock,
): Promise<RenderResult> {
  const hung = new AbortController();
  using watchdog = new Watchdog({
    clock,
    limits: surroundings.limits,
    onExpired: ({ limitMs }) =>
      hung.abort(
        new FlatrenderError(
          'ENGINE_TIMEOUT',
          `encoding made no progress for ${limitMs / 1000} s, so it was ended`,
          {
            hint: 'give limits.encode more seconds, in the template or on the node',
          },
        ),
      ),
  });
  watchdog.enter('encode');
  return await encodeOutput(rendered, {
    request,
    context,
    log: surroundings.log,
    onFrame: () => watchdog.alive('output'),
    signal: AbortSignal.any([context.signal, hung.signal]),
  });
}
