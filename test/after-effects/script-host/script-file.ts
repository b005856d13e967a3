/** `File` and `Folder` of ExtendScript (JavaScript Tools Guide, "File system access"). */
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join, sep } from 'node:path';
import { HostError } from './realm.ts';
import { nativePath, uriPath } from './script-path.ts';

/** What files and folders have in common. */
abstract class FileSystemEntry {
  readonly _path: string;
  #error = '';

  constructor(path: string) {
    this._path = path;
  }

  get fsName(): string {
    return this._path;
  }
  get fullName(): string {
    return uriPath(this._path);
  }
  get absoluteURI(): string {
    return uriPath(this._path);
  }
  get name(): string {
    return uriPath(basename(this._path));
  }
  get displayName(): string {
    return basename(this._path);
  }
  get path(): string {
    return uriPath(dirname(this._path));
  }
  get parent(): ScriptFolder | null {
    const parent = dirname(this._path);
    return parent === this._path ? null : new ScriptFolder(parent);
  }
  get error(): string {
    return this.#error;
  }
  set error(text: unknown) {
    this.#error = String(text);
  }
  get created(): Date | null {
    return this._stats()?.birthtime ?? null;
  }
  get modified(): Date | null {
    return this._stats()?.mtime ?? null;
  }
  get alias(): boolean {
    return false;
  }
  toString(): string {
    return uriPath(this._path);
  }
  getRelativeURI(): string {
    return uriPath(this._path);
  }

  _stats(): Stats | null {
    try {
      return statSync(this._path);
    } catch {
      return null;
    }
  }

  /** Does it; false, and `error` says why, when it fails. */
  _try(action: () => void): boolean {
    this.#error = '';
    try {
      action();
      return true;
    } catch (error) {
      this.#error = reasonOf(error);
      return false;
    }
  }
}

type OpenMode = 'r' | 'w' | 'a' | 'e';

/** `File`: texts are held in memory while it is open. */
export class ScriptFile extends FileSystemEntry {
  #encoding = 'CP1252';
  #lineFeed = sep === '\\' ? 'Windows' : 'Unix';
  #mode: OpenMode | null = null;
  #text = '';
  #at = 0;

  get exists(): boolean {
    return this._stats()?.isFile() === true;
  }
  get length(): number {
    return this._stats()?.size ?? 0;
  }
  get encoding(): string {
    return this.#encoding;
  }
  set encoding(name: unknown) {
    const upper = String(name).toUpperCase();
    this.#encoding = upper === 'UTF8' ? 'UTF-8' : upper;
  }
  get lineFeed(): string {
    return this.#lineFeed;
  }
  set lineFeed(name: unknown) {
    this.#lineFeed = String(name);
  }
  get readonly(): boolean {
    try {
      accessSync(this._path, constants.W_OK);
      return false;
    } catch {
      return this.exists;
    }
  }
  get hidden(): boolean {
    return basename(this._path).startsWith('.');
  }
  get type(): string {
    return '????';
  }
  get creator(): string {
    return '????';
  }
  get eof(): boolean {
    return this.#mode === null || this.#at >= this.#text.length;
  }

  open(mode: unknown): boolean {
    const wanted = String(mode ?? 'r') as OpenMode;
    if (!['r', 'w', 'a', 'e'].includes(wanted)) throw new HostError(`bad mode for File.open: ${wanted}`);
    return this._try(() => {
      if (wanted === 'r' || (wanted !== 'w' && existsSync(this._path))) {
        this.#text = this.#decode(readFileSync(this._path));
      } else {
        writeFileSync(this._path, '');
        this.#text = '';
      }
      this.#at = wanted === 'a' ? this.#text.length : 0;
      this.#mode = wanted;
    });
  }

