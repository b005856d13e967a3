import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const root = join(import.meta.dirname, '..', '..');

/** The bin a test runs: the sources (never stale) unless `npm test`, which builds first, says `built`. */
export type CliMode = 'dev' | 'built';

export interface CliOptions {
  /** Default: FLATRENDER_TEST_CLI, or `dev`. */
  mode?: CliMode;
  /** HOME and FLATRENDER_HOME of the program. Default: an empty directory of its own, removed afterwards. */
  home?: string;
  /** Working directory. Default: the home. */
  cwd?: string;
  /** Added to the environment; undefined removes a variable. */
  env?: Record<string, string | undefined>;
  /** Written to stdin, which is then closed. Default: empty, closed. */
  input?: string;
  /** Standard error goes to the end of this file instead of to `output()`. */
  stderrFile?: string;
  /** Default 60 000. The program is killed after it and the promise rejects with its output. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

export interface CliResult {
  stdout: string;
  stderr: string;
  /** null when a signal ended it. */
  exitCode: number | null;
  signal: NodeJS.Signals | null;
}

/** A flatrender program that is still running. Disposing of it kills it and removes its home if it owned one. */
export interface RunningCli extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly home: string;
  /** What it has written so far. */
  output(): { stdout: string; stderr: string };
  /** Resolves with the match once stdout or stderr (each on its own) matches; rejects when it ends or time is up. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Resolves when it has ended and its pipes are closed. */
  readonly ended: Promise<CliResult>;
  /** Sends a signal (default SIGTERM) and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<CliResult>;
}

/** The Node that the repository pins, or the one that runs the tests. */
export function pinnedNode(): string {
  const file = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  return existsSync(file) ? file : process.execPath;
}

/** Runs `flatrender …args` to its end. Never rejects because of the exit code. */
export async function runCli(args: string[], options: CliOptions = {}): Promise<CliResult> {
  await using running = await startCli(args, options);
  const timeoutMs = options.timeoutMs ?? 60_000;
  const timer = new AbortController();
  const late = delay(timeoutMs, undefined, { signal: timer.signal }).then(
    () => {
      const { stdout, stderr } = running.output();
      throw new Error(
        `flatrender ${args.join(' ')} still runs after ${timeoutMs} ms\n--- stdout\n${stdout}\n--- stderr\n${stderr}`,
      );
    },
    () => undefined as never,
  );
  try {
    return await Promise.race([running.ended, late]);
  } finally {
    timer.abort();
  }
}

/** Runs `flatrender …args --json` and parses stdout, which must be exactly one JSON value. */
export async function runCliJson<T = unknown>(
  args: string[],
  options: CliOptions = {},
): Promise<CliResult & { json: T }> {
  const result = await runCli([...args, '--json'], options);
  try {
    return { ...result, json: JSON.parse(result.stdout) as T };
  } catch (cause) {
    throw new Error(
      `flatrender ${args.join(' ')} --json: stdout is not JSON\n${result.stdout}\n--- stderr\n${result.stderr}`,
      {
        cause,
      },
    );
  }
}

/** Starts `flatrender …args` and returns while it runs; for `control run`, `agent run` and signals. */
export async function startCli(args: string[], options: CliOptions = {}): Promise<RunningCli> {
  const owned = options.home === undefined;
  const home = options.home ?? (await mkdtemp(join(tmpdir(), 'flatrender-home-')));
  const mode = options.mode ?? (process.env.FLATRENDER_TEST_CLI as CliMode | undefined) ?? 'dev';
  const bin = join(root, 'bin', mode === 'built' ? 'run.js' : 'dev.js');
  const errors = options.stderrFile === undefined ? ('pipe' as const) : openSync(options.stderrFile, 'a');
  const child: ChildProcess = spawn(process.execPath, [bin, ...args], {
    cwd: options.cwd ?? home,
    env: cliEnv(home, options.env),
    stdio: ['pipe', 'pipe', errors],
    signal: options.signal,
  });
  if (errors !== 'pipe') closeSync(errors);
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  const notify = () => {
    for (const listener of listeners) listener();
  };
  child.stdout?.setEncoding('utf8').on('data', (chunk) => {
    stdout += chunk;
    notify();
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk) => {
    stderr += chunk;
    notify();
  });
  child.stdin?.on('error', () => {
    // It ended without reading its input.
  });
  child.stdin?.end(options.input ?? '');
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode, signal) => resolve({ stdout, stderr, exitCode, signal }));
  });
  // Whoever does not wait for the end must not get an unhandled rejection out of an abort.
  ended.catch(() => undefined);

  return {
    child,
    home,
    ended,
    output: () => ({ stdout, stderr }),
    async waitFor(pattern, timeoutMs = 30_000) {
      const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
      const fail = (why: string) =>
        reject(
          new Error(
            `${pattern} not in the output of flatrender ${args.join(' ')}: ${why}\n${stdout}\n${stderr}`,
          ),
        );
      const check = () => {
        const match = pattern.exec(stdout) ?? pattern.exec(stderr);
        if (match) resolve(match);
      };
      const timer = setTimeout(() => fail(`not after ${timeoutMs} ms`), timeoutMs);
      listeners.add(check);
      ended.then(
        (end) => fail(`it ended with ${end.exitCode ?? end.signal}`),
        (error) => fail(String(error)),
      );
      check();
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        listeners.delete(check);
      }
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      return await ended;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended.catch(() => undefined);
      if (owned) await rm(home, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** The environment of a program under test: nothing of the user's flatrender, no colour, no proxy, no CI. */
export function cliEnv(home: string, extra: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (/^(FLATRENDER_|XDG_|NODE_TEST_CONTEXT$|NODE_OPTIONS$|CI$|FORCE_COLOR$|.*_proxy$)/i.test(name))
      continue;
    env[name] = value;
  }
  Object.assign(env, {
    HOME: home,
    USERPROFILE: home,
    FLATRENDER_HOME: join(home, '.flatrender'),
    NO_COLOR: '1',
    // A fresh HOME has a cold compile cache; all tests share one.
    NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'flatrender-compile'),
  });
  for (const [name, value] of Object.entries(extra)) {
    if (value === undefined) delete env[name];
    else env[name] = value;
  }
  return env;
}
