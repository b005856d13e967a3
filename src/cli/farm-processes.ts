/** The processes of a local farm: this same program, started, watched and ended. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { FlatrenderError } from '../lib/errors.ts';
import { isRunning, killTree, run, selfCommand, startDetached } from '../lib/exec.ts';

const START_TIMEOUT_MS = 30_000;
/** A bar that moves once in five seconds is none; on one machine, beats cost nothing. */
const HEARTBEAT_SECONDS = '0.25';

/** Starts a flatrender command that outlives this process, with its state in `home`. Returns its process id. */
export async function startSelf(
  args: readonly string[],
  home: string,
  logFile: string,
  more: Readonly<Record<string, string>>,
): Promise<number> {
  const self = selfCommand(args);
  return startDetached(self.file, self.args, { logFile, env: environment(home, more) });
}

/** The user's environment without what would point the children at another farm. */
export function environment(
  home: string,
  more: Readonly<Record<string, string>>,
): Record<string, string | undefined> {
  const foreign = Object.keys(process.env).filter((name) =>
    /^(FLATRENDER_|AGENT_|NODE_(ID|HMAC_SECRET|ROLE|TAGS)$|ORCHESTRATOR_URL$|MACHINE_ID$|HOST_IP$|(STATE|TEMP)_DIR$|HEALTH_|MAX_CONCURRENT_JOBS$)/.test(
      name,
    ),
  );
  return {
    ...Object.fromEntries(foreign.map((name) => [name, undefined])),
    FLATRENDER_HOME: home,
    FLATRENDER_LEASES_HEARTBEAT_SECONDS: HEARTBEAT_SECONDS,
    ...more,
  };
}

/** Waits until a process does what it was started for; an early end and a long silence are errors with its log. */
export async function untilReady(
  what: string,
  pid: number,
  logFile: string,
  signal: AbortSignal,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const ready = await isReady().catch((error) => {
      signal.throwIfAborted();
      if (error instanceof FlatrenderError && error.code !== 'UNREACHABLE') throw error;
      return false;
    });
    if (ready) return;
    const ended = !isRunning(pid);
    if (ended || performance.now() > deadline) {
      const why = ended ? 'ended at once' : `was not ready within ${START_TIMEOUT_MS / 1000} s`;
      throw new FlatrenderError('UNAVAILABLE', `the ${what} ${why}\n${logTail(logFile, 12)}`, {
        hint: `its log is ${logFile}`,
      });
    }
    await wait(40, undefined, { signal });
  }
}

/**
 * Twice the signal: an agent that renders would finish first after one, and hands its task back after two. What is
 * still there after that is killed with everything it started.
 */
export async function endProcess(pid: number): Promise<void> {
  if (!isRunning(pid)) return;
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    return; // gone meanwhile
  }
  const deadline = performance.now() + 1500;
  while (isRunning(pid) && performance.now() < deadline) await wait(20);
  if (isRunning(pid)) await killTree(pid, 5000);
}

/** Whether that process is a flatrender: after a restart of the machine the same number may be anybody's. */
export async function isSelf(pid: number): Promise<boolean> {
  if (!isRunning(pid)) return false;
  const line = await commandLine(pid);
  return (
    / (control|agent) run\b/.test(line) && line.includes(selfCommand([]).args.at(-1) ?? process.execPath)
  );
}

async function commandLine(pid: number): Promise<string> {
  // Small containers have no ps.
  if (process.platform === 'linux') {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return words.replaceAll('\0', ' ');
  }
  const [program, args] =
    process.platform === 'win32'
      ? ([
          'powershell',
          [
            '-NoProfile',
            '-Command',
            `(Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}').CommandLine`,
          ],
        ] as const)
      : (['ps', ['-ww', '-o', 'args=', '-p', String(pid)]] as const);
  return (await run(program, args, { anyExitCode: true, timeoutMs: 10_000 })).stdout;
}

/** However this process ends, its children do not stay behind. */
export function killOnExit(pids: () => readonly (number | undefined)[]): { release(): void } {
  const kill = (): void => {
    for (const pid of pids()) {
      if (pid === undefined) continue;
      try {
        process.kill(pid, 'SIGTERM');
      } catch {
        // gone already
      }
    }
  };
  process.on('exit', kill);
  return { release: () => process.off('exit', kill) };
}

/** The last lines of a log file; empty when there is none. */
export function logTail(path: string, lines: number): string {
  try {
    const file = openSync(path, 'r');
    try {
      const size = fstatSync(file).size;
      const buffer = Buffer.alloc(Math.min(size, 64 * 1024));
      readSync(file, buffer, 0, buffer.length, size - buffer.length);
      return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
