/** The global objects of ExtendScript around a {@link Realm}, and how a script is run in it. */
import { readFileSync } from 'node:fs';
import { Realm } from './realm.ts';
import {
  FILE_STATICS,
  FOLDER_STATICS,
  makeFile,
  makeFolder,
  ScriptFile,
  ScriptFolder,
} from './script-file.ts';

export interface ScriptHostOptions {
  /** Whether there is JSON. */
  readonly hasJson: boolean;
  /** As `$.locale` says it: "en_US". */
  readonly locale: string;
  /** Shows a modal dialog; in a program it does not return, since nobody closes it. */
  readonly showDialog: (kind: 'alert' | 'confirm' | 'prompt', title: string, text: string) => void;
  /** Lines of `$.writeln`, which the console of a debugger shows. */
  readonly writeLine?: (line: string) => void;
}

/** A realm with `$`, `File`, `Folder`, `alert` and the other globals of ExtendScript. */
export function makeScriptHost(options: ScriptHostOptions): Realm {
  const realm = new Realm(options);
  realm.expose('File', ScriptFile, makeFile, FILE_STATICS);
  realm.expose('Folder', ScriptFolder, makeFolder, FOLDER_STATICS);
  realm.define('$', new Dollar(realm, options));
  const show = (kind: 'alert' | 'confirm' | 'prompt') => (text: unknown, title: unknown) =>
    options.showDialog(kind, typeof title === 'string' ? title : 'Script Alert', String(text));
  realm.define('alert', (text: unknown, title: unknown) => void show('alert')(text, title));
  realm.define('confirm', (text: unknown, _no: unknown, title: unknown) => {
    show('confirm')(text, title);
    return false;
  });
  realm.define('prompt', (text: unknown, _value: unknown, title: unknown) => {
    show('prompt')(text, title);
    return null;
  });
  realm.define('isValid', (object: unknown) => isValid(object));
  realm.define('write', (text: unknown) => void options.writeLine?.(String(text)));
  realm.define('writeLn', (text: unknown) => void options.writeLine?.(String(text)));
  realm.define('clearOutput', () => undefined);
  realm.define('generateRandomNumber', () => Math.random());
  return realm;
}

/** Runs a script file. Throws as {@link Realm.run}. */
export function runScriptFile(realm: Realm, path: string): unknown {
  return realm.run(readFileSync(path, 'utf8').replace(/^\ufeff/, ''), path);
}

/** `$`. */
class Dollar {
  readonly #realm: Realm;
  readonly #options: ScriptHostOptions;

  constructor(realm: Realm, options: ScriptHostOptions) {
    this.#realm = realm;
    this.#options = options;
  }

  get fileName(): string {
    return new ScriptFile(this.#realm.file).fullName;
  }
  get line(): number {
    return this.#realm.line;
  }
  get os(): string {
    return (
      { win32: 'Windows/64 10.0', darwin: 'Macintosh OS 14.0/64' }[process.platform as string] ?? 'Linux'
    );
  }
  get locale(): string {
    return this.#options.locale;
  }
  get version(): string {
    return '4.5.6';
  }
  get build(): string {
    return '80.1044230';
  }
  get level(): number {
    return 0;
  }
  set level(_value: unknown) {}
  get strict(): boolean {
    return false;
  }
  set strict(_value: unknown) {}
  get stack(): string {
    return '';
  }
  get engineName(): string {
    return 'main';
  }
  get hiresTimer(): number {
    return Math.round(performance.now() * 1000);
  }
  get global(): unknown {
    return this.#realm.global;
  }
  get screens(): string[] {
    return [];
  }

  evalFile(file: unknown): unknown {
    const path = file instanceof ScriptFile ? file._path : makeFile(file)._path;
    return runScriptFile(this.#realm, path);
  }
  sleep(milliseconds: unknown): void {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(milliseconds));
  }
  writeln(...parts: readonly unknown[]): void {
    this.#options.writeLine?.(parts.map(String).join(''));
  }
  write(...parts: readonly unknown[]): void {
    this.writeln(...parts);
  }
  getenv(name: unknown): string | null {
    return process.env[String(name)] ?? null;
  }
  setenv(name: unknown, value: unknown): void {
    process.env[String(name)] = String(value);
  }
  gc(): void {}
}

function isValid(object: unknown): boolean {
  const validity = object as { _isValid?: () => boolean } | null | undefined;
  return validity?._isValid?.() ?? (object !== null && object !== undefined);
}
