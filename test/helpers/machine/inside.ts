/** Programs that run in the namespaces of a world or a machine. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  /** null when a signal ended it. */
  readonly exitCode: number | null;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Written to stdin. Default: empty. */
  readonly input?: string;
  /** Default 60 000. It is killed after that and the promise rejects with its output. */
  readonly timeoutMs?: number;
}

/** A program that still runs in a box or a machine. */
export interface Running extends AsyncDisposable {
  output(): string;
  readonly ended: Promise<Ran>;
  /** SIGKILL to it and its children; resolves when it is gone. */
  stop(): Promise<Ran>;
}

/** Starts a program behind `nsenter …enter`, with an environment of its own. */
export function startInside(
  place: string,
  enter: readonly string[],
  command: readonly string[],
  { env = {}, input = '' }: RunOptions,
): Running {
  const variables = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LANG: 'C.UTF-8',
    NO_COLOR: '1',
    ...env,
  };
  const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  // Outside a pid namespace of its own nothing else would end it when this process is killed.
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', 'nsenter', ...enter, 'env', '-i', '-C', '/root', ...words, ...command],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const ended = new Promise<Ran>((resolve, reject) => {
    child.on('error', (cause) => reject(new Error(`${place}: ${command.join(' ')}`, { cause })));
    child.on('close', (exitCode) => resolve({ stdout, stderr, exitCode }));
  });
  ended.catch(() => undefined);
  const stop = async (): Promise<Ran> => {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      for (const pid of descendants(child.pid)) killQuietly(pid);
    }
    return await ended;
  };
  return {
    output: () => stdout + stderr,
    ended,
    stop,
    async [Symbol.asyncDispose]() {
      await stop().catch(() => undefined);
    },
  };
}

/** Waits for its end, not longer than it may take. */
export async function runInside(
  running: Running,
  what: string,
  { timeoutMs = 60_000 }: RunOptions,
): Promise<Ran> {
  const timer = new AbortController();
  const late = delay(timeoutMs, null, { signal: timer.signal }).catch(() => null);
  const first = await Promise.race([running.ended, late]);
  timer.abort();
  if (first !== null) return first;
  await running.stop();
  throw new Error(`${what} still runs after ${timeoutMs} ms\n${running.output()}`);
}

/** The only child of a process. */
export function childOf(pid: number): number {
  const [child] = readQuietly(`/proc/${pid}/task/${pid}/children`).split(' ');
  if (!child) throw new Error(`process ${pid} has no child`);
  return Number(child);
}

function descendants(pid: number): number[] {
  const children = readQuietly(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return [...children.flatMap(descendants), pid];
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // It is over.
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is over.
  }
}
