/** Time as an argument, so that tests and the simulator can replace it. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Calls back once after `ms`; the returned function cancels. Never keeps the process alive by itself. */
  after(ms: number, callback: () => void): () => void;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    // setTimeout fires at once above 2^31-1 ms (Node documentation, timers): wait in pieces.
    const longest = 2 ** 31 - 1;
    const due = Date.now() + ms;
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const left = due - Date.now();
      timer = setTimeout(left > longest ? arm : callback, Math.max(0, Math.min(left, longest)));
      timer.unref();
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

/** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
export function sleep(ms: number, clock: Clock, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    function onAbort(): void {
      cancel();
      reject(signal?.reason);
    }
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
