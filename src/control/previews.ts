/** The latest preview picture of each running task, in memory. */
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';

/** Largest preview. */
export const PREVIEW_BYTES = 512 * 1024;

interface Preview {
  readonly jpeg: Uint8Array;
  readonly at: number;
}

/** REQUEST_INVALID when the bytes do not begin as a JPEG does. */
export function requireJpeg(bytes: Uint8Array): void {
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return;
  throw new FlatrenderError('REQUEST_INVALID', 'the preview is not a JPEG');
}

/** Keeps at most `maxBytes`; the task whose picture is oldest loses it first. */
export class Previews {
  readonly #byTask = new Map<string, Preview>();
  readonly #maxBytes: number;
  readonly #minIntervalMs: number;
  readonly #clock: Clock;
  #bytes = 0;

  constructor(options: { readonly maxBytes: number; readonly minIntervalMs: number; readonly clock: Clock }) {
    this.#maxBytes = options.maxBytes;
    this.#minIntervalMs = options.minIntervalMs;
    this.#clock = options.clock;
  }

  /** RATE_LIMITED when they come too fast. The picture was looked at before, with `requireJpeg`. */
  put(taskId: string, jpeg: Uint8Array): void {
    const now = this.#clock.now();
    const before = this.#byTask.get(taskId);
    if (before && now - before.at < this.#minIntervalMs) {
      throw new FlatrenderError(
        'RATE_LIMITED',
        `previews of ${taskId} come faster than one in ${this.#minIntervalMs} ms`,
      );
    }
    this.drop(taskId);
    // A copy: the buffer of a small body is a slice of a larger one that would be kept alive.
    this.#byTask.set(taskId, { jpeg: Uint8Array.from(jpeg), at: now });
    this.#bytes += jpeg.length;
    for (const [oldest] of this.#byTask) {
      if (this.#bytes <= this.#maxBytes) break;
      this.drop(oldest);
    }
  }

  get(taskId: string): Uint8Array | undefined {
    return this.#byTask.get(taskId)?.jpeg;
  }

  /** The task is over. */
  drop(taskId: string): void {
    const preview = this.#byTask.get(taskId);
    if (!preview) return;
    this.#byTask.delete(taskId);
    this.#bytes -= preview.jpeg.length;
  }
}
