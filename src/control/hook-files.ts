/** Files that calls of hooks name: in a directory that the operator allows (`hooks.files`). */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { closest } from '../lib/did-you-mean.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { type ObjectStore, objectKeys } from '../objects/object-store.ts';
import type { AssetRef } from '../protocol/jobs.ts';

interface HookFilesOptions {
  /** null: no file can be named. */
  readonly directory: string | null;
  readonly objects: ObjectStore;
  readonly maxBytes: number;
  /** Told of every digest before the file is looked for in the object store. */
  readonly onAsset: (sha256: string) => void;
}

// Automation renders the same sounds again and again.
const REMEMBERED = 1000;

/** Takes files of one directory, and of those below it, into the object store. */
export class HookFiles {
  readonly #options: HookFilesOptions;
  readonly #known = new Map<string, string>();

  constructor(options: HookFilesOptions) {
    this.#options = options;
  }

  /** The file as an input of a job; INPUT_INVALID, naming the input, when it cannot be had. */
  async take(name: string, input: string, signal: AbortSignal): Promise<AssetRef> {
    const { objects, maxBytes, onAsset } = this.#options;
    await using file = await this.#open(name, input);
    const { size, mtimeMs, ino } = await file.stat();
    if (size > maxBytes) throw refused(input, `"${name}" has ${size} bytes, more than limits.uploadBytes`);
    const version = `${ino} ${size} ${mtimeMs} ${name}`;
    const sha256 = this.#known.get(version) ?? (await digestOf(file, signal));
    this.#remember(version, sha256);
    onAsset(sha256);
    const key = objectKeys.asset(sha256);
    if ((await objects.head(key))?.sizeBytes !== size) {
      const bytes = file.createReadStream({ start: 0, end: Math.max(0, size - 1), autoClose: false });
      await objects.put(key, bytes, { sizeBytes: size, sha256, signal });
    }
    return { asset: sha256, name: basename(name), sizeBytes: size };
  }

  async #open(name: string, input: string): Promise<FileHandle> {
    const { directory } = this.#options;
    if (directory === null) {
      throw refused(input, `"${name}" is the name of a file, and no directory for files is set`, {
        hint: 'hooks.files in flatrender.yaml of the control plane; or send an address (https://…), or an uploaded file',
      });
    }
    if (name.includes('\0') || name.split(/[/\\]/).includes('..') || /^([/\\]|[A-Za-z]:)/.test(name)) {
      throw refused(input, `"${name}" leads out of the directory for files`);
    }
    try {
      const root = await realpath(directory);
      const path = await realpath(join(root, name));
      if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) {
        throw refused(input, `"${name}" leads out of the directory for files`);
      }
      // Not blocking: a pipe in the directory must not stop anybody. What the name leads to now was just resolved.
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      if ((await file.stat()).isFile()) return file;
      await file.close();
      throw refused(input, `"${name}" is no file`);
    } catch (error) {
      if (error instanceof FlatrenderError) throw error;
      throw await this.#missing(name, input, error);
    }
  }

  async #missing(name: string, input: string, cause: unknown): Promise<FlatrenderError> {
    const code = cause instanceof Error && 'code' in cause ? cause.code : '';
    if (code !== 'ENOENT' && code !== 'ENOTDIR') {
      return refused(input, `"${name}" cannot be read: ${String(code)}`, { cause });
    }
    const folder = join(this.#options.directory ?? '', dirname(name));
    const guess = closest(basename(name), await readdir(folder).catch(() => []));
    const hint =
      guess === undefined ? 'put it into hooks.files on the control plane' : `did you mean "${guess}"?`;
    return refused(input, `there is no file "${name}" in the directory for files`, { cause, hint });
  }

  #remember(version: string, sha256: string): void {
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(version, sha256);
  }
}

async function digestOf(file: FileHandle, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false, signal })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

function refused(
  input: string,
  problem: string,
  options: { readonly hint?: string; readonly cause?: unknown } = {},
): FlatrenderError {
  const details = { problems: [{ input, message: problem }] };
  return new FlatrenderError('INPUT_INVALID', `input "${input}": ${problem}`, { ...options, details });
}
