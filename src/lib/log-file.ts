/** Keeps the log file of a program in the background from filling the disk. */
import {
  closeSync,
  copyFileSync,
  fstatSync,
  mkdirSync,
  openSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { Writable } from 'node:stream';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

/** Names the log file to a program whose output goes there; set by `startDetached`. */
export const LOG_FILE_VARIABLE = 'FLATRENDER_LOG_FILE';

// Weeks of a busy farm; with the file before it at most twice that.
const MAX_BYTES = 16 * 1024 * 1024;
// Even a flood of errors writes little in this time.
const CHECK_MS = 5000;

interface LogFileOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: what $FLATRENDER_LOG_FILE names. */
  readonly path?: string | undefined;
  /** Default: standard error, which must be that file, or nothing is done. */
  readonly descriptor?: number;
  readonly maxBytes?: number;
}

/**
 * Looks now and then whether this program's own log file has grown over `maxBytes` (16 MiB); then its content moves to
 * `<path>.1`, whose former content goes. Copied and emptied rather than renamed: the file is open for appending, also
 * in child processes. This program writes it synchronously, so none of its lines is lost in between.
 */
export function limitLogFile(options: LogFileOptions): Disposable {
  const { clock, logger, path = process.env[LOG_FILE_VARIABLE], descriptor = 2 } = options;
  const { maxBytes = MAX_BYTES } = options;
  let cancel = (): void => undefined;
  const look = (): void => {
    // Started by hand, or moved away by somebody's logrotate: not ours to empty.
    if (path === undefined || !isSameFile(descriptor, path)) return;
    if (fstatSync(descriptor).size > maxBytes) turnOver(path, logger);
    cancel = clock.after(CHECK_MS, look);
  };
  look();
  return { [Symbol.dispose]: () => cancel() };
}

export interface LogFile extends Disposable {
  readonly path: string;
  readonly descriptor: number;
  /** What is written is in the file at once; a full disk loses it silently. */
  readonly stream: NodeJS.WritableStream;
}

/** Opens a log file to append to, with its directory; for a program whose standard error goes nowhere. */
export function openLogFile(path: string): LogFile {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const descriptor = openSync(path, 'a', 0o600);
  const stream = descriptorStream(descriptor);
  return { path, descriptor, stream, [Symbol.dispose]: () => closeSync(descriptor) };
}

/**
 * Writes to an open file at once. What a full disk does not take is lost silently, and once there is room lines arrive
 * again: a stream of Node, process.stderr too, takes nothing more after its first error.
 */
export function descriptorStream(descriptor: number): NodeJS.WritableStream {
  return new Writable({
    decodeStrings: true,
    write(chunk: Buffer, _encoding, done) {
      try {
        writeSync(descriptor, chunk);
      } catch {
        // Whoever logs has other things to do, and there is nobody to tell.
      }
      done();
    },
  });
}

function turnOver(path: string, logger: Logger): void {
  const previous = `${path}.1`;
  let failure: unknown;
  try {
    copyFileSync(path, previous);
  } catch (error) {
    // A full disk is what this prevents: better no old log than that.
    failure = error;
  }
  try {
    truncateSync(path);
  } catch (error) {
    failure = error;
  }
  if (failure === undefined) logger.info('log.turned-over', { previous });
  else logger.warn('log.not-kept', { path, error: failure });
}

function isSameFile(descriptor: number, path: string): boolean {
  try {
    const [open, named] = [fstatSync(descriptor, { bigint: true }), statSync(path, { bigint: true })];
    return open.isFile() && open.ino === named.ino && open.dev === named.dev;
  } catch {
    return false;
  }
}
