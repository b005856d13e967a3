/** A full disk or a missing permission is no bug: what the operating system refuses, with what to do on this machine. */
import { FlatrenderError } from './errors.ts';

/** Trouble of the operating system in words that tell an operator which machine to look at. */
const SYSTEM: Readonly<Record<string, ['DISK_FULL' | 'UNAVAILABLE', string]>> = {
  ENOSPC: ['DISK_FULL', 'make room on this node, or move TEMP_DIR and STATE_DIR to another disk'],
  EDQUOT: ['DISK_FULL', 'the disk quota of the agent’s account is used up'],
  EACCES: ['UNAVAILABLE', 'the agent’s account may not use that file: check the permissions on this node'],
  EPERM: ['UNAVAILABLE', 'the agent’s account may not use that file: check the permissions on this node'],
  EROFS: ['UNAVAILABLE', 'that file system is read-only: move TEMP_DIR and STATE_DIR'],
  EMFILE: ['UNAVAILABLE', 'too many open files: raise the limit of the agent’s account'],
  EIO: ['UNAVAILABLE', 'the disk reports errors'],
};

/** The error of a system call on a node as DISK_FULL or UNAVAILABLE; null: it is none of those that are known. */
export function systemTrouble(error: unknown): FlatrenderError | null {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const [known, hint] = SYSTEM[code] ?? [];
  return known && error instanceof Error
    ? new FlatrenderError(known, error.message, { cause: error, hint })
    : null;
}
