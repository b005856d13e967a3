import type { Clock } from '../lib/clock.ts';

/** Wakes whoever waits: something changed, look again. */
export class Bell {
  readonly #waiting = new Set<() => void>();

  /** Wakes everybody who waits now. */
  ring(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves at the next ring, or after `ms` (default: never); rejects with the signal's reason when it aborts. */
  wait(signal: AbortSignal, clock?: Clock, ms?: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const settle = (): void => {
        cancel();
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', onAbort);
      };
      const wake = (): void => {
        settle();
        resolve();
      };
      const onAbort = (): void => {
        settle();
        reject(signal.reason);
      };
      const cancel = clock && ms !== undefined ? clock.after(ms, wake) : () => undefined;
      this.#waiting.add(wake);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
