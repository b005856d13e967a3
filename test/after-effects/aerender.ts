/**
 * The stand-in for aerender: takes its flags, renders a project for real and prints its lines. What it does wrong when told
 * to is in faults.ts.
 *
 * Exit codes are those of commandLineRenderer.jsx: 2 usage, 7 what aerender refuses, 9 what fails in After Effects; 8 and 10
 * instead with -log.
 */
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type AerenderArguments, parseArguments, USAGE } from './aerender-arguments.ts';
import { findComp, frameSpan, missingFonts, missingFootage } from './aerender-checks.ts';
import { isChild, playChild, startChild } from './aerender-child.ts';
import { type AerenderConfig, readAerenderConfig } from './aerender-config.ts';
import { type Fault, readFault } from './faults.ts';
import {
  ADDING,
  convertedLine,
  endLines,
  errorLine,
  frameLine,
  LAUNCHED,
  LAUNCHING,
  type LineJob,
  type LineStyle,
  MESSAGES,
  missingFontLine,
  missingFootageLine,
  startLines,
  versionLine,
} from './lines.ts';
import { outputModule } from './output-modules.ts';
import { readProject } from './project-file.ts';
import { renderComp } from './render/render-comp.ts';
import type { SimComp, SimProject } from './sim-project.ts';

const EXIT = { application: 1, usage: 2, aerender: 7, afterEffects: 9 } as const;

/** Ends the render with an error line. */
class AerenderError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.aerender) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What one run knows. */
interface Run {
  readonly args: AerenderArguments;
  readonly config: AerenderConfig;
  readonly installDir: string;
  readonly fault: Fault | null;
  /** Prints a line, or writes it to the file of -log. */
  readonly print: (line: string) => void;
  /** The same for what `-v ERRORS` leaves out. */
  readonly tell: (line: string) => void;
}

/** Runs aerender with the arguments after its name, in an installation; returns its exit code. Some faults never return. */
export async function aerender(argv: readonly string[], installDir: string): Promise<number> {
  if (isChild()) return await playChild();
  // Who started it is gone: nobody reads on.
  process.stdout.on('error', () => process.exit(EXIT.application));
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const args = parseArguments(argv);
  if (typeof args === 'string') {
    for (const line of [`aerender SYNTAX ERROR: ${args}`, ...USAGE]) print(line);
    return EXIT.usage;
  }
  const config = readAerenderConfig(installDir);
  if (args.wants !== 'render') {
    for (const line of args.wants === 'help' ? USAGE : [versionLine(config.version)]) print(line);
    return args.wants === 'help' ? EXIT.usage : 0;
  }
  const fault = readFault(installDir, 'aerender');
  if (fault?.mode === 'stderr-noise') makeNoise();
  if (fault?.mode !== 'version-late') print(versionLine(config.version));
  if (fault && /^hang-|^no-exit$/.test(fault.mode)) startChild();
  print(LAUNCHING);
  const refusal = await launch(config, fault);
  if (refusal !== null) {
    print(errorLine(refusal));
    return EXIT.application;
  }
  print(LAUNCHED);
  const run = withLog({ args, config, installDir, fault, print, tell: print });
  try {
    const exitCode = await renderProject(run);
    if (fault?.mode === 'no-exit') await forever();
    return exitCode;
  } catch (error) {
    if (!(error instanceof AerenderError)) process.stderr.write(`${(error as Error).stack}\n`);
    run.print(errorLine(error instanceof AerenderError ? error.message : MESSAGES.runtime));
    const code = error instanceof AerenderError ? error.exitCode : EXIT.afterEffects;
    return args.log === null || code === EXIT.application ? code : code + 1;
  }
}

/** Starts After Effects; returns why it refuses. */
async function launch(config: AerenderConfig, fault: Fault | null): Promise<string | null> {
  if (fault?.mode === 'hang-launch') await forever();
  await delay(config.startMs + (fault?.mode === 'slow-start' ? Number(fault.argument) : 0));
  if (fault?.mode === 'other-instance') return MESSAGES.otherInstance;
  return fault?.mode === 'licence' ? MESSAGES.licence : null;
}

/** With -log the lines go to that file from here on, and stdout stays silent. */
function withLog(run: Run): Run {
  const { log, isVerbose } = run.args;
  const print = log === null ? run.print : (line: string) => appendFileSync(log, `${line}\n`);
  if (log !== null) {
    try {
      writeFileSync(log, '');
    } catch {
      run.print(`aerender ERROR: Directory specified for log file does not exist: ${log}`);
      return { ...run, args: { ...run.args, log: null } };
    }
  }
  return { ...run, print, tell: isVerbose ? print : () => {} };
}

