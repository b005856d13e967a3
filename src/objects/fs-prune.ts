/** What crashes and removals leave in the object directory: empty folders, digests without their file. */
import { readdir, rm, rmdir, unlink } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { DIGEST_SUFFIX } from './fs-digest.ts';
import { statOrNull } from './fs-write.ts';

/** Removes `folder` and its parents below `root` as long as they are empty. */
export async function pruneUpwards(folder: string, root: string): Promise<void> {
  for (let path = folder; path.startsWith(root + sep); path = dirname(path)) {
    try {
      await rmdir(path);
    } catch {
      return;
    }
  }
}

/** Removes the files of a folder that were last written before `olderThan` (epoch milliseconds). */
export async function removeOlder(folder: string, olderThan: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    // Another control plane that has the same directory may just have finished with it.
    const found = await statOrNull(path);
    if (found !== null && Number(found.mtimeMs) < olderThan) await rm(path, { force: true });
  }
}

interface PruneOptions {
  /** The folder that stays as it is. */
  readonly skip: string;
  /** Stops the walk. */
  readonly signal: AbortSignal;
  /** Runs `work` while nobody writes the file `path`. */
  exclusively<T>(path: string, work: () => Promise<T>): Promise<T>;
}

/** Removes empty folders and stray digests below `folder`; true when nothing is left in it. */
export async function pruneFolder(folder: string, options: PruneOptions): Promise<boolean> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = new Set(entries.map((entry) => entry.name));
  let left = entries.length;
  for (const entry of entries) {
    if (options.signal.aborted) return false;
    const path = join(folder, entry.name);
    if (path === options.skip) continue;
    if (entry.isDirectory()) {
      if ((await pruneFolder(path, options)) && (await removeFolder(path))) left -= 1;
    } else if (entry.name.endsWith(DIGEST_SUFFIX) && !names.has(entry.name.slice(0, -1))) {
      if (await removeStrayDigest(path, options)) left -= 1;
    }
  }
  return left === 0;
}

async function removeFolder(path: string): Promise<boolean> {
  // A put may have used it meanwhile: then it is not empty, and stays.
  return rmdir(path).then(
    () => true,
    () => false,
  );
}

async function removeStrayDigest(path: string, options: PruneOptions): Promise<boolean> {
  const file = path.slice(0, -DIGEST_SUFFIX.length);
  // A put in progress has written the digest and is about to rename the file: wait for it.
  return options.exclusively(file, async () => {
    if ((await statOrNull(file)) !== null) return false;
    await unlink(path).catch(() => undefined);
    return true;
  });
}
