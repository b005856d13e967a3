/**
 * What an installation does to a machine, as data: `--dry-run` prints it on any system, tests compare it whole, and one
 * runner carries it out, step by step, taking back what was done when a step fails.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { FlatrenderError } from './errors.ts';
import { type Command, type RunOptions, run } from './exec.ts';
import { replaceFile } from './replace-file.ts';

const AGAIN_TRIES = 10;
const AGAIN_MS = 500;

interface StepBase {
  /** What it does, for people: `create the service FlatRenderNodeAgent`. */
  readonly what: string;
}

/** Runs a program: argv as it is, never through a shell. */
export interface RunStep extends StepBase, Command {
  readonly kind: 'run';
  /** Takes the step back; absent: nothing to take back. */
  readonly undo?: Command;
  /** Exit codes besides 0 that are fine, e.g. "does not exist" of a removal. */
  readonly allow?: readonly number[];
  /** Exit codes that pass by themselves, e.g. of a service manager that is just starting: tried again for some seconds. */
  readonly again?: readonly number[];
  /** Default 60 s. */
  readonly timeoutMs?: number;
}

/** Makes a directory and its parents; one that exists keeps its owner and mode unless they are given. */
export interface DirectoryStep extends StepBase {
  readonly kind: 'directory';
  readonly path: string;
  /** Not on Windows. */
  readonly mode?: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** Writes a file, whole and atomically; its former content comes back when a later step fails. */
export interface WriteStep extends StepBase {
  readonly kind: 'write';
  readonly path: string;
  readonly text: string;
  /** Not on Windows. */
  readonly mode: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** A dry run and a failure show the path only. */
  readonly isSecret?: boolean;
}

/** Removes a file or an empty or owned directory; one that is not there is fine. */
export interface RemoveStep extends StepBase {
  readonly kind: 'remove';
  readonly path: string;
  /** With all that is in it. */
  readonly recursive?: boolean;
}

export type PlanStep = RunStep | DirectoryStep | WriteStep | RemoveStep;

/** `done`: changed now; `already`: it was like this. */
export type StepResult = { readonly step: PlanStep; readonly result: 'done' | 'already' };

export interface RunPlanOptions {
  readonly signal: AbortSignal;
  /** Each step as it is over. */
  readonly onStep?: (result: StepResult) => void;
  /** Variables for the programs. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Carries out a plan. A step that fails undoes the ones before it, newest first, and its error says so; what could not be
 * undone is in the hint. Abort counts as a failure.
 */
export async function runPlan(
  steps: readonly PlanStep[],
  options: RunPlanOptions,
): Promise<readonly StepResult[]> {
  const results: StepResult[] = [];
  const undos: (() => Promise<void> | void)[] = [];
  for (const step of steps) {
    try {
      options.signal.throwIfAborted();
      const result: StepResult = { step, result: await perform(step, undos, options) };
      results.push(result);
      options.onStep?.(result);
    } catch (error) {
      throw await takeBack(step, error, undos);
    }
  }
  return results;
}

/** The plan as people read it: one line a step with the exact command or file, contents of files below. */
export function planText(steps: readonly PlanStep[]): string {
  return steps.map((step) => `# ${step.what}\n${stepText(step)}`).join('\n\n');
}

/** One command as it could be typed; for people, not for a shell. */
export function commandText({ file, args }: Command): string {
  return [file, ...args].map((word) => (/^[\w@%+=:,./$\\-]+$/.test(word) ? word : `'${word}'`)).join(' ');
}

function stepText(step: PlanStep): string {
  switch (step.kind) {
    case 'run':
      return commandText(step);
    case 'directory':
      return `mkdir -p ${step.path}${modeText(step.mode)}`;
    case 'remove':
      return `rm ${step.recursive ? '-r ' : ''}${step.path}`;
    case 'write':
      return `write ${step.path}${modeText(step.mode)}\n${
        step.isSecret ? '  (contains a secret: not shown)' : step.text.trimEnd().replace(/^/gm, '  ')
      }`;
  }
}

function modeText(mode: number | undefined): string {
  return mode === undefined ? '' : ` (mode ${mode.toString(8).padStart(4, '0')})`;
}

async function perform(
  step: PlanStep,
  undos: (() => Promise<void> | void)[],
  { signal, env }: RunPlanOptions,
): Promise<'done' | 'already'> {
  switch (step.kind) {
    case 'run': {
      const { undo, allow = [], timeoutMs = 60_000 } = step;
      const options = { signal, timeoutMs, ...(env === undefined ? {} : { env }) };
      const { exitCode, stdout, stderr } = await runUntilSettled(step, { ...options, anyExitCode: true });
      if (exitCode !== 0 && !allow.includes(exitCode)) {
        const said = `${stdout}\n${stderr}`.trim();
        throw new FlatrenderError('PROGRAM_FAILED', `${commandText(step)} ended with exit code ${exitCode}`, {
          hint: said === '' ? undefined : said,
        });
      }
      if (undo) undos.push(async () => void (await run(undo.file, undo.args, { timeoutMs, env: env ?? {} })));
      return 'done';
    }
    case 'directory':
      return makeDirectory(step, undos);
    case 'write':
      return writeFile(step, undos);
    case 'remove':
      if (!existsSync(step.path) && !isLink(step.path)) return 'already';
      rmSync(step.path, { recursive: step.recursive === true });
      return 'done';
  }
}

async function runUntilSettled({ file, args, again = [] }: RunStep, options: RunOptions) {
  for (let tries = 1; ; tries += 1) {
    const result = await run(file, args, options);
    if (tries === AGAIN_TRIES || !again.includes(result.exitCode)) return result;
    // Not the clock of the program, which keeps no process alive.
    await setTimeout(AGAIN_MS, undefined, { signal: options.signal });
  }
}

function makeDirectory({ path, mode, owner }: DirectoryStep, undos: (() => void)[]): 'done' | 'already' {
  const first = mkdirSync(path, { recursive: true });
  if (first !== undefined) undos.push(() => rmSync(first, { recursive: true, force: true }));
  const before = statSync(path);
  if (process.platform === 'win32') return first === undefined ? 'already' : 'done';
  let changed = first !== undefined;
  if (mode !== undefined && (before.mode & 0o7777) !== mode) {
    chmodSync(path, mode);
    changed = true;
  }
  if (owner && (before.uid !== owner.uid || before.gid !== owner.gid)) {
    chownSync(path, owner.uid, owner.gid);
    changed = true;
  }
  return changed ? 'done' : 'already';
}

function writeFile({ path, text, mode, owner }: WriteStep, undos: (() => void)[]): 'done' | 'already' {
  const before = existsSync(path) ? { text: readFileSync(path, 'utf8'), stat: statSync(path) } : null;
  const isSame =
    before?.text === text &&
    (process.platform === 'win32' ||
      ((before.stat.mode & 0o7777) === mode &&
        (!owner || (before.stat.uid === owner.uid && before.stat.gid === owner.gid))));
  if (isSame) return 'already';
  undos.push(() => {
    if (before === null) rmSync(path, { force: true });
    else replaceFile(path, before.text, { mode: before.stat.mode & 0o7777, owner: before.stat });
  });
  mkdirSync(dirname(path), { recursive: true });
  replaceFile(path, text, { mode, owner });
  return 'done';
}

async function takeBack(
  step: PlanStep,
  error: unknown,
  undos: readonly (() => Promise<void> | void)[],
): Promise<FlatrenderError> {
  const left: string[] = [];
  for (const undo of [...undos].reverse()) {
    try {
      await undo();
    } catch (failure) {
      left.push(failure instanceof Error ? failure.message : String(failure));
    }
  }
  const why = error instanceof Error ? error.message : String(error);
  const cause = error instanceof FlatrenderError ? error : null;
  const taken = undos.length > 0 ? '; what was done before it was undone' : '';
  const hints = [cause?.hint, ...left.map((text) => `could not be undone: ${text}`)].filter(Boolean);
  return new FlatrenderError(cause?.code ?? 'SETUP_FAILED', `could not ${step.what}: ${why}${taken}`, {
    cause: error,
    hint: hints.length > 0 ? hints.join('\n') : undefined,
  });
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
