/** The three-step shutdown of long-running processes, and small things around AbortSignal. */

/** What each step does; the program ends by itself when its work is over. */
export interface ShutdownSteps {
  /** First signal: stop taking work, finish what runs, say so. */
  finish(signal: NodeJS.Signals): void;
  /** Second: abort, hand back, be gone within 10 s. */
  abort(signal: NodeJS.Signals): void;
  /** Third: end now. Default: `process.exit(130)`. */
  exit?(): void;
}

/** Where signals come from; `process` outside tests. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

// Not SIGHUP: a listener for it would undo what `nohup` does. SIGBREAK is how Windows asks a console program to end.
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGBREAK'];

/** Listens for SIGINT, SIGTERM and SIGBREAK and takes one step per signal; dispose to stop listening. */
export function onShutdownSignals(steps: ShutdownSteps, source: SignalSource = process): Disposable {
  let count = 0;
  const listener = (signal: NodeJS.Signals): void => {
    count += 1;
    if (count === 1) steps.finish(signal);
    else if (count === 2) steps.abort(signal);
    else if (steps.exit) steps.exit();
    else process.exit(130);
  };
  for (const signal of SIGNALS) source.on(signal, listener);
  return {
    [Symbol.dispose]() {
      for (const signal of SIGNALS) source.off(signal, listener);
    },
  };
}

/** Settles as `work` does, or rejects with the signal's reason as soon as it aborts (the work goes on unheard). */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => undefined);
    return Promise.reject(signal.reason);
  }
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
