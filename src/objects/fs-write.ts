/** Streamed, verified, durable writing of one temporary file, and what the file system's errors mean. */
import { createHash, type Hash, randomUUID } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { FlatrenderError } from '../lib/errors.ts';
import { checkContent } from './check-content.ts';
import type { FileIdentity } from './fs-digest.ts';
import type { PutOptions } from './object-store.ts';

/** A finished temporary file, flushed to the disk. */
export interface WrittenFile extends FileIdentity {
  readonly sha256: string;
}

/**
 * Writes `body` to the new file `path`. OBJECT_CORRUPT when size or digest are not those of the options, DISK_FULL,
 * TRANSFER_FAILED when the body breaks off, ABORTED. After any error the file is gone.
 */
export async function writeVerified(
  path: string,
  key: string,
  body: Readable | Uint8Array,
  options: PutOptions,
  modifiedAt: number,
): Promise<WrittenFile> {
  options.signal?.throwIfAborted();
  const handle = await open(path, 'wx', 0o600).catch((error) => {
    throw translate(error, key);
  });
  try {
    const hash = createHash('sha256');
    const arrived = await writeBody(handle, hash, key, body, options);
    const sha256 = hash.digest('hex');
    checkContent(key, { sizeBytes: arrived, sha256 }, options);
    await handle.utimes(modifiedAt / 1000, modifiedAt / 1000);
    await handle.sync();
    const { size, mtimeNs } = await handle.stat({ bigint: true });
    await handle.close();
    return { sha256, size, mtimeNs };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await unlink(path).catch(() => undefined);
    throw translate(error, key);
  }
}

async function writeBody(
  handle: FileHandle,
  hash: Hash,
  key: string,
  body: Readable | Uint8Array,
  options: PutOptions,
): Promise<number> {
  let size = 0;
  const write = async (chunk: Uint8Array): Promise<void> => {
    size += chunk.length;
    if (options.sizeBytes !== undefined && size > options.sizeBytes) {
      // Stop here: a sender that never ends must not fill the disk.
      throw new FlatrenderError(
        'OBJECT_CORRUPT',
        `${key}: more than the announced ${options.sizeBytes} bytes arrived`,
      );
    }
    hash.update(chunk);
    for (let done = 0; done < chunk.length; ) {
      done += (await handle.write(chunk, done)).bytesWritten;
    }
  };
  if (body instanceof Uint8Array) {
    await write(body);
    return size;
  }
  if (options.signal) addAbortSignal(options.signal, body);
  const chunks = body[Symbol.asyncIterator]();
  for (;;) {
    const next = await chunks.next().catch((error) => {
      throw interrupted(error, key, size, options.signal);
    });
    if (next.done) return size;
    try {
      await write(typeof next.value === 'string' ? Buffer.from(next.value) : next.value);
    } catch (error) {
      body.destroy();
      throw error;
    }
  }
}

function interrupted(error: unknown, key: string, size: number, signal?: AbortSignal): FlatrenderError {
  if (signal?.aborted) return new FlatrenderError('ABORTED', `writing ${key} was aborted`, { cause: error });
  return new FlatrenderError('TRANSFER_FAILED', `the upload of ${key} broke off after ${size} bytes`, {
    cause: error,
  });
}

/** Makes a directory and its parents so that they survive a power cut. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await syncDirectory(dirname(made));
    if (made === first || dirname(made) === made) return;
  }
}

/** Makes renames in a directory durable. Windows has no such call and needs none. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes, flushes, reads and removes a file of `folder`; UNAVAILABLE with the reason when that fails. */
export async function proveWritable(folder: string): Promise<void> {
  const path = join(folder, `check-${randomUUID()}`);
  try {
    await writeFile(path, path, { mode: 0o600, flush: true });
    if ((await readFile(path, 'utf8')) !== path) throw new Error('what was written reads differently');
  } catch (error) {
    throw unusable(dirname(folder), error);
  } finally {
    await unlink(path).catch(() => undefined);
  }
}

/** The error of an object directory that cannot be read or written at all. */
export function unusable(directory: string, error: unknown): FlatrenderError {
  const reason = error instanceof Error ? error.message : String(error);
  return new FlatrenderError('UNAVAILABLE', `the object directory ${directory} cannot be used: ${reason}`, {
    cause: error,
    hint: 'check free space, and that the control plane may read and write there',
  });
}

/** The `code` of a system error. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A system error as what it means to the caller; FlatrenderErrors and bugs stay what they are. */
export function translate(error: unknown, key: string): unknown {
  if (error instanceof FlatrenderError) return error;
  const code = systemCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new FlatrenderError('DISK_FULL', `no space left on the control plane for ${key}`, {
      cause: error,
      hint: 'free some space on the disk of the object directory, or shorten the retention in flatrender.yaml',
    });
  }
  if (code === 'EISDIR' || code === 'ENOTDIR' || code === 'EEXIST' || code === 'ENOTEMPTY') {
    return new FlatrenderError('OBJECT_EXISTS', `${key} cannot be both an object and a folder of objects`, {
      cause: error,
    });
  }
  if (code !== undefined && /^E[A-Z]+$/.test(code)) {
    const message = error instanceof Error ? error.message : code;
    return new FlatrenderError('UNAVAILABLE', `the object directory cannot be used: ${message}`, {
      cause: error,
      hint: 'check the disk, and that the control plane may read and write the directory',
    });
  }
  return error;
}

/** True when the error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** `stat` with exact times, or null when there is nothing. */
export async function statOrNull(path: string): Promise<BigIntStats | null> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
