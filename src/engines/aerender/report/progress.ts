/** How far a render is: over the frames that there really are, never back, never past. */
import type { Clock } from '../../../lib/clock.ts';
import type { AerenderFrame } from './output.ts';

export interface RenderSnapshot {
  /** Frames done, 0 to `frames`. */
  readonly frame: number;
  readonly frames: number;
  /** Frames rendered per second of the last stretch; null: not known yet. */
  readonly fps: number | null;
}

/** Length of the stretch that speed is measured over, ms: some seconds of steady number, soon enough down when it stalls. */
const STRETCH_MS = 15_000;
/** Slow renders: that many last reports, however long they took. */
const FEWEST = 5;
/** Reports that come at once (multi-frame rendering) are one, ms. */
const BURST_MS = 250;
/**
 * Frames that may be unfinished before the furthest reported one. Multi-frame rendering works on several frames at a
 * time, at most one per core; more than this before the furthest are done and their lines were lost.
 */
const IN_FLIGHT = 64;

/** Counts the frames of one output, over several runs where it is resumed. */
export class RenderProgress {
  readonly #frames: number;
  readonly #clock: Clock;
  #from: number;
  #seen = new Set<number>();
  #furthest = -1;
  #shown = 0;
  #samples: { at: number; frame: number }[] = [];

  /**
   * @param options.frames all frames of the output
   * @param options.startFrame frames that are there already: the first frame of this run, counted from 0
   */
  constructor(options: { readonly frames: number; readonly startFrame?: number; readonly clock: Clock }) {
    this.#frames = Math.max(0, Math.floor(options.frames) || 0);
    this.#clock = options.clock;
    this.#from = 0;
    this.restart(options.startFrame ?? 0);
  }

  /** Another run begins at this frame (from 0); what is done stays done. */
  restart(startFrame: number): void {
    this.#from = Math.min(this.#frames, Math.max(0, Math.floor(startFrame) || 0));
    this.#seen = new Set();
    this.#furthest = -1;
    this.#show(this.#from);
    this.#samples = [{ at: this.#clock.now(), frame: this.#shown }];
  }

  /** A frame that aerender reports; in any order, once or more often. */
  frame(event: Pick<AerenderFrame, 'index'>): void {
    const { index } = event;
    if (!Number.isInteger(index) || index < 0 || index >= this.#frames - this.#from) return;
    this.#seen.add(index);
    this.#furthest = Math.max(this.#furthest, index);
    this.#show(this.#from + Math.max(this.#seen.size, this.#furthest + 1 - IN_FLIGHT));
  }

  /** All frames of the output whose files are there and whole. */
  filesDone(files: number): void {
    if (Number.isFinite(files)) this.#show(Math.floor(files));
  }

  /** The render came to its end: whatever lines were lost, it is all there. */
  finish(): void {
    this.#show(this.#frames);
  }

  snapshot(): RenderSnapshot {
    return { frame: this.#shown, frames: this.#frames, fps: this.#speed() };
  }

  #show(frame: number): void {
    const next = Math.min(this.#frames, frame);
    if (next <= this.#shown) return;
    this.#shown = next;
    const now = this.#clock.now();
    const last = this.#samples.at(-1);
    // Set back: what was measured before means nothing.
    if (last && now < last.at) this.#samples = [];
    if (last && now >= last.at && now - last.at < BURST_MS && this.#samples.length > 1) last.frame = next;
    else this.#samples.push({ at: now, frame: next });
    while (this.#samples.length > FEWEST && (this.#samples[1]?.at ?? now) < now - STRETCH_MS)
      this.#samples.shift();
  }

  #speed(): number | null {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.frame <= first.frame) return null;
    const measured = last.at - first.at;
    if (measured <= 0) return null;
    const usual = measured / (this.#samples.length - 1);
    // A wait longer than usual counts, so that a render that stands still does not look fast.
    const waiting = this.#clock.now() - last.at;
    const ms = waiting > 2 * usual ? measured + waiting : measured;
    return ((last.frame - first.frame) / ms) * 1000;
  }
}
