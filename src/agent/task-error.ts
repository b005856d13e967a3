import { FlatrenderError } from '../lib/errors.ts';
import { systemTrouble } from '../lib/system-trouble.ts';
import type { TaskError } from '../protocol/jobs.ts';

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
  const known = systemTrouble(error);
  if (known) return known;
  const message = error instanceof Error ? error.message : String(error);
  return new FlatrenderError('INTERNAL', message, {
    cause: error,
    retryable: true,
    hint: 'this is a bug in flatrender: the agent’s log has the details',
  });
}
