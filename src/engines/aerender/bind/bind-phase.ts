/** Has After Effects put the inputs into a copy of the project. */
import { existsSync, type FSWatcher, watch } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FlatrenderError } from '../../../lib/errors.ts';
import { probeDuration } from '../../../media/probe.ts';
import type { RenderRequest } from '../../engine.ts';
import { afterFxCommand } from '../commands.ts';
import { type Outcome, type Supervised, supervise } from '../render/supervise.ts';
import type { TaskSetting } from '../render/task-setting.ts';
import { failureOf } from '../report/failures.ts';
import { BIND_EXIT_CODES, BIND_FILES, type BindDone, type BindResult } from './bind-data.ts';
import { bindFailure, readBindResult, writeBindFiles } from './bind-files.ts';
import { planBinding } from './bind-plan.ts';

/** After its result After Effects closes; it has so long at most, ms. What it still writes are its own preferences. */
const MOST_GRACE_MS = 30_000;
/** A file that appears raises an event, or not (network drives): looked at this often, ms. */
const LOOK_MS = 250;

export interface Bound {
  readonly result: BindResult & BindDone;
  /** The bound copy. */
  readonly project: string;
}

/**
 * Runs the script in After Effects. AE_* errors of the script with what it said about them, else of the program:
 * AE_LAUNCH_TIMEOUT, AE_HUNG, AE_CRASHED, AE_LICENSE, AE_DIALOG, … `onStarted`: After Effects is starting, which takes time.
 */
export async function bindPhase(setting: TaskSetting, onStarted: () => void): Promise<Bound> {
  const { request, surroundings, installation, section } = setting;
  const { log, limits } = surroundings;
  const directory = join(request.workspace, 'bind');
  await mkdir(directory, { recursive: true });
  // Beside nothing else: After Effects looks for footage next to the project first.
  const project = join(directory, 'bound.aep');
  const durationSeconds = await lengthOfInput(request, surroundings.signal);
  const script = await writeBindFiles(directory, planBinding(request, { saveTo: project, durationSeconds }));
  const started = join(directory, BIND_FILES.started);
  const outcome = await supervise({
    ...surroundings,
    name: 'AfterFX',
    command: afterFxCommand(installation, script),
    cwd: directory,
    phase: 'launch',
    onLine() {},
    onStart(program) {
      onStarted();
      return watchFiles(directory, program, Math.min(limits.bind, MOST_GRACE_MS));
    },
  });
  if (!existsSync(join(directory, BIND_FILES.result))) {
    // The script names its next step in this file before it takes it.
    const step = await readFile(started, 'utf8').catch(() => null);
    throw noResult(outcome, step, section);
  }
  const result = await readBindResult(directory);
  for (const warning of result.warnings) log.say(`warning: ${warning}`);
  if (!result.ok) throw bindFailure(result, request.bundleDir);
  if (!existsSync(project)) {
    throw new FlatrenderError(
      'AE_SCRIPT_ERROR',
      `After Effects did not save the bound project (${project})`,
      {
        hint: 'the disk of the node may be full, or its folder not writable for After Effects',
        retryable: true,
      },
    );
  }
  return { result, project };
}

/**
 * Seconds of the input that gives the composition its length; null: it has its own. An output with a length of its own
 * takes the beginning of the composition, which is made long enough for it.
 */
async function lengthOfInput(request: RenderRequest, signal: AbortSignal): Promise<number | null> {
  const { duration } = request.manifest.composition;
  const { durationSeconds } = request.output;
  const durationFrom = request.output.durationFrom ?? (typeof duration === 'number' ? null : duration.input);
  if (durationFrom === null) return null;
  const input = Object.hasOwn(request.inputs, durationFrom) ? request.inputs[durationFrom] : undefined;
  if (input && 'path' in input) {
    return Math.max(durationSeconds ?? 0, await probeDuration(input.path, request.settings, signal));
  }
  if (durationSeconds !== null) return null;
  throw new FlatrenderError(
    'INPUT_INVALID',
    `the output lasts as long as input "${durationFrom}", which is not given`,
    { hint: `set it: --set ${durationFrom}=@file` },
  );
}

/** The files that the script leaves are what tells how far it is: After Effects says nothing. */
function watchFiles(directory: string, program: Supervised, graceMs: number): () => void {
  let isOver = false;
  const look = (): void => {
    if (isOver) return;
    if (existsSync(join(directory, BIND_FILES.started))) program.enter('bind');
    if (existsSync(join(directory, BIND_FILES.result))) program.workDone(graceMs);
  };
  const timer = setInterval(look, LOOK_MS);
  timer.unref();
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(directory, { persistent: false }, () => {
      program.alive('file');
      look();
    });
    watcher.on('error', () => {}); // the regular look goes on
  } catch {
    // no events on this file system: the regular look goes on
  }
  return () => {
    isOver = true;
    clearInterval(timer);
    watcher?.close();
  };
}

/** `step`: what the script was about to do; null: it was not run. */
function noResult(outcome: Outcome, step: string | null, policy: TaskSetting['section']): FlatrenderError {
  const { ended, expiry, dialog, lastLines } = outcome;
  const hasStarted = step !== null;
  if (ended?.exitCode === BIND_EXIT_CODES.cannotWrite) {
    return new FlatrenderError('AE_SCRIPT_ERROR', 'After Effects does not let scripts write files', {
      hint: 'as the user of the agent, switch on "Allow Scripts to Write Files and Access Network" in the preferences of After Effects (Scripting & Expressions)',
      // Another node may be set up better.
      retryable: true,
    });
  }
  const failure = failureOf({
    stage: hasStarted ? 'bind' : 'launch',
    phase: expiry?.phase ?? (hasStarted ? 'bind' : 'launch'),
    exitCode: ended?.exitCode ?? null,
    signal: ended?.signal ?? null,
    expired: expiry,
    lastLines,
    // AfterFX has no form for its errors: when it gave up, whatever it printed may be the reason.
    errors: ended && ended.exitCode !== 0 ? lastLines.map((text) => ({ text, code: null })) : [],
    warnings: [],
    dialog,
    framesExpected: null,
    framesFound: null,
    composition: null,
    outputModule: null,
    policy,
  });
  if (!step?.trim()) return failure;
  const { code, message, hint, details, retryable } = failure;
  const at = step.trim().slice(0, 300);
  return new FlatrenderError(code, `${message}; the script was at: ${at}`, {
    cause: failure,
    hint,
    retryable,
    details: { ...details, step: at },
  });
}
