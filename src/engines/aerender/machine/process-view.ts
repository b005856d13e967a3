/** A look at the processes that is shared for a moment: what watches a render looks often, and Windows answers slowly. */
import type { Clock } from '../../../lib/clock.ts';
import type { ProcessDetails } from '../../../lib/process-list.ts';
import { cpuOfTree, listProcesses, titlesOf, windowTitles } from './processes.ts';

/** How old a look may be. On Windows listing takes about a second: looking on and on would itself be work. */
const MAX_AGE_MS = process.platform === 'win32' ? 10_000 : 500;

export interface ProcessView {
  /** Processor time of a process and all it started, ms; null: not known. Never throws. */
  cpuMs(pid: number): Promise<number | null>;
  /** Titles of the windows of these processes and what they started. Never throws. */
  titles(pids: readonly number[]): Promise<string[]>;
}

/** For one task. */
export function createProcessView(options: {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Default: this machine's. */
  readonly list?: () => Promise<ProcessDetails[]>;
}): ProcessView {
  const { clock, signal, list = () => listProcesses({ signal }) } = options;
  let looked: { readonly at: number; readonly entries: Promise<ProcessDetails[]> } | null = null;
  const entries = (): Promise<ProcessDetails[]> => {
    const now = clock.now();
    if (looked === null || now - looked.at > MAX_AGE_MS || now < looked.at) {
      looked = { at: now, entries: list().catch(() => []) };
    }
    return looked.entries;
  };
  return {
    cpuMs: async (pid) => cpuOfTree(pid, await entries()),
    titles: async (pids) =>
      // Elsewhere the list has no titles.
      process.platform === 'win32' || options.list
        ? titlesOf(pids, await entries())
        : await windowTitles(pids),
  };
}
