/** Time as an argument, so that tests and the simulator can replace it. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Calls back once after `ms`; the returned function cancels. Does not keep the process alive unless it is told to. */
  after(ms: number, callback: () => void, options?: TimerOptions): () => void;
}

export interface TimerOptions {
  /** The process does not end before the call, as it would when nothing else is open. */
  readonly keepsAlive?: boolean;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, callback, { keepsAlive = false } = {}) {
    // setTimeout fires at once above 2^31-1 ms (Node documentation, timers): wait in pieces.
    const longest = 2 ** 31 - 1;
    const due = Date.now() + ms;
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const left = due - Date.now();
      timer = setTimeout(left > longest ? arm : callback, Math.max(0, Math.min(left, longest)));
      if (!keepsAlive) timer.unref();
    };
    arm();
    return () => clearTimeout(timer);
  },
};

/** A signal that aborts after `ms` on this clock, unless it is disposed of before. */
export function deadline(ms: number, clock: Clock): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const cancel = clock.after(ms, () =>
    controller.abort(new DOMException(`not within ${ms} ms`, 'TimeoutError')),
  );
  return { signal: controller.signal, [Symbol.dispose]: cancel };
}

/**
 * Resolves after `ms`; rejects with the signal's reason when it aborts first. Keeps the process alive: somebody waits for what
 * comes after it, and between two tries nothing else may be open.
 */
export function sleep(ms: number, clock: Clock, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onEnd = (): void => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    };
    const cancel = clock.after(ms, onEnd, { keepsAlive: true });
    function onAbort(): void {
      cancel();
      reject(signal?.reason);
    }
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
