/** Pictures of what is being rendered, no more often than wanted, one at a time. */
import type { Clock } from '../../../lib/clock.ts';
import type { RenderContext } from '../../engine.ts';

export class Previews {
  readonly #context: Pick<RenderContext, 'onPreview' | 'signal'>;
  readonly #previewMs: number;
  #hasShown = false;
  readonly #clock: Clock;
  #lastAt = Number.NEGATIVE_INFINITY;
  #making: Promise<void> | undefined;

  constructor(context: Pick<RenderContext, 'onPreview' | 'signal'>, previewMs: number, clock: Clock) {
    this.#context = context;
    this.#previewMs = previewMs;
    this.#clock = clock;
  }

  /** Shows what `make` makes, if one is due; whatever goes wrong with a preview is no harm to the render. */
  offer(make: (signal: AbortSignal) => Promise<Uint8Array | null>): void {
    const now = this.#clock.now();
    if (this.#making || this.#context.signal.aborted || now - this.#lastAt < this.#previewMs) return;
    this.#make(make);
  }

  /** What is finished, for whoever has seen nothing yet: the render was short, or could not be read while it grew. */
  async offerLast(make: (signal: AbortSignal) => Promise<Uint8Array | null>): Promise<void> {
    await this.#making;
    if (!this.#hasShown && !this.#context.signal.aborted) this.#make(make);
  }

  #make(make: (signal: AbortSignal) => Promise<Uint8Array | null>): void {
    this.#lastAt = this.#clock.now();
    this.#making = make(this.#context.signal)
      .then((jpeg) => {
        if (!jpeg || jpeg.length === 0) return;
        this.#hasShown = true;
        this.#context.onPreview(jpeg);
      })
      .catch(() => {})
      .finally(() => {
        this.#making = undefined;
      });
  }

  /** Waits for the one that is being made. */
  async settled(): Promise<void> {
    await this.#making;
  }
}
