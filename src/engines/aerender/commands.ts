/** What is typed to have After Effects do something. Pure: a program and its arguments, never a shell. */
import type { Command } from '../../lib/exec.ts';
import type { AerenderSettings } from '../engine.ts';
import type { Installation } from './machine/installation.ts';

/** What aerender shall render. Paths are absolute. */
export interface AerenderJob {
  /** The bound copy. */
  readonly project: string;
  /** Name of the composition; aerender takes no path. */
  readonly comp: string;
  readonly output: string;
  /** Names of templates; null: what After Effects has as its default. */
  readonly renderSettings: string | null;
  readonly outputModule: string | null;
  /** First and last frame, as After Effects numbers them; null: the work area, as the render settings say. */
  readonly start: number | null;
  readonly end: number | null;
  /** null: as the output module says. */
  readonly sound: boolean | null;
  readonly mfrPercent: AerenderSettings['mfrPercent'];
  readonly memoryPercent: AerenderSettings['memoryPercent'];
  readonly reuse: boolean;
  readonly close: AerenderSettings['close'];
  /** Renders black instead of refusing when a file of the project is not there. */
  readonly continueOnMissingFootage: boolean;
}

/**
 * Runs a script in an After Effects of its own.
 *
 * Windows, documented: `afterfx -r <full path>`, which runs it "in the existing instance" when there is one (scripting
 * guide, "Running scripts from the command line"). So `-m` is added, which starts another instance, and `-noui`, which
 * shows no windows: neither is in the guide, users of AfterFX report both. The script itself refuses to work in a project
 * that somebody has open. The guide also knows cases where a quoted path with spaces is not found. None of this was run
 * against a real After Effects.
 *
 * macOS: only AppleScript is documented (`DoScriptFile`); it goes to the instance that runs, and starts one where none
 * does. osascript waits for the script's end; After Effects is then a child of launchd, not of osascript.
 *
 * Elsewhere there is no After Effects: a program given by AE_PATH is called like that of Windows.
 */
export function afterFxCommand(
  installation: Installation,
  scriptPath: string,
  platform: NodeJS.Platform = process.platform,
): Command {
  if (platform === 'darwin' && installation.afterfx.endsWith('.app')) {
    return {
      file: 'osascript',
      args: [
        '-e',
        'on run argv',
        '-e',
        // AppleScript gives up on an answer after two minutes otherwise (AppleScript Language Guide, "with timeout").
        'with timeout of 86400 seconds',
        '-e',
        `tell application ${appleScriptText(installation.afterfx)} to DoScriptFile (item 1 of argv)`,
        '-e',
        'end timeout',
        '-e',
        'end run',
        scriptPath,
      ],
    };
  }
  return { file: installation.afterfx, args: ['-m', '-noui', '-r', scriptPath] };
}

/** Renders. The flags are those of Adobe's manual ("Automated rendering and network rendering"), `-mfr` since version 22. */
export function aerenderCommand(installation: Installation, job: AerenderJob): Command {
  const { mfrPercent, memoryPercent } = job;
  return {
    file: installation.aerender,
    args: [
      '-project',
      job.project,
      '-comp',
      job.comp,
      ...(job.renderSettings === null ? [] : ['-RStemplate', job.renderSettings]),
      ...(job.outputModule === null ? [] : ['-OMtemplate', job.outputModule]),
      '-output',
      job.output,
      ...(job.start === null ? [] : ['-s', String(job.start)]),
      ...(job.end === null ? [] : ['-e', String(job.end)]),
      ...(job.sound === null ? [] : ['-sound', job.sound ? 'ON' : 'OFF']),
      ...(mfrPercent === null ? [] : ['-mfr', 'ON', String(mfrPercent)]),
      ...(memoryPercent === null
        ? []
        : ['-mem_usage', String(memoryPercent.image), String(memoryPercent.max)]),
      '-v',
      'ERRORS_AND_PROGRESS',
      '-close',
      job.close,
      ...(job.reuse ? ['-reuse'] : []),
      ...(job.continueOnMissingFootage ? ['-continueOnMissingFootage'] : []),
    ],
  };
}

/** A literal: inside of the quotes only these two characters mean anything (AppleScript Language Guide, "text"). */
function appleScriptText(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
