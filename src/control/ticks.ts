/** The once-a-second work: write-behind, silent nodes, expired leases. */
import { FlatrenderError } from '../lib/errors.ts';
import type { Control } from './context.ts';

const TICK_MS = 1000;
// No load delays a timer this long: the machine slept, the process stood still, or somebody set the clock.
const LEAP_MS = 2000;

/** Starts ticking; the result stops it, after a last write of everything that is behind. */
export function startTicks(control: Control): () => Promise<void> {
  const { clock, registry, leases, dispatcher, clientAuth, policy, logger, replicas } = control;
  const failing = new Set<string>();
  let stopped = false;
  let cancel = (): void => undefined;
  let running: Promise<void> = Promise.resolve();

  const step = async (name: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
      failing.delete(name);
    } catch (error) {
      // A full disk may be emptied again, a database come back: everything that failed is tried anew in a second.
      const isSaid = failing.has(name) || replicas.outage !== null;
      logger[isSaid && isUnavailable(error) ? 'debug' : 'error']('tick.failed', { step: name, error });
      failing.add(name);
    }
  };
  const tick = async (): Promise<void> => {
    await step('leases', () => leases.sweep(policy));
    await step('nodes', () => registry.sweep());
    await step('tokens', () => clientAuth.flush());
    await step('replicas', () => replicas.tick());
  };
  /** Time that went by without this program is nobody's silence. */
  const leap = (ms: number): void => {
    logger.warn('clock.leapt', { seconds: Math.round(ms / 1000) });
    leases.shift(ms);
    registry.shift(ms);
    void dispatcher.promote();
  };
  let isBusy = false;
  // Goes on while a tick waits for the store: the machine may sleep, or its clock be set, just then.
  const arm = (): void => {
    const dueAt = clock.now() + TICK_MS;
    cancel = clock.after(TICK_MS, () => {
      const late = clock.now() - dueAt;
      if (Math.abs(late) > LEAP_MS) leap(late);
      arm();
      if (isBusy) return;
      isBusy = true;
      running = tick().finally(() => {
        isBusy = false;
      });
    });
  };
  let stopWatch = (): void => undefined;
  /** By itself: a store that is away holds up the steps of a tick. */
  const watch = (): void => {
    replicas.watch();
    control.objectsWatch.tick();
    if (!stopped) stopWatch = clock.after(TICK_MS, watch);
  };
  replicas.start();
  watch();
  arm();
  return async () => {
    if (stopped) return;
    stopped = true;
    cancel();
    stopWatch();
    await running;
    await step('leases', () => leases.flush());
    await step('nodes', () => registry.flush());
    await step('tokens', () => clientAuth.flush());
  };
}

function isUnavailable(error: unknown): boolean {
  return error instanceof FlatrenderError && error.code === 'UNAVAILABLE';
}
