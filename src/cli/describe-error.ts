import { FlatrenderError, toFlatrenderError } from '../lib/errors.ts';

/** What a failed command reports: the error itself, and whether it is a bug of the program. */
export interface Failure {
  readonly error: FlatrenderError;
  /** Not an expected failure: somebody should hear of it. */
  readonly bug: boolean;
}

/** oclif's errors, told apart by shape so that this module need not load oclif. */
interface OclifError extends Error {
  readonly oclif?: { readonly exit?: number | false };
  readonly parse?: unknown;
  readonly suggestions?: readonly string[];
}

/** Errors of the operating system that are nobody's bug; everything else unknown is one. */
const SYSTEM_ERRORS: Readonly<Record<string, ['CONFIG_INVALID' | 'DISK_FULL' | 'UNAVAILABLE', string]>> = {
  EACCES: ['CONFIG_INVALID', 'check the permissions, or run as the user that owns it'],
  EPERM: ['CONFIG_INVALID', 'check the permissions, or run as the user that owns it'],
  EROFS: ['CONFIG_INVALID', 'the file system is read-only; choose another place'],
  ENOTDIR: ['CONFIG_INVALID', 'a file is where a directory should be; choose another place'],
  EISDIR: ['CONFIG_INVALID', 'a directory is where a file should be; choose another place'],
  ENOSPC: ['DISK_FULL', 'make room on the disk and try again'],
  EDQUOT: ['DISK_FULL', 'the disk quota is used up; make room and try again'],
  EMFILE: ['UNAVAILABLE', 'raise the limit of open files (ulimit -n)'],
};

/** Turns whatever a command threw into one error with a code, a message and, where there is one, a hint. */
export function describeError(thrown: unknown, command?: string): Failure {
  if (thrown instanceof FlatrenderError) return { error: thrown, bug: thrown.code === 'INTERNAL' };
  if (isUsageError(thrown)) return { error: usageError(thrown, command), bug: false };
  if (isInterruption(thrown)) {
    return { error: new FlatrenderError('ABORTED', 'stopped', { cause: thrown }), bug: false };
  }
  if (thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string') {
    // Asked for a directory that may exist, the system says so when what exists is a file.
    const isFile = thrown.code === 'EEXIST' && 'syscall' in thrown && thrown.syscall === 'mkdir';
    const known = SYSTEM_ERRORS[isFile ? 'ENOTDIR' : thrown.code];
    if (known) {
      return {
        error: new FlatrenderError(known[0], thrown.message, { cause: thrown, hint: known[1] }),
        bug: false,
      };
    }
  }
  const error = toFlatrenderError(thrown);
  return {
    error: new FlatrenderError('INTERNAL', error.message || 'unknown error', {
      cause: thrown,
      hint: 'this is a bug in flatrender: run the command again with DEBUG=1 and report what it prints',
    }),
    bug: true,
  };
}

/** oclif's wish to end with a code (`this.exit()`, `--help`): not an error to report. */
export function isExitRequest(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIT';
}

function isUsageError(thrown: unknown): thrown is OclifError {
  if (!(thrown instanceof Error)) return false;
  const error: OclifError = thrown;
  return error.parse !== undefined || (error.oclif !== undefined && !isExitRequest(thrown));
}

function usageError(error: OclifError, command: string | undefined): FlatrenderError {
  const message = error.message
    .replace(/^Parsing (--\S+)\s+/, '$1: ')
    .split('\n')
    .filter((line) => !/^(See more help with|The following errors? occurred)/.test(line))
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
  const hint = `run "flatrender ${command ? `${command.replaceAll(':', ' ')} ` : ''}--help"`;
  return new FlatrenderError('USAGE', message, { cause: error, hint });
}

/** Ctrl-C at a prompt (inquirer's ExitPromptError) or an aborted wait. */
function isInterruption(thrown: unknown): boolean {
  return thrown instanceof Error && (thrown.name === 'AbortError' || thrown.name === 'ExitPromptError');
}
