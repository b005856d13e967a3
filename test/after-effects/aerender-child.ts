/**
 * aerender starts After Effects as another process and talks with it. When aerender hangs it is that process that hangs;
 * who ends aerender alone leaves it behind.
 */
import { spawn } from 'node:child_process';
import { isSea } from 'node:sea';

const MARK = 'AE_SIM_CHILD';
/** A test that does not end it shall not leave it for good. */
const LONGEST_MS = 120_000;

/** Whether this process is such a child. */
export function isChild(): boolean {
  return process.env[MARK] !== undefined;
}

/** Plays After Effects that does not answer. */
export function playChild(): void {
  setTimeout(() => {}, LONGEST_MS);
}

/** Starts it. It has the program's name in its command line. */
export function startChild(): void {
  const script = process.argv[1];
  const args = isSea() || script === undefined ? [] : [...process.execArgv, script];
  spawn(process.execPath, args, { stdio: 'ignore', env: { ...process.env, [MARK]: '1' } });
}
