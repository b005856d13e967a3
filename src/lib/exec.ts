/**
 * The only place that starts programs. Never a shell: a program and an argument array. Arguments are visible to
 * every user of the machine and appear in errors, so secrets go in by `input` or `env`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { isSea } from 'node:sea';
import type { Readable, Writable } from 'node:stream';
import type { Options } from 'execa';
import { FlatrenderError } from './errors.ts';
import { programEnded, programNotStarted, programTimedOut } from './exec-error.ts';
import { Lines } from './lines.ts';
import { LOG_FILE_VARIABLE } from './log-file.ts';
import { packageRoot } from './paths.ts';
import { membersOfTree, type ProcessEntry, parsePs, readProc } from './process-list.ts';

/** Between SIGTERM and SIGKILL: what conventions and the abort limit of an engine allow. */
const KILL_AFTER_MS = 5_000;
/** Enough for any tool whose output is read as a whole; the rest is cut, not kept. */
const MAX_OUTPUT = 10 * 1024 * 1024;

/** A program and its arguments. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

interface SpawnOptions {
  readonly cwd?: string;
  /** Added to this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Ends the whole tree (SIGTERM, 5 s, SIGKILL); the call then rejects with ABORTED or the signal's own FlatrenderError. */
  readonly signal?: AbortSignal;
  /** Each line of stdout and stderr as it comes. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
}

export interface RunOptions extends SpawnOptions {
  /** Written to stdin, which is then closed. Default: stdin is empty. */
  readonly input?: string | Uint8Array;
  /** Ends the tree after this time: PROGRAM_TIMEOUT. Default: no limit. */
  readonly timeoutMs?: number;
  /** Characters kept of stdout and of stderr each; the end is what is kept. Default 10 Mi. */
  readonly maxOutput?: number;
  /** Return any exit code instead of throwing PROGRAM_FAILED. A start that fails still throws. */
  readonly anyExitCode?: boolean;
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  /** -1 when a signal ended it (only with `anyExitCode`). */
  readonly exitCode: number;
  readonly durationMs: number;
}

let ownGroups = true;

/**
 * From now on children stay in this process's group. For a process that leads a group of its own and whose parent
 * ends that group as a whole (the engine host): nothing it started survives it, however it ends.
 */
export function keepChildrenInGroup(): void {
  ownGroups = false;
}

/**
 * Runs a program to its end. Throws PROGRAM_MISSING, PROGRAM_FAILED (with exit code or signal and the last lines it
 * wrote), PROGRAM_TIMEOUT or ABORTED.
 */
export async function run(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const child = await start(file, args, {
    ...options,
    stdin: options.input === undefined ? 'ignore' : 'pipe',
    keepOutput: options.maxOutput ?? MAX_OUTPUT,
  });
  if (options.input !== undefined) child.stdin?.end(options.input);
  const ended = await child.done;
  if (!options.anyExitCode && ended.exitCode !== 0) throw programEnded({ file, args }, ended);
  return {
    stdout: ended.stdout,
    stderr: ended.stderr,
    exitCode: ended.exitCode ?? -1,
    durationMs: ended.durationMs,
  };
}

export interface StartOptions extends SpawnOptions {
  /** Default 'ignore'. */
  readonly stdin?: 'pipe' | 'ignore';
  /** 'pipe': binary, to be read by the caller. 'lines' (default): to `onLine` and the kept output. */
  readonly stdout?: 'pipe' | 'lines' | 'ignore';
  /** A message channel to a Node child (structured clone: buffers travel as they are). */
  readonly ipc?: boolean;
  readonly timeoutMs?: number;
  /** Characters kept of each of stdout and stderr, the end of them. Default 64 Ki. */
  readonly keepOutput?: number;
  /** Between SIGTERM and SIGKILL when `signal` or the time limit ends it. Default 5 s. */
  readonly graceMs?: number;
}

