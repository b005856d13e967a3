/** Tells how a rendering goes, often enough to watch it and seldom enough to cost nothing. */
import type { TaskPhase } from '../../protocol/jobs.ts';
import type { RenderContext } from '../engine.ts';

/** Ten a second: a bar moves smoothly. */
const PROGRESS_MS = 100;

export class Reporter {
  readonly #context: RenderContext;
  readonly #previewMs: number;
  #phase: TaskPhase = 'prepare';
  #frames: number | null = null;
  #told = { at: 0, frame: 0 };
  #fps: number | null = null;
  #previewAt = Number.NEGATIVE_INFINITY;

  constructor(context: RenderContext, previewMs: number) {
    this.#context = context;
    this.#previewMs = previewMs;
  }

  /** A new phase begins; told at once. */
  phase(phase: TaskPhase, frames: number | null): void {
    this.#phase = phase;
    this.#frames = frames;
    if (phase === 'render') this.#told = { at: performance.now(), frame: 0 };
    this.#context.onProgress({
      phase,
      frame: phase === 'prepare' || phase === 'render' ? 0 : (frames ?? 0),
      frames,
      fps: this.#fps,
    });
  }

  /** So many frames are done; `preview` is called when one is due. */
  frame(frame: number, preview: () => Uint8Array | undefined): void {
    const now = performance.now();
    const elapsed = now - this.#told.at;
    if (elapsed >= PROGRESS_MS || frame === this.#frames) {
      const fps = elapsed > 0 ? ((frame - this.#told.frame) * 1000) / elapsed : 0;
      this.#fps = Math.round(fps * 10) / 10;
      this.#told = { at: now, frame };
      this.#context.onProgress({ phase: this.#phase, frame, frames: this.#frames, fps: this.#fps });
    }
    if (now - this.#previewAt < this.#previewMs) return;
    this.#previewAt = now;
    const jpeg = preview();
    if (jpeg) this.#context.onPreview(jpeg);
  }
}
