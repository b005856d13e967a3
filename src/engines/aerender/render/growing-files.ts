/** Watches a directory in which After Effects writes one file, whatever it calls it. */
import { type FSWatcher, watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../../lib/clock.ts';

/** Growth raises no event on some file systems (Windows reports a size when the file is closed): looked at now and then, ms. */
const LOOK_MS = 1_000;

export interface GrowingFilesOptions {
  readonly directory: string;
  /** A file appeared or grew. */
  readonly onGrowth: (path: string) => void;
  readonly clock?: Clock;
}

/** `close` ends the watching. */
export class GrowingFiles {
  readonly #options: GrowingFilesOptions;
  readonly #clock: Clock;
  readonly #sizes = new Map<string, number>();
  #watcher: FSWatcher | undefined;
  #cancel: () => void = () => {};
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: GrowingFilesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    try {
      this.#watcher = watch(options.directory, { persistent: false }, () => this.#lookNow());
      this.#watcher.on('error', () => {}); // the regular look goes on
    } catch {
      // no events on this file system: the regular look goes on
    }
    this.#arm();
  }

  /** The largest file there; undefined: none that holds anything. */
  async largest(): Promise<string | undefined> {
    const files = await this.#files();
    return files.sort((a, b) => b.size - a.size).find(({ size }) => size > 0)?.path;
  }

  async close(): Promise<void> {
    this.stop();
    await this.#looking;
  }

  /** Ends the watching without waiting for the last look. */
  stop(): void {
    this.#isClosed = true;
    this.#watcher?.close();
    this.#cancel();
  }

  #arm(): void {
    if (this.#isClosed) return;
    this.#cancel();
    this.#cancel = this.#clock.after(LOOK_MS, () => this.#lookNow());
  }

  #isWaiting = false;

  #lookNow(): void {
    if (this.#isWaiting || this.#isClosed) return;
    this.#isWaiting = true;
    this.#looking = this.#looking.then(() => {
      this.#isWaiting = false;
      return this.#look();
    });
  }

  async #look(): Promise<void> {
    for (const { path, size } of await this.#files()) {
      if (this.#isClosed) return;
      if (size <= (this.#sizes.get(path) ?? -1)) continue;
      this.#sizes.set(path, size);
      this.#options.onGrowth(path);
    }
    this.#arm();
  }

  async #files(): Promise<{ path: string; size: number }[]> {
    const names = await readdir(this.#options.directory).catch(() => []);
    const files = names.map(async (name) => {
      const path = join(this.#options.directory, name);
      const found = await stat(path).catch(() => undefined);
      return found?.isFile() ? [{ path, size: found.size }] : [];
    });
    return (await Promise.all(files)).flat();
  }
}
