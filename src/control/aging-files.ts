/** Files that the clean-up may remove before long, on farms with several control planes. */
import type { ObjectInfo } from '../objects/object-store.ts';
import type { Control } from './context.ts';

/**
 * Whether an unused file may be cleaned up before long. The control plane that cleans up does not know what another one was
 * asked for a moment ago.
 */
export function isAging(
  { store, clock, config }: Pick<Control, 'store' | 'clock' | 'config'>,
  { modifiedAt }: ObjectInfo,
): boolean {
  const keptMs = config.retention.unusedAssetsDays * 86_400_000;
  return store.shared !== null && clock.now() - modifiedAt > keptMs / 2;
}

/** Runs `work`, which looks for files and stores what needs them, while no control plane removes any. */
export function keepingFiles<T>({ store }: Pick<Control, 'store'>, work: () => Promise<T>): Promise<T> {
  return store.shared === null ? work() : store.shared.keepingFiles(work);
}