async function renderProject(run: Run): Promise<number> {
  const { args, config, fault, print, tell } = run;
  const project = openProject(run);
  if (majorOf(project.version) < majorOf(config.version)) tell(convertedLine(project.version));
  if (fault?.mode === 'hang-before-start') await forever();
  const comp = chooseComp(args, project);
  print(ADDING);
  const renderSettings = args.renderSettings ?? 'Best Settings';
  const moduleName = args.outputModule ?? 'Lossless';
  if (!config.renderSettings.includes(renderSettings))
    throw new AerenderError(MESSAGES.renderSettingsNotFound);
  if (!config.outputModules.includes(moduleName)) throw new AerenderError(MESSAGES.outputModuleNotFound);
  if (args.output === null) throw new AerenderError(MESSAGES.needsOutput);
  if (fault?.mode === 'version-late') print(versionLine(config.version));
  const span = frameSpan(comp, args);
  if (!span) throw new AerenderError('After Effects error: Value out of range.', EXIT.afterEffects);
  if (!existsSync(dirname(args.output)))
    throw new AerenderError('After Effects error: Path is not valid.', EXIT.afterEffects);
  const module = outputModule(moduleName);
  const job: LineJob = {
    composition: comp.name,
    width: comp.width,
    height: comp.height,
    startFrame: comp.displayStartFrame + span.first,
    frames: span.count,
    output: args.output,
    format: module.format,
    renderSettings,
    outputModule: moduleName,
    settings: 'full',
  };
  warn(run, project, comp);
  return await renderJob(run, { project, comp, module, span, output: args.output }, job);
}

function openProject({ args }: Run): SimProject {
  if (args.project === null) throw new AerenderError(MESSAGES.noProject);
  if (!existsSync(args.project))
    throw new AerenderError('After Effects error: Path is not valid.', EXIT.afterEffects);
  try {
    return readProject(args.project);
  } catch {
    throw new AerenderError(MESSAGES.damagedProject, EXIT.afterEffects);
  }
}

/** Projects here have no render queue of their own. */
function chooseComp(args: AerenderArguments, project: SimProject): SimComp {
  if (args.comp === null) throw new AerenderError(MESSAGES.rqIndexNotFound);
  const comp = findComp(project, args.comp);
  if (!comp) throw new AerenderError(MESSAGES.compNotFound);
  return comp;
}

/** Missing footage ends the render, or is warned about with -continueOnMissingFootage; missing fonts never end it. */
function warn({ args, config, fault, tell }: Run, project: SimProject, comp: SimComp): void {
  const footage = fault?.mode === 'black-missing' ? [] : missingFootage(project, comp);
  for (const path of footage) tell(missingFootageLine(path));
  if (footage.length > 0 && !args.continueOnMissingFootage)
    throw new AerenderError(MESSAGES.runtime, EXIT.afterEffects);
  const fonts = missingFonts(
    project,
    comp,
    fault?.mode === 'missing-font' ? [] : config.fonts.map(({ postScriptName }) => postScriptName),
  );
  const faked =
    fault?.mode === 'missing-font' && fonts.length === 0 ? [{ family: 'Bebas', style: 'Regular' }] : [];
  for (const { family, style } of [...fonts, ...faked]) tell(missingFontLine(family, style));
}

type RenderParts = Pick<Parameters<typeof renderComp>[0], 'project' | 'comp' | 'module' | 'span' | 'output'>;

async function renderJob(run: Run, parts: RenderParts, job: LineJob): Promise<number> {
  const { config, fault, tell } = run;
  const style: LineStyle = {
    language: config.language,
    fps: parts.comp.fps,
    dropFrame: parts.comp.dropFrame,
    display: 'timecode',
    clock: config.language === 'en' ? '12h' : '24h',
  };
  const started = Date.now();
  let last = started;
  for (const line of startLines(job, style, new Date(started))) tell(line);
  const end = await renderComp({
    ...parts,
    fault,
    missing: fault?.mode === 'black-missing' ? 'black' : 'bars',
    fontFile: (name) =>
      fault?.mode === 'missing-font'
        ? null
        : (config.fonts.find(({ postScriptName }) => postScriptName === name)?.file ?? null),
    scratchDir: run.installDir,
    frameMs: config.frameMs,
    onFrame(index) {
      const now = Date.now();
      const seconds = Math.floor((now - started) / 1000) - Math.floor((last - started) / 1000);
      last = now;
      tell(frameLine({ startFrame: job.startFrame + index * (parts.span.step - 1) }, style, index, seconds));
    },
  });
  if (end === 'hung') await (fault?.mode === 'spin-at' ? spin() : forever());
  if (end === 'crashed') await crash();
  if (end === 'failed') throw new AerenderError(MESSAGES.runtime, EXIT.application);
  const now = Date.now();
  for (const line of endLines(job, style, new Date(now), Math.floor((now - started) / 1000))) tell(line);
  return 0;
}

/** Ends as a crash does: no word, no clean-up. */
async function crash(): Promise<never> {
  await new Promise((resolve) => process.stdout.write('', resolve));
  if (process.platform === 'win32') process.exit(0xc0000005);
  process.kill(process.pid, 'SIGSEGV');
  return forever();
}

/** Waits without using the CPU; the timer keeps the process alive. */
function forever(): Promise<never> {
  setInterval(() => {}, 1 << 30);
  return new Promise(() => {});
}

/** The same, but busy. */
async function spin(): Promise<never> {
  for (;;) {
    const until = Date.now() + 50;
    while (Date.now() < until);
    await delay(5);
  }
}

function makeNoise(): void {
  for (let line = 0; line < 500; line += 1)
    process.stderr.write(
      `2024-07-23 14:40:31:851 : ERROR *** IVCAutoReleasePool: Object ${line} autoreleased\n`,
    );
}

function majorOf(version: string): number {
  return Number.parseInt(version, 10);
}
