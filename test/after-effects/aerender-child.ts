/**
 * aerender starts After Effects as another process and talks with it. When aerender hangs it is that process that hangs;
 * who ends aerender alone leaves it behind.
 */
import { spawn } from 'node:child_process';
import { isSea } from 'node:sea';
import { setTimeout as delay } from 'node:timers/promises';

const MARK = 'AE_SIM_CHILD';
/** A test that does not end it shall not leave it for good. */
const LONGEST_MS = 120_000;

/** Whether this process is such a child. */
export function isChild(): boolean {
  return process.env[MARK] !== undefined;
}

/** Plays After Effects that does not answer. */
export async function playChild(): Promise<number> {
  await delay(LONGEST_MS);
  return 0;
}

/** Starts it, with the command line of this process. */
export function startChild(): void {
  const args = isSea() ? process.argv.slice(2) : [...process.execArgv, ...process.argv.slice(1)];
  spawn(process.execPath, args, { stdio: 'ignore', env: { ...process.env, [MARK]: '1' } });
}
