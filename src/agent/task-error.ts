import { FlatrenderError } from '../lib/errors.ts';
import type { TaskError } from '../protocol/jobs.ts';

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

/** Any failure of an attempt as it is reported: trouble of this machine and bugs may be retried elsewhere. */
export function taskErrorOf(error: unknown): TaskError {
  const known = describe(error);
  return {
    code: known.code,
    message: known.message.slice(0, 4096),
    ...(known.hint === undefined ? {} : { hint: known.hint.slice(0, 4096) }),
    retryable: known.retryable,
    ...(known.details === undefined ? {} : { details: known.details }),
  };
}

function describe(error: unknown): FlatrenderError {
  if (error instanceof FlatrenderError) {
    // A file may be wrong only on the way to this machine, and a bug may depend on it.
    const isLocal =
      error.code === 'OBJECT_CORRUPT' || error.code === 'TRANSFER_FAILED' || error.code === 'INTERNAL';
    if (!isLocal || error.retryable) return error;
    return new FlatrenderError(error.code, error.message, {
      cause: error,
      hint: error.hint,
      details: error.details,
      retryable: true,
    });
  }
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const known = SYSTEM[code];
  if (known) return new FlatrenderError(known[0], message, { cause: error, hint: known[1] });
  return new FlatrenderError('INTERNAL', message, {
    cause: error,
    retryable: true,
    hint: 'this is a bug in flatrender: the agent’s log has the details',
  });
}
