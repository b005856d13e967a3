/** The once-a-second work: write-behind, silent nodes, expired leases. */
import type { Control } from './context.ts';

const TICK_MS = 1000;
// No load delays a timer this long: the machine slept, the process stood still, or somebody set the clock.
const LEAP_MS = 2000;

/** Starts ticking; the result stops it, after a last write of everything that is behind. */
export function startTicks(control: Control): () => Promise<void> {
  const { clock, registry, leases, dispatcher, clientAuth, policy, logger } = control;
  let stopped = false;
  let cancel = (): void => undefined;
  let running: Promise<void> = Promise.resolve();

  const step = async (name: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      // A full disk may be emptied again: everything that failed is tried anew in a second.
      logger.error('tick.failed', { step: name, error });
    }
  };
  const tick = async (): Promise<void> => {
    await step('leases', () => leases.sweep(policy));
    await step('nodes', () => registry.sweep());
    await step('tokens', () => clientAuth.flush());
  };
  /** Time that went by without this program is nobody's silence. */
  const leap = (ms: number): void => {
    logger.warn('clock.leapt', { seconds: Math.round(ms / 1000) });
    leases.shift(ms);
    registry.shift(ms);
    void dispatcher.promote();
  };
  const arm = (): void => {
    const dueAt = clock.now() + TICK_MS;
    cancel = clock.after(TICK_MS, () => {
      const late = clock.now() - dueAt;
      if (Math.abs(late) > LEAP_MS) leap(late);
      running = tick().finally(() => {
        if (!stopped) arm();
      });
    });
  };
  arm();
  return async () => {
    if (stopped) return;
    stopped = true;
    cancel();
    await running;
    await step('leases', () => leases.flush());
    await step('nodes', () => registry.flush());
    await step('tokens', () => clientAuth.flush());
  };
}
