/** The disk of a node: small files of the agent's state and rendered outputs. A killed agent loses nothing, a power cut may. */
import type { StateFiles } from '../../src/agent/json-file.ts';
import type { Process } from './world.ts';

interface StoredFile {
  readonly text: string;
  /** What a power cut leaves of it: what was there before, while this is not synced. */
  readonly synced: string | null;
  readonly syncedAt: number;
}

// Linux writes dirty pages back after 30 s at the latest (vm.dirty_expire_centisecs).
const SYNC_MS = 30_000;

export class Disk {
  readonly files = new Map<string, StoredFile>();
  /** Rendered files: path → sha256. */
  readonly outputs = new Map<string, { readonly sha256: string; readonly at: number }>();
  isFull = false;

  /** The files as a running agent sees them. Each step takes time, and the agent may die before or after it. */
  filesOf(process: Process, delay: () => number): StateFiles {
    const { world } = process;
    const step = async <T>(work: () => T): Promise<T> => {
      await process.wait(delay());
      const value = work();
      await process.wait(0);
      return value;
    };
    return {
      open: (directory) =>
        step(() => {
          const prefix = `${directory}/`;
          const names = [...this.files.keys()].filter((path) => path.startsWith(prefix));
          return names.map((path) => path.slice(prefix.length));
        }),
      read: (path) =>
        step(() => {
          const file = this.files.get(path);
          if (file === undefined) throw new Error(`ENOENT: ${path}`);
          return file.text;
        }),
      replace: (path, text) =>
        step(() => {
          if (this.isFull) throw new Error(`ENOSPC: ${path}`);
          const old = this.files.get(path);
          const isSynced = old !== undefined && old.syncedAt <= world.now;
          const synced = old === undefined ? null : isSynced ? old.text : old.synced;
          this.files.set(path, { text, synced, syncedAt: world.now + SYNC_MS });
        }),
      remove: (path) => step(() => void this.files.delete(path)),
    };
  }

  /** The power goes: files as they were last synced; newer outputs are damaged. */
  cut(now: number): void {
    for (const [path, file] of this.files) {
      if (file.syncedAt <= now) continue;
      if (file.synced === null) this.files.delete(path);
      else this.files.set(path, { text: file.synced, synced: file.synced, syncedAt: now });
    }
    for (const [path, { at }] of this.outputs) if (at + SYNC_MS > now) this.outputs.delete(path);
  }
}
