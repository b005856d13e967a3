/** The control plane as a process of this machine: pid file, start in the background, stop. */
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homePaths } from '../config/home.ts';
import { sleep, systemClock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { isRunning, run, selfCommand, startDetached } from '../lib/exec.ts';
import type { HealthAnswer } from '../protocol/tokens.ts';

/** A control plane that runs on this machine. */
export interface ControlProcess {
  readonly pid: number;
  /** null while it is still starting. */
  readonly url: string | null;
}

const START_MS = 30_000;
// A control plane gives requests 5 s to end; writing what is behind takes moments.
const STOP_MS = 15_000;
const POLL_MS = 40;

/** The control plane of this state directory; null when none runs, or when the pid file is left over from one that died. */
export async function findControl(directory: string): Promise<ControlProcess | null> {
  const paths = homePaths(directory);
  const pid = Number(readText(paths.controlPid));
  if (!Number.isSafeInteger(pid) || pid <= 1 || !(await isControl(pid))) return null;
  return { pid, url: readText(paths.controlUrl) || null };
}

/** Writes pid and address of this process; the result removes them again. */
export function announceProcess(directory: string, url: string): () => void {
  const { controlPid, controlUrl } = homePaths(directory);
  writeFileSync(controlUrl, `${url}\n`, { mode: 0o600 });
  writeFileSync(controlPid, `${process.pid}\n`, { mode: 0o600 });
  return () => {
    // Not what a newer process has written meanwhile.
    if (readText(controlPid) !== String(process.pid)) return;
    rmSync(controlPid, { force: true });
    rmSync(controlUrl, { force: true });
  };
}

/** What the control plane at this address says of itself; null when it does not answer. */
export async function askHealth(url: string, timeoutMs = 3000): Promise<HealthAnswer | null> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(timeoutMs) });
    return response.ok ? ((await response.json()) as HealthAnswer) : null;
  } catch {
    return null;
  }
}

/** What is wrong, in the words of the control plane itself; null when it says nothing. */
export async function askTrouble(url: string, timeoutMs = 3000): Promise<string | null> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(timeoutMs) });
    const body = (await response.json()) as { readonly error?: { readonly message?: unknown } };
    return typeof body.error?.message === 'string' ? body.error.message : null;
  } catch {
    return null;
  }
}

/**
 * Starts `control run` with these arguments in the background, its output appended to control.log, and returns once it
 * answers. UNAVAILABLE with the end of the log when it does not.
 */
export async function startDaemon(
  directory: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<ControlProcess & { readonly url: string; readonly logFile: string }> {
  const paths = homePaths(directory);
  const logFile = paths.controlLog;
  const from = sizeOf(logFile);
  const self = selfCommand(['control', 'run', ...args]);
  const pid = await startDetached(self.file, self.args, { logFile, env: { FLATRENDER_HOME: directory } });
  const deadline = performance.now() + START_MS;
  for (;;) {
    if (readText(paths.controlPid) === String(pid)) {
      const url = readText(paths.controlUrl);
      if (url !== '' && (await askHealth(url, 1000)) !== null) return { pid, url, logFile };
    }
    const isGone = !isRunning(pid);
    if (isGone || performance.now() > deadline) {
      if (!isGone) process.kill(pid, 'SIGTERM');
      const why = isGone ? 'ended while it started' : `did not answer within ${START_MS / 1000} s`;
      throw new FlatrenderError(
        'UNAVAILABLE',
        `the control plane ${why}\n${textFrom(logFile, from)}`.trimEnd(),
        {
          hint: `its log is ${logFile}; "flatrender control run" shows the error directly`,
        },
      );
    }
    await sleep(POLL_MS, systemClock, signal).catch((error: unknown) => {
      if (isRunning(pid)) process.kill(pid, 'SIGTERM');
      throw error;
    });
  }
}

/** Ends it: SIGTERM, and after 15 s a second one, which does not wait for anything. UNAVAILABLE when it stays. */
export async function stopControl(pid: number, signal: AbortSignal): Promise<{ forced: boolean }> {
  for (const forced of [false, true]) {
    try {
      process.kill(pid, 'SIGTERM');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return { forced };
      throw new FlatrenderError('USAGE', `may not stop process ${pid}`, {
        cause: error,
        hint: 'run it as the user who started it',
      });
    }
    const deadline = performance.now() + STOP_MS;
    while (performance.now() < deadline) {
      if (!isRunning(pid)) return { forced };
      await sleep(POLL_MS, systemClock, signal);
    }
  }
  throw new FlatrenderError('UNAVAILABLE', `process ${pid} does not end`, {
    hint: `look at its log, then "kill -9 ${pid}"`,
  });
}

/** The last lines of a log. */
function textFrom(file: string, from: number): string {
  if (!existsSync(file)) return '';
  const descriptor = openSync(file, 'r');
  try {
    const size = fstatSync(descriptor).size;
    const start = Math.max(from, size - 16_384);
    const bytes = Buffer.alloc(Math.max(0, size - start));
    readSync(descriptor, bytes, 0, bytes.length, start);
    return bytes.toString('utf8').trimEnd().split('\n').slice(-12).join('\n');
  } finally {
    closeSync(descriptor);
  }
}

function sizeOf(file: string): number {
  if (!existsSync(file)) return 0;
  const descriptor = openSync(file, 'r');
  try {
    return fstatSync(descriptor).size;
  } finally {
    closeSync(descriptor);
  }
}

/** Whether that process is a control plane: after a restart of the machine the same number may be anybody's. */
async function isControl(pid: number): Promise<boolean> {
  if (pid === process.pid || !isRunning(pid)) return false;
  if (process.platform === 'linux')
    return / control run\b/.test(readText(`/proc/${pid}/cmdline`).replaceAll('\0', ' '));
  const [file, args] =
    process.platform === 'win32'
      ? [
          'powershell',
          [
            '-NoProfile',
            '-Command',
            `(Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}').CommandLine`,
          ],
        ]
      : ['ps', ['-ww', '-o', 'args=', '-p', String(pid)]];
  const { stdout } = await run(String(file), [...(args ?? [])], { anyExitCode: true, timeoutMs: 10_000 });
  return / control run\b/.test(stdout);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