  close(): boolean {
    if (this.#mode === null) return false;
    const isWritten =
      this.#mode === 'r' || this._try(() => writeFileSync(this._path, this.#encode(this.#text)));
    this.#mode = null;
    return isWritten;
  }

  read(count?: unknown): string {
    if (this.#mode === null) return '';
    const end = typeof count === 'number' ? this.#at + count : this.#text.length;
    const text = this.#text.slice(this.#at, end);
    this.#at = Math.min(end, this.#text.length);
    return text;
  }

  readch(): string {
    return this.read(1);
  }

  readln(): string {
    if (this.#mode === null) return '';
    const end = this.#text.indexOf('\n', this.#at);
    const line = this.#text.slice(this.#at, end === -1 ? undefined : end);
    this.#at = end === -1 ? this.#text.length : end + 1;
    return line;
  }

  write(...parts: readonly unknown[]): boolean {
    if (this.#mode === null || this.#mode === 'r') {
      this.error = 'File not open for writing';
      return false;
    }
    const text = parts.map(String).join('');
    this.#text = this.#text.slice(0, this.#at) + text + this.#text.slice(this.#at + text.length);
    this.#at += text.length;
    return true;
  }

  writeln(...parts: readonly unknown[]): boolean {
    return this.write(...parts, '\n');
  }

  seek(position: unknown): boolean {
    if (this.#mode === null) return false;
    this.#at = Math.max(0, Math.min(Number(position), this.#text.length));
    return true;
  }

  tell(): number {
    return this.#at;
  }

  copy(target: unknown): boolean {
    const path =
      target instanceof FileSystemEntry ? target._path : nativePath(String(target), ScriptFolder._current);
    return this._try(() => copyFileSync(this._path, path));
  }

  remove(): boolean {
    return this._try(() => unlinkSync(this._path));
  }

  /** Not onto a file that is there. */
  rename(name: unknown): boolean {
    return this._try(() => {
      const target = join(dirname(this._path), String(name));
      if (existsSync(target)) throw new HostError('File or folder already exists');
      renameSync(this._path, target);
      // The object goes with its file.
      Object.assign(this, { _path: target });
    });
  }

  /** Programs are not started here. */
  execute(): boolean {
    return false;
  }

  changePath(path: unknown): boolean {
    Object.assign(this, { _path: nativePath(String(path), dirname(this._path)) });
    return true;
  }

  /** A byte order mark decides; without one the encoding that was set. */
  #decode(bytes: Buffer): string {
    if (this.#encoding === 'BINARY') return bytes.toString('latin1');
    const isUtf8 = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
    const text = isUtf8 || this.#encoding === 'UTF-8' ? bytes.toString('utf8') : bytes.toString('latin1');
    return text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n');
  }

  #encode(text: string): Buffer {
    if (this.#encoding === 'BINARY') return Buffer.from(text, 'latin1');
    const newline = this.#lineFeed.toLowerCase();
    const ended = text.replace(
      /\n/g,
      newline.startsWith('w') ? '\r\n' : newline.startsWith('m') ? '\r' : '\n',
    );
    if (this.#encoding === 'UTF-8') return Buffer.from(ended, 'utf8');
    return Buffer.from(ended.replace(/[^\0-\xff]/g, '?'), 'latin1');
  }
}

/** `Folder`. */
export class ScriptFolder extends FileSystemEntry {
  /** Of the process, for relative paths. */
  static _current = process.cwd();

  get exists(): boolean {
    return this._stats()?.isDirectory() === true;
  }

  create(): boolean {
    return this._try(() => void mkdirSync(this._path, { recursive: true }));
  }

  /** Files and folders in it; `mask`: with `*` and `?`, or a function that chooses. */
  getFiles(mask?: unknown): readonly FileSystemEntry[] {
    let names: string[] = [];
    this._try(() => {
      names = readdirSync(this._path);
    });
    const pattern = typeof mask === 'string' ? maskPattern(mask) : null;
    return names
      .filter((name) => pattern?.test(name) ?? true)
      .map((name) => fileOrFolder(join(this._path, name)));
  }

  remove(): boolean {
    return this._try(() => rmdirSync(this._path));
  }

  rename(name: unknown): boolean {
    return this._try(() => {
      const target = join(dirname(this._path), String(name));
      renameSync(this._path, target);
      Object.assign(this, { _path: target });
    });
  }

  changePath(path: unknown): boolean {
    Object.assign(this, { _path: nativePath(String(path), dirname(this._path)) });
    return true;
  }
}

/** `new File(path)`: a folder where there is one. Without a path: one with a name of its own in the temporary folder. */
export function makeFile(path?: unknown): ScriptFile | ScriptFolder {
  const native = nativePath(
    textOf(path) ?? join(tmpdir(), `ExtendScript-${process.pid}`),
    ScriptFolder._current,
  );
  return fileOrFolder(native);
}

/** `new Folder(path)`: a file where there is one. */
export function makeFolder(path?: unknown): ScriptFile | ScriptFolder {
  const native = nativePath(textOf(path) ?? ScriptFolder._current, ScriptFolder._current);
  const isFile = new ScriptFile(native).exists;
  return isFile ? new ScriptFile(native) : new ScriptFolder(native);
}

/** Static members of `File`. */
export const FILE_STATICS = {
  fs: systemName(),
  decode: (text: unknown) => decodeURIComponent(String(text)),
  encode: (text: unknown) => encodeURIComponent(String(text)),
  isEncodingAvailable: (name: unknown) =>
    ['UTF-8', 'UTF8', 'BINARY', 'ASCII', 'CP1252'].includes(String(name)),
};

/** Static members of `Folder`. */
export const FOLDER_STATICS = {
  fs: systemName(),
  get current(): ScriptFolder {
    return new ScriptFolder(ScriptFolder._current);
  },
  set current(folder: unknown) {
    ScriptFolder._current = folder instanceof ScriptFolder ? folder._path : String(folder);
  },
  get temp(): ScriptFolder {
    return new ScriptFolder(tmpdir());
  },
  get desktop(): ScriptFolder {
    return new ScriptFolder(join(homedir(), 'Desktop'));
  },
  get myDocuments(): ScriptFolder {
    return new ScriptFolder(join(homedir(), 'Documents'));
  },
  get userData(): ScriptFolder {
    return new ScriptFolder(homedir());
  },
  decode: FILE_STATICS.decode,
  encode: FILE_STATICS.encode,
};

function fileOrFolder(native: string): ScriptFile | ScriptFolder {
  const folder = new ScriptFolder(native);
  return folder.exists ? folder : new ScriptFile(native);
}

function textOf(path: unknown): string | null {
  if (path === undefined || path === null) return null;
  return path instanceof FileSystemEntry ? path.fullName : String(path);
}

function maskPattern(mask: string): RegExp {
  const source = mask
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'i');
}

function systemName(): string {
  return { win32: 'Windows', darwin: 'Macintosh' }[process.platform as string] ?? 'Unix';
}

/** In the words of ExtendScript where they are known: "File or folder does not exist", "Permission denied". */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'File or folder does not exist';
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return 'Permission denied';
  return message;
}
