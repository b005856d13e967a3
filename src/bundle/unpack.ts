import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { access, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { FlatrenderError } from '../lib/errors.ts';
import { type BundleLimits, type OpenZip, openZip, type ZipSource } from './zip-reader.ts';

export interface UnpackOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: `BUNDLE_LIMITS`. */
  readonly limits?: BundleLimits | undefined;
}

export interface Unpacked {
  readonly files: number;
  readonly sizeBytes: number;
}

/**
 * Unpacks a bundle into the new directory `dir`, which appears complete or not at all. BUNDLE_REFUSED names the entry and
 * the reason; OBJECT_EXISTS when `dir` is already there; DISK_FULL; ABORTED. Nothing is left behind after an error.
 */
export async function unpackBundle(
  zip: ZipSource,
  dir: string,
  options: UnpackOptions = {},
): Promise<Unpacked> {
  const { signal, limits } = options;
  await refuseExisting(dir);
  // Beside the target: a rename must not cross file systems.
  const temp = join(dirname(dir), `.unpacking-${randomUUID()}`);
  try {
    await using archive = await openZip(zip, { signal, ...(limits ? { limits } : {}) });
    await mkdir(temp, { recursive: true });
    await extract(archive, temp, signal);
    await refuseExisting(dir);
    await rename(temp, dir).catch((error) => {
      // Somebody else unpacked it meanwhile.
      throw error.code === 'ENOTEMPTY' || error.code === 'EEXIST' ? alreadyThere(dir) : error;
    });
    const files = archive.entries.filter((entry) => !entry.folder).length;
    return { files, sizeBytes: archive.totalBytes };
  } catch (error) {
    await rm(temp, { recursive: true, force: true, maxRetries: 3 });
    throw translate(error, dir, signal);
  }
}

async function refuseExisting(dir: string): Promise<void> {
  const exists = await access(dir).then(
    () => true,
    () => false,
  );
  if (exists) throw alreadyThere(dir);
}

function alreadyThere(dir: string): FlatrenderError {
  return new FlatrenderError('OBJECT_EXISTS', `${dir} is already there`);
}

async function extract(archive: OpenZip, root: string, signal?: AbortSignal): Promise<void> {
  for (const entry of archive.entries) {
    signal?.throwIfAborted();
    // Names were checked: relative, no "..", no separators of any system but "/".
    const path = join(root, ...entry.name.split('/'));
    await mkdir(entry.folder ? path : dirname(path), { recursive: true, mode: 0o755 });
    if (entry.folder) continue;
    // Never over an existing file, whatever the file system takes for the same name.
    const handle = await open(path, 'wx', 0o644);
    await pipeline(await archive.read(entry), createWriteStream(path, { fd: handle, flush: true }), {
      signal,
    });
  }
}

function translate(error: unknown, dir: string, signal?: AbortSignal): unknown {
  if (error instanceof FlatrenderError) return error;
  if (signal?.aborted) {
    return new FlatrenderError('ABORTED', `unpacking into ${dir} was aborted`, { cause: error });
  }
  if (error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')) {
    return new FlatrenderError('DISK_FULL', `no space left to unpack a bundle into ${dir}`, {
      cause: error,
      hint: 'free some space, or lower the size of the template cache',
    });
  }
  return error;
}
