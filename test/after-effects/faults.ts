/**
 * What the stand-ins for After Effects do wrong when they are told to.
 *
 * `AE_SIM_FAULT`, else `fault` in simulator.json: `[program/]mode[:argument][@launches]`, several with commas (the first
 * that applies is taken). `@2`: only the first two launches of that program. Without a program: the one in the table.
 *
 * | mode                | program  | what happens |
 * |---------------------|----------|--------------|
 * | `hang-launch`       | aerender | says "Launching After Effects..." and nothing more |
 * | `hang-before-start` | aerender | loads the project and stops before "Starting composition" |
 * | `hang-at:50`        | aerender | stops after 50 % of the frames, its output unfinished; uses no CPU |
 * | `spin-at:50`        | aerender | the same, but busy: it uses the CPU and gets nowhere |
 * | `crash-at:50`       | aerender | ends without a word after 50 %: a short playable movie, or the next frame half written |
 * | `exit1-partial`     | aerender | half of the frames, an error, exit code 1 |
 * | `black-missing`     | aerender | missing footage is black, nobody says so, exit code 0 |
 * | `missing-font`      | aerender | warns about a font whatever is installed, draws with another one, exit code 0 |
 * | `other-instance`    | aerender | refuses: another instance may be running |
 * | `dialog:crash-repair` | AfterFX | a modal dialog before the script: crash-repair, missing-font, conversion, licence |
 * | `slow-start:3000`   | both     | so many milliseconds more until it is up |
 * | `licence`           | both     | no licence: says so and ends with exit code 1 |
 * | `script-error`      | AfterFX  | aborts the script with an error |
 * | `naming:ext`        | aerender | the output module puts its own extension after the name: `out.mp4` → `out.mp4.mov` |
 * | `naming:none`       | aerender | writes the name without its extension: `out.mov` → `out` |
 * | `naming:underscore` | aerender | sequence: `_00000` before the extension, whatever `[#####]` says |
 * | `naming:brackets`   | aerender | sequence: the brackets stay: `frame_[00000].png`; movie: `_[#####]` is added as such |
 * | `no-exit`           | both     | does its work and never ends |
 * | `short-output`      | aerender | leaves the last frames out and says it finished, exit code 0 |
 * | `damaged-frame:7`   | aerender | the file of the 8th frame of the composition (counted from 0) is cut; exit code 0 |
 * | `stderr-noise`      | both     | much on stderr that means nothing |
 * | `version-late`      | aerender | the version line comes after other lines |
 *
 * An aerender that hangs has a child, After Effects, that goes on when aerender alone is ended.
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type SimProgram = 'aerender' | 'AfterFX';

const PROGRAMS = {
  'hang-launch': ['aerender'],
  'hang-before-start': ['aerender'],
  'hang-at': ['aerender'],
  'spin-at': ['aerender'],
  'crash-at': ['aerender'],
  'exit1-partial': ['aerender'],
  'black-missing': ['aerender'],
  'missing-font': ['aerender'],
  'other-instance': ['aerender'],
  dialog: ['AfterFX'],
  'slow-start': ['aerender', 'AfterFX'],
  licence: ['aerender', 'AfterFX'],
  'script-error': ['AfterFX'],
  naming: ['aerender'],
  'no-exit': ['aerender', 'AfterFX'],
  'short-output': ['aerender'],
  'damaged-frame': ['aerender'],
  'stderr-noise': ['aerender', 'AfterFX'],
  'version-late': ['aerender'],
} as const satisfies Record<string, readonly SimProgram[]>;

export type FaultMode = keyof typeof PROGRAMS;

/** One fault as it is to be played. */
export interface Fault {
  readonly mode: FaultMode;
  /** What stands after the colon; '' when nothing does. */
  readonly argument: string;
}

/** All modes, in the order of the table. */
export const FAULT_MODES = Object.keys(PROGRAMS) as readonly FaultMode[];

/** The fault that this launch of a program plays, if any. Counts the launch: call it once, at the start. */
export function readFault(installDir: string, program: SimProgram): Fault | null {
  const launch = countLaunch(installDir, program);
  const spec = process.env.AE_SIM_FAULT ?? configuredFault(installDir);
  return parseFaults(spec, program, launch);
}

/** Reads a specification for the nth launch of a program. Throws on what the table does not have. */
export function parseFaults(spec: string, program: SimProgram, launch: number): Fault | null {
  for (const part of spec.split(',').map((text) => text.trim())) {
    if (part === '') continue;
    const match = /^(?:(aerender|AfterFX)\/)?([a-z0-9-]+)(?::([^@]*))?(?:@(\d+))?$/.exec(part);
    const mode = match?.[2] ?? '';
    if (!match || !isMode(mode)) throw new Error(`the simulator has no fault ${JSON.stringify(part)}`);
    const programs: readonly string[] = match[1] ? [match[1]] : PROGRAMS[mode];
    if (!programs.includes(program)) continue;
    if (match[4] !== undefined && launch > Number(match[4])) continue;
    return { mode, argument: match[3] ?? '' };
  }
  return null;
}

/** How often a program of an installation was started. */
export function launchCount(installDir: string, program: SimProgram): number {
  let count = 0;
  while (exists(launchFile(installDir, program, count + 1))) count += 1;
  return count;
}

/** One file per launch, each created by one process only, because several may start at once. */
function countLaunch(installDir: string, program: SimProgram): number {
  for (let launch = 1; ; launch += 1) {
    try {
      closeSync(openSync(launchFile(installDir, program, launch), 'wx'));
      return launch;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function launchFile(installDir: string, program: SimProgram, launch: number): string {
  return join(installDir, `launch-${program}-${launch}`);
}

function exists(path: string): boolean {
  try {
    closeSync(openSync(path, 'r'));
    return true;
  } catch {
    return false;
  }
}

function configuredFault(installDir: string): string {
  try {
    const config = JSON.parse(readFileSync(join(installDir, 'simulator.json'), 'utf8')) as {
      fault?: unknown;
    };
    return typeof config.fault === 'string' ? config.fault : '';
  } catch {
    return '';
  }
}

function isMode(mode: string): mode is FaultMode {
  return Object.hasOwn(PROGRAMS, mode);
}
