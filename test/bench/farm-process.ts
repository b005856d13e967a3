/** Runs the shipped program as an operator would and reads what the system says of it (Linux: /proc). */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/lib/paths.ts';

const PROGRAM = join(packageRoot(), 'bin', 'run.js');
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** A home directory with an initialised control plane. */
export interface Farm {
  readonly home: string;
  readonly url: string;
  readonly token: string;
  readonly remove: () => Promise<void>;
}

/** One long-running flatrender process. */
export interface Running {
  readonly pid: number;
  /** CPU seconds (user + system) since it started. */
  readonly cpuSeconds: () => number;
  readonly rssMb: () => number;
  readonly stop: () => Promise<void>;
}

/** A TCP port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** `control init` in a new directory. */
export async function initFarm(): Promise<Farm> {
  const home = await mkdtemp(join(tmpdir(), 'flatrender-bench-'));
  const port = await freePort();
  const out = runProgram(home, ['control', 'init', '--yes', '--json', '--port', String(port)]);
  const { token } = JSON.parse(out) as { token: string };
  return { home, token, url: `http://127.0.0.1:${port}`, remove: () => rm(home, { recursive: true, force: true }) };
}

/** Runs a command to its end; returns stdout. */
export function runProgram(home: string, args: readonly string[]): string {
  return execFileSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8', env: environment(home) });
}

/** `control run` until `/health` answers. */
export async function startControlProcess(farm: Farm): Promise<Running> {
  const running = startProgram(farm.home, ['control', 'run'], 'control.log');
  await waitForHealth(`${farm.url}/health`);
  return running;
}

/** Starts the program in the background; its stderr goes to `<home>/<logName>`. */
export function startProgram(home: string, args: readonly string[], logName: string, env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...environment(home), ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const log: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => log.push(chunk));
  child.on('exit', () => void writeFile(join(home, logName), Buffer.concat(log)).catch(() => undefined));
  return observe(child);
}

/** Waits until a health address answers 200; fails after 30 s. */
export async function waitForHealth(url: string): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    const ok = await fetch(url).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ok) return;
    await delay(50);
  }
  throw new Error(`${url} does not answer`);
}

function observe(child: ChildProcess): Running {
  const pid = child.pid;
  if (pid === undefined) throw new Error('the program did not start');
  return {
    pid,
    cpuSeconds() {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    },
    rssMb() {
      const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
      return Math.round(Number(match?.[1] ?? 0) / 1024);
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function environment(home: string): Record<string, string> {
  return { PATH: process.env.PATH ?? '', HOME: home, FLATRENDER_HOME: home, NO_COLOR: '1' };
}

/** A JSON file's content. */
export async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, 'utf8'));
}
