/** The frames of one output as they come together over one or more runs of aerender. */
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pictureExtension, type RunFrame } from './run-frames.ts';

/** Frames in a row, counted from 0 at the first of the output. */
export interface FrameGap {
  readonly start: number;
  readonly count: number;
}

/** What a run brought. */
export interface TakenIn {
  readonly added: number;
  /** `frame 7 is cut off after 812 bytes`. */
  readonly faults: readonly string[];
}

/** Whole frames, moved into one directory under names without gaps in style. */
export class SequenceFrames {
  /** Of every file name, with {@link DIGITS} digits after it. */
  static readonly PREFIX = 'f';
  static readonly DIGITS = 7;
  readonly directory: string;
  readonly count: number;
  /** Of the frames; undefined before the first. */
  extension: string | undefined;
  readonly #there = new Set<number>();
  #size: { readonly width: number; readonly height: number } | undefined;

  private constructor(directory: string, count: number) {
    this.directory = directory;
    this.count = count;
  }

  static async open(directory: string, count: number): Promise<SequenceFrames> {
    await mkdir(directory, { recursive: true });
    return new SequenceFrames(directory, count);
  }

  /** How many whole frames are there. */
  get whole(): number {
    return this.#there.size;
  }

  /** Whether this frame is there. */
  has(index: number): boolean {
    return this.#there.has(index);
  }

  /** Of the pictures; undefined before the first. */
  get size(): { readonly width: number; readonly height: number } | undefined {
    return this.#size;
  }

  /** Frames that are missing, in rows. */
  gaps(): FrameGap[] {
    const gaps: FrameGap[] = [];
    for (let index = 0; index < this.count; index += 1) {
      if (this.#there.has(index)) continue;
      const last = gaps.at(-1);
      if (last && last.start + last.count === index)
        gaps[gaps.length - 1] = { start: last.start, count: last.count + 1 };
      else gaps.push({ start: index, count: 1 });
    }
    return gaps;
  }

  /**
   * Moves the whole frames of a run for `gap` here. The first file is the first frame, whatever number it has: output
   * modules count from the number in the composition, or from their own.
   */
  async takeIn(frames: readonly RunFrame[], gap: FrameGap): Promise<TakenIn> {
    const faults: string[] = [];
    const first = frames[0]?.number ?? 0;
    let added = 0;
    for (const frame of frames) {
      const index = frame.number - first;
      if (index >= gap.count || this.#there.has(gap.start + index)) continue;
      const fault = this.#faultOf(frame);
      if (fault !== null) {
        faults.push(`frame ${gap.start + index} ${fault}`);
        continue;
      }
      this.extension ??= pictureExtension(frame);
      await rename(frame.path, this.pathOf(gap.start + index));
      this.#there.add(gap.start + index);
      added += 1;
    }
    return { added, faults };
  }

  pathOf(index: number): string {
    const number = String(index).padStart(SequenceFrames.DIGITS, '0');
    return join(this.directory, `${SequenceFrames.PREFIX}${number}.${this.extension ?? 'png'}`);
  }

  #faultOf({ reading }: RunFrame): string | null {
    if ('fault' in reading) return reading.fault;
    const { width, height } = reading;
    this.#size ??= { width, height };
    if (width === this.#size.width && height === this.#size.height) return null;
    return `is ${width} × ${height}, the others ${this.#size.width} × ${this.#size.height}`;
  }
}
