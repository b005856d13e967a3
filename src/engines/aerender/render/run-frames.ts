/** The frame files of one run of aerender: counted while they appear, checked, whatever the output module calls them. */
import { type FSWatcher, watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type Clock, systemClock } from '../../../lib/clock.ts';
import type { PictureReading } from '../../../media/picture.ts';
import { readPicture } from '../../../media/picture-file.ts';

/** What `-output` names before the number. No digits: whatever the module adds, the first digits are the number. */
const FRAME_PREFIX = 'frame_';
/** What After Effects replaces by the number of a frame; five digits last for 55 minutes at 30 fps, and it takes more. */
export const FRAME_PATTERN = `${FRAME_PREFIX}[#####]`;

/** Events of the file system may be lost (network drives, overflow): a look now and then finds what they missed, ms. */
const LOOK_MS = 1_000;
/** Events that come together are one, ms. */
const SETTLE_MS = 40;

/** A frame file that is there. */
export interface RunFrame {
  /** In its name, as the output module counts. */
  readonly number: number;
  readonly path: string;
  /** What stands in it, or what is wrong with it. */
  readonly reading: PictureReading;
}

export interface RunFramesOptions {
  readonly directory: string;
  /** A frame is whole: it was followed by another one. Called once per frame. */
  readonly onWhole: (path: string, whole: number) => void;
  /** Something appeared or grew. */
  readonly onGrowth: () => void;
  readonly clock?: Clock;
}

/** Watches the directory of one run. `close` ends the watching and says what is there. */
export class RunFrames {
  readonly #options: RunFramesOptions;
  readonly #clock: Clock;
  readonly #whole = new Map<number, RunFrame>();
  #watcher: FSWatcher | undefined;
  #cancelLook: (() => void) | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isDue = false;
  #isClosed = false;
  #highest = -1;

  constructor(options: RunFramesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    try {
      this.#watcher = watch(options.directory, { persistent: false }, () => {
        options.onGrowth();
        this.#lookIn(SETTLE_MS);
      });
      this.#watcher.on('error', () => {}); // the regular look goes on
    } catch {
      // no events on this file system: the regular look goes on
    }
    this.#lookIn(LOOK_MS);
  }

  /** Ends the watching; reads and returns every frame there is, in order. For after the program's end. */
  async close(): Promise<readonly RunFrame[]> {
    this.stop();
    await this.#looking;
    const found = await numbered(this.#options.directory);
    const frames: RunFrame[] = [];
    for (const { number, path } of found) {
      const known = this.#whole.get(number);
      frames.push(known ?? { number, path, reading: await readPicture(path) });
    }
    return frames;
  }

  /** Ends the watching. */
  stop(): void {
    this.#isClosed = true;
    this.#watcher?.close();
    this.#cancelLook?.();
  }

  #lookIn(ms: number): void {
    if (this.#isClosed || (this.#isDue && ms === SETTLE_MS)) return;
    this.#isDue = ms === SETTLE_MS;
    this.#cancelLook?.();
    this.#cancelLook = this.#clock.after(ms, () => {
      this.#isDue = false;
      this.#looking = this.#looking
        .then(() => this.#look())
        .finally(() => {
          if (!this.#isDue) this.#lookIn(LOOK_MS);
        });
    });
  }

  async #look(): Promise<void> {
    const found = await numbered(this.#options.directory);
    const last = found.at(-1);
    if (last && last.number > this.#highest) {
      this.#highest = last.number;
      this.#options.onGrowth();
    }
    for (const { number, path } of found.slice(0, -1)) {
      if (this.#isClosed) return;
      if (this.#whole.has(number)) continue;
      const reading = await readPicture(path);
      // Several frames may be written at once: what is not whole yet is read again.
      if ('fault' in reading) continue;
      this.#whole.set(number, { number, path, reading });
      this.#options.onWhole(path, this.#whole.size);
    }
  }
}

/** The files of frames, by number. */
async function numbered(directory: string): Promise<{ number: number; path: string }[]> {
  const found: { number: number; path: string }[] = [];
  for (const name of await readdir(directory).catch(() => [])) {
    const number = frameNumber(name);
    if (number !== null) found.push({ number, path: join(directory, name) });
  }
  return found.sort((a, b) => a.number - b.number);
}

/** The number in a frame's name: `frame_00012.png`, `frame_[00012].png`, `frame_[#####]_00012.png`. */
function frameNumber(name: string): number | null {
  if (!name.startsWith(FRAME_PREFIX)) return null;
  const digits = /^[^\d.]*(\d{1,12})/.exec(name.slice(FRAME_PREFIX.length))?.[1];
  return digits === undefined ? null : Number(digits);
}

/** The extension that a picture of this kind has by custom; of others the one in the name. */
export function pictureExtension(frame: RunFrame): string {
  if ('fault' in frame.reading) return extname(frame.path).slice(1).toLowerCase() || 'png';
  return { png: 'png', jpeg: 'jpg', tiff: 'tif', psd: 'psd' }[frame.reading.kind];
}
