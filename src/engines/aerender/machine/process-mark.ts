/** Which process, for good: an id alone may belong to another program by now. */
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isRunning, run } from '../../../lib/exec.ts';
import { readProcOne } from '../../../lib/process-list.ts';

/** A process as it is written down. */
export interface ProcessMark {
  readonly pid: number;
  /** Differs for a later process of the same id; null where the system does not tell it cheaply (Windows). */
  readonly startedAt: string | null;
}

/** A living process touches its files this often, … */
export const TOUCH_MS = 10_000;
/** … and where there is no start time, one that did not for this long is taken for gone: its id went to another. */
const STALE_MS = 120_000;

/** The mark of a process; that of one which is gone has no start time. */
export async function markOf(pid: number): Promise<ProcessMark> {
  return { pid, startedAt: await startOf(pid) };
}

/** Whether this very process runs. `file` is one that it touches; only looked at where there is no start time. */
export async function isAlive(mark: ProcessMark, file?: string): Promise<boolean> {
  if (process.platform !== 'win32') {
    const start = await startOf(mark.pid);
    return start !== null && start === mark.startedAt;
  }
  if (!isRunning(mark.pid)) return false;
  if (file === undefined || mark.pid === process.pid) return true;
  const info = await stat(file).catch(() => null);
  return info !== null && Date.now() - info.mtimeMs < STALE_MS;
}

/** null: it does not run, or the system does not say. */
async function startOf(pid: number): Promise<string | null> {
  if (process.platform === 'linux') {
    const ticks = readProcOne(pid)?.startedAt;
    // Counted from the boot: after another one, the same process id may well start at the same tick.
    return ticks === undefined || ticks === null ? null : `${bootId()}:${ticks}`;
  }
  if (process.platform === 'win32') return null;
  const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)], {
    anyExitCode: true,
    env: { LC_ALL: 'C' },
    timeoutMs: 10_000,
  });
  const text = stdout.trim().replace(/\s+/g, ' ');
  return text === '' ? null : text;
}

let boot: string | undefined;

function bootId(): string {
  try {
    boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    boot = '';
  }
  return boot;
}