/** How a program ended. */
export interface Ended {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

/** A running program. It ends with this process unless that is killed; `kill()` it to close. */
export interface RunningProgram {
  readonly pid: number;
  /** With `stdin: 'pipe'`. A write after its end raises no error here: `done` tells. */
  readonly stdin: Writable | null;
  /** With `stdout: 'pipe'`. */
  readonly stdout: Readable | null;
  /** Resolves with any exit code or signal; rejects with ABORTED or PROGRAM_TIMEOUT. */
  readonly done: Promise<Ended>;
  /** With `ipc`: false when the channel is closed. */
  send(message: unknown): boolean;
  onMessage(listener: (message: unknown) => void): void;
  /** Ends the whole tree: SIGTERM, then SIGKILL after `graceMs` (default 5 s; 0: SIGKILL at once). */
  kill(graceMs?: number): Promise<void>;
}

/** Starts a program that is talked to while it runs. Throws PROGRAM_MISSING when it cannot be started. */
export async function start(
  file: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<RunningProgram> {
  options.signal?.throwIfAborted();
  const { execa } = await import('execa');
  const stdin = options.stdin ?? 'ignore';
  const stdout = options.stdout ?? 'lines';
  const spawnOptions: Options = {
    cwd: options.cwd,
    env: options.env,
    stdin,
    stdout: stdout === 'ignore' ? 'ignore' : 'pipe',
    stderr: 'pipe',
    ipc: options.ipc ?? false,
    serialization: 'advanced',
    buffer: false,
    reject: false,
    encoding: 'buffer',
    timeout: options.timeoutMs ?? 0,
    cancelSignal: options.signal,
    forceKillAfterDelay: options.graceMs ?? KILL_AFTER_MS,
    killDescendants: ownGroups,
    windowsHide: true,
  };
  const subprocess = execa(file, [...args], spawnOptions);
  const child: ChildProcess = subprocess.nodeChildProcess;
  const limit = options.keepOutput ?? 65_536;
  const out = new Lines(limit, (line) => options.onLine?.(line, 'stdout'));
  const err = new Lines(limit, (line) => options.onLine?.(line, 'stderr'));
  if (stdout === 'lines') child.stdout?.on('data', (chunk: Buffer) => out.add(chunk));
  child.stderr?.on('data', (chunk: Buffer) => err.add(chunk));
  child.stdin?.on('error', () => {}); // the reader ended first; `done` says how
  const pid = child.pid;
  if (pid === undefined) throw programNotStarted({ file, args }, (await subprocess).cause, options.cwd);
  const done = subprocess.then((result): Ended => {
    out.end();
    err.end();
    if (result.isCanceled) throw abortReason(options.signal);
    if (result.timedOut) throw programTimedOut(file, options.timeoutMs ?? 0, err.text());
    const { exitCode = null, signal = null, durationMs } = result;
    return { exitCode, signal, stdout: out.text(), stderr: err.text(), durationMs };
  });
  done.catch(() => {}); // reported to whoever awaits it; nobody has to
  return {
    pid,
    stdin: child.stdin,
    stdout: stdout === 'pipe' ? child.stdout : null,
    done,
    send: (message) => child.connected && child.send(message as object, () => {}),
    onMessage: (listener) => void child.on('message', listener),
    async kill(graceMs = options.graceMs ?? KILL_AFTER_MS) {
      if (graceMs > 0) subprocess.kill('SIGTERM');
      const timer = setTimeout(() => subprocess.kill('SIGKILL'), graceMs);
      await done.catch(() => {});
      clearTimeout(timer);
      // What the program left behind in its group has nobody to end it any more.
      if (ownGroups) subprocess.kill('SIGKILL');
    },
  };
}

/**
 * Starts a program that outlives this one, with its output appended to a file. Returns its process id.
 * Throws PROGRAM_MISSING.
 */
export async function startDetached(
  file: string,
  args: readonly string[],
  options: { logFile: string; env?: SpawnOptions['env']; cwd?: string },
): Promise<number> {
  const log = openSync(options.logFile, 'a', 0o600);
  try {
    const child = spawn(file, [...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env, [LOG_FILE_VARIABLE]: options.logFile },
      stdio: ['ignore', log, log],
      detached: true,
      windowsHide: true,
    });
    const failure = once(child, 'error');
    failure.catch(() => {});
    if (child.pid === undefined) throw programNotStarted({ file, args }, (await failure)[0], options.cwd);
    child.unref();
    return child.pid;
  } finally {
    closeSync(log);
  }
}

/** How to run this same program with other arguments: from the sources, from an installed package, from the executable. */
export function selfCommand(args: readonly string[]): Command {
  if (isSea()) return { file: process.execPath, args };
  const entry = join(packageRoot(), 'bin', import.meta.filename.endsWith('.ts') ? 'dev.js' : 'run.js');
  return { file: process.execPath, args: [...process.execArgv.filter(isInherited), entry, ...args] };
}

/** Node flags that belong to this run of the program (memory, warnings, certificates), not to a debugger or a test. */
function isInherited(flag: string): boolean {
  return /^--(max-old-space-size|max-semi-space-size|stack-size|no-warnings|disable-warning|use-system-ca|use-openssl-ca|enable-source-maps)(=|$)/.test(
    flag,
  );
}

/** Whether a process with this id exists and still runs. */
export function isRunning(pid: number): boolean {
  if (process.platform === 'linux') return readProc().some((entry) => entry.pid === pid && !entry.isZombie);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Ends a process and everything it started: SIGTERM, then SIGKILL after `graceMs` (default 5 s). Returns once they are
 * gone; harmless for a process that does not exist. On Windows `taskkill /T /F`, which knows no grace.
 */
export async function killTree(pid: number, graceMs = KILL_AFTER_MS): Promise<void> {
  if (!Number.isInteger(pid) || pid <= 1) throw new RangeError(`not a process id to end: ${pid}`);
  if (process.platform === 'win32') {
    await run('taskkill', ['/pid', String(pid), '/T', '/F'], { anyExitCode: true });
    return;
  }
  const members = new Set(membersOfTree(pid, await listProcesses(), process.pid));
  const deadline = Date.now() + graceMs;
  signalAll(members, 'SIGTERM');
  while (Date.now() < deadline) {
    if ((await stillThere(pid, members)).length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  // Twice: a process may have started another one while it was being ended.
  for (let round = 0; round < 2; round += 1) signalAll(await stillThere(pid, members), 'SIGKILL');
  for (let round = 0; round < 80 && (await stillThere(pid, members)).length > 0; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

async function stillThere(pid: number, members: Set<number>): Promise<number[]> {
  const entries = await listProcesses();
  for (const member of membersOfTree(pid, entries, process.pid)) members.add(member);
  const alive = new Set(entries.filter((entry) => !entry.isZombie).map((entry) => entry.pid));
  return [...members].filter((member) => alive.has(member));
}

function signalAll(pids: Iterable<number>, signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // already gone, or not ours: what remains is found by the next look
    }
  }
}

async function listProcesses(): Promise<ProcessEntry[]> {
  if (process.platform === 'linux') return readProc();
  return parsePs((await run('ps', ['-A', '-o', 'pid=,ppid=,pgid=,stat='])).stdout);
}

function abortReason(signal: AbortSignal | undefined): Error {
  if (signal?.reason instanceof FlatrenderError) return signal.reason;
  return new FlatrenderError('ABORTED', 'stopped on request', { cause: signal?.reason });
}
