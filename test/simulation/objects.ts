/** The object store of the simulation: sizes by key. Survives everything but the clean-up. */
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { ObjectInfo, ObjectStore } from '../../src/objects/object-store.ts';

export class Objects {
  readonly stored = new Map<string, ObjectInfo>();

  /** As a control plane sees it. */
  asStore(): ObjectStore {
    const refuse = (): never => {
      throw new FlatrenderError('INTERNAL', 'not part of the simulation');
    };
    const { stored } = this;
    return {
      put: refuse,
      get: refuse,
      head: async (key) => stored.get(key) ?? null,
      async remove(key) {
        stored.delete(key);
      },
      async removeAll(keys) {
        for (const key of keys) stored.delete(key);
      },
      async *list(prefix) {
        for (const [key, info] of stored) if (key.startsWith(prefix)) yield info;
      },
      presignGet: async (key) => `sim://objects/${key}`,
      presignPut: async (key) => ({ url: `sim://objects/${key}`, headers: {} }),
      multipart: null,
      check: async () => undefined,
      close: async () => undefined,
    };
  }

  put(key: string, sizeBytes: number, sha256: string, now: number): void {
    this.stored.set(key, { key, sizeBytes, sha256, modifiedAt: now });
  }
}

/** The key of an address that this store signed. */
export function keyOf(url: string): string {
  return url.slice('sim://objects/'.length);
}
