/** The way between a control plane and the farm's data: takes time, breaks, and may lose the answer of what was committed. */
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { FarmChange, Replica, SharedListener, SharedStore } from '../../src/store/shared.ts';
import type { Store } from '../../src/store/store.ts';
import type { MemoryStore } from './memory-store.ts';

type Operation = (...args: never[]) => unknown;

/** How operations travel. */
export interface StoreLine {
  /** Runs `work` at the data at some later time, in one step; resolves with its value, or rejects as the line does. */
  send<T>(name: string, args: readonly unknown[], work: () => T | Promise<T>): Promise<T>;
  readonly shared: SharedStore | null;
  /** As `Store.failure`. */
  failure(): FlatrenderError | null;
  /** Nothing is accepted any more. */
  close(): Promise<void>;
}

/** The methods of `Store` whose steps an object implements, whatever its class; see {@link MemoryStore}. */
function operationsOf(core: object): string[] {
  const names = new Set<string>();
  for (let layer: object = core; layer !== Object.prototype; layer = Object.getPrototypeOf(layer)) {
    for (const name of Object.getOwnPropertyNames(layer)) {
      if (name !== 'constructor' && typeof Reflect.get(core, name) === 'function') names.add(name);
    }
  }
  return [...names];
}

/** A store of one control plane over data that it may share with others. */
export function storeOver(core: Pick<MemoryStore, 'stats'> | Pick<Store, 'stats'>, line: StoreLine): Store {
  const store: Record<string, unknown> = {
    shared: line.shared,
    stats: () => core.stats(),
    failure: () => line.failure(),
    close: () => line.close(),
  };
  for (const name of operationsOf(core)) {
    store[name] ??= (...args: unknown[]) =>
      line.send(name, args, () => (Reflect.get(core, name) as Operation).apply(core, args as never[]));
  }
  return store as unknown as Store;
}

/** A line without faults and without time: what the conformance suite tests the data with. */
export function directLine(): StoreLine {
  let isClosed = false;
  return {
    shared: null,
    failure: () => null,
    async send(_, __, work) {
      if (isClosed) throw new FlatrenderError('STORE_FAILED', 'the store is closed');
      return await work();
    },
    async close() {
      isClosed = true;
    },
  };
}

export type { FarmChange, Replica, SharedListener };
