/** The whole log of a task: every line of the programs and of the engine, in a file and to whoever listens. */
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Where the agent finds it, to keep it with the job. */
const DIRECTORY = 'logs';

export class TaskLog implements AsyncDisposable {
  readonly path: string;
  readonly #file: WriteStream;
  readonly #onLog: (line: string) => void;

  private constructor(path: string, file: WriteStream, onLog: (line: string) => void) {
    this.path = path;
    this.#file = file;
    this.#onLog = onLog;
    // A full disk fails the render itself; the log is no reason to.
    file.on('error', () => {});
  }

  /** Opens `<workspace>/logs/aerender.log`; the caller disposes of it. */
  static async open(workspace: string, onLog: (line: string) => void): Promise<TaskLog> {
    const directory = join(workspace, DIRECTORY);
    await mkdir(directory, { recursive: true });
    const path = join(directory, 'aerender.log');
    return new TaskLog(path, createWriteStream(path, { flags: 'a' }), onLog);
  }

  /** A line of the engine's own. */
  say(line: string): void {
    this.#add(line);
  }

  /** A line that a program printed. */
  program(name: string, line: string): void {
    if (line.trim() !== '') this.#add(`${name}: ${line}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#file.end(() => resolve()));
  }

  #add(line: string): void {
    this.#file.write(`${new Date().toISOString()} ${line}\n`);
    this.#onLog(line);
  }
}
