/** What rendering one output needs to know, whatever is launched for it. */
import type { Clock } from '../../../lib/clock.ts';
import type { Command } from '../../../lib/exec.ts';
import type { EngineSettings, RenderContext } from '../../engine.ts';
import type { BindDone, BindResult } from '../bind/bind-data.ts';
import { aerenderCommand } from '../commands.ts';
import type { RenderProgress } from '../report/progress.ts';
import type { Previews } from './previews.ts';
import type { RenderRange } from './render-range.ts';
import type { AerenderRunOptions } from './run-aerender.ts';
import type { TaskLog } from './task-log.ts';
import type { TaskSetting } from './task-setting.ts';

/** Longest that aerender may stay silent after it said that it is finished, ms: After Effects closes within seconds. */
const MOST_GRACE_MS = 60_000;

export interface RenderStage {
  readonly setting: TaskSetting;
  readonly log: TaskLog;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly workspace: string;
  readonly range: RenderRange;
  /** Of the composition. */
  readonly fps: number;
  readonly progress: RenderProgress;
  readonly previews: Previews;
  readonly settings: EngineSettings;
  /** How previews are made; the background, #rrggbb, is the composition's own. */
  readonly pictures: { readonly settings: EngineSettings; readonly background: string };
  /** Templates of this After Effects. */
  readonly outputModules: readonly string[];
  /** Passes the progress on. */
  onProgress(): void;
  runOptions(job: StageJob): Omit<AerenderRunOptions, 'progress' | 'onFrame' | 'onStart'>;
}

/** One launch of aerender. */
export interface StageJob {
  readonly outputModule: string;
  /** Absolute, with `[#####]` for frames. */
  readonly output: string;
  /** First frame, counted from 0 at the first of the range. */
  readonly start: number;
  readonly count: number;
}

export interface RenderStageOptions {
  readonly setting: TaskSetting;
  readonly context: RenderContext;
  readonly bound: BindResult & BindDone;
  /** The bound copy. */
  readonly project: string;
  readonly range: RenderRange;
  readonly progress: RenderProgress;
  readonly previews: Previews;
}

/** Puts it together. */
export function renderStage(options: RenderStageOptions): RenderStage {
  const { setting, context, bound, range, progress } = options;
  const { request, surroundings, section } = setting;
  const { limits, log, clock, signal } = surroundings;
  const renderSettings = section.renderSettings ?? null;
  return {
    setting,
    log,
    clock,
    signal,
    workspace: request.workspace,
    range,
    fps: bound.composition.fps,
    progress,
    previews: options.previews,
    settings: request.settings,
    pictures: { settings: request.settings, background: hexColor(bound.composition.background) },
    outputModules: bound.outputModules,
    onProgress() {
      context.onProgress({ phase: 'render', ...progress.snapshot() });
    },
    runOptions: ({ outputModule, output, start, count }) => ({
      ...surroundings,
      command: command(options, { outputModule, output, start, count }),
      cwd: request.workspace,
      composition: bound.composition.name,
      outputModule,
      renderSettings,
      fps: bound.composition.fps,
      frames: count,
      policy: section,
      graceMs: Math.min(limits.encode, MOST_GRACE_MS),
    }),
  };
}

function command({ setting, bound, project, range }: RenderStageOptions, job: StageJob): Command {
  const { settings, section, installation } = setting;
  const first = range.first + job.start;
  return aerenderCommand(installation, {
    project,
    comp: bound.composition.name,
    output: job.output,
    renderSettings: section.renderSettings ?? null,
    outputModule: job.outputModule,
    // Always: without them After Effects renders the work area.
    start: first,
    end: first + job.count - 1,
    sound: null,
    mfrPercent: settings.mfrPercent,
    memoryPercent: settings.memoryPercent,
    reuse: settings.reuse,
    close: settings.close,
    continueOnMissingFootage: section.missingFootage === 'ignore',
  });
}

/** Red, green and blue from 0 to 1 as #rrggbb. */
function hexColor(color: readonly [number, number, number]): string {
  return `#${color
    .map((share) =>
      Math.round(share * 255)
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`;
}
