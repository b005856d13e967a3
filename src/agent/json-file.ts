import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { z } from 'zod';

/** The small files an agent keeps its state in. The disk outside of simulations, where crashes and power cuts are played. */
export interface StateFiles {
  /** Makes the directory when it is missing; the names in it. */
  open(directory: string): Promise<readonly string[]>;
  /** The file's text; rejects when there is none. */
  read(path: string): Promise<string>;
  /** Replaces or creates the file: a reader sees the old or the new text, never a part. */
  replace(path: string, text: string): Promise<void>;
  /** Removing what is not there is no error. */
  remove(path: string): Promise<void>;
}

/** Files on the disk, for this user only. */
export const diskFiles: StateFiles = {
  async open(directory) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return await readdir(directory);
  },
  read: (path) => readFile(path, 'utf8'),
  async replace(path, text) {
    const next = `${path}.next`;
    await writeFile(next, text, { mode: 0o600 });
    await renamePatiently(next, path);
  },
  remove: (path) => rm(path, { force: true }),
};

/**
 * Replaces a file by JSON text: a reader sees the old or the new contents, never a part.
 *
 * Not synced to the disk: it survives the end of this process, however violent. What a power cut can take is one
 * attempt's work, which the control plane's lease covers, and a sync per task would cost more than everything else.
 */
export async function writeJsonFile(
  path: string,
  value: unknown,
  files: StateFiles = diskFiles,
): Promise<void> {
  await files.replace(path, `${JSON.stringify(value)}\n`);
}

/** The parsed contents; null when there is no such file, or when it is damaged (which a power cut can do). */
export async function readJsonFile<T extends z.ZodType>(
  path: string,
  schema: T,
  files: StateFiles = diskFiles,
): Promise<z.infer<T> | null> {
  try {
    const parsed = schema.safeParse(JSON.parse(await files.read(path)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Renames; on Windows again while a virus scanner or indexer has the target open. */
export async function renamePatiently(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await rename(from, to);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (process.platform !== 'win32' || attempt === 10 || !['EPERM', 'EACCES', 'EBUSY'].includes(code))
        throw error;
      await new Promise((resolve) => setTimeout(resolve, 20 * attempt));
    }
  }
}

/** Removes a file or directory with all that is in it; patient where something still holds it open. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
