/** A small file system of its own (tmpfs) that can be filled to the last byte and emptied again. Needs Linux and root. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atExit } from './leave-nothing.ts';

/** Why there are none here; null: there are. */
export const noSmallDisks: string | null =
  process.platform === 'linux' && process.getuid?.() === 0
    ? null
    : 'mounting a small disk needs root on Linux';

export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Leaves no byte free. */
  fill(): void;
  /** Takes away what `fill` wrote. */
  free(): void;
}

export async function mountSmallDisk(megabytes: number): Promise<SmallDisk> {
  const path = await mkdtemp(join(tmpdir(), 'flatrender-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700`, 'flatrender-test', path]);
  const filler = join(path, 'filler');
  // Lazily: whoever still has a file open there lets go of it by itself.
  const unmount = (): void => void execFileSync('umount', ['-l', path], { stdio: 'ignore' });
  const forget = atExit(unmount);
  return {
    path,
    fill() {
      const file = openSync(filler, 'a');
      // Down to single bytes: a program that writes little must not find room either.
      for (const size of [65_536, 4096, 1]) {
        const block = Buffer.alloc(size);
        try {
          while (writeSync(file, block) > 0);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        }
      }
      closeSync(file);
    },
    free: () => rmSync(filler, { force: true }),
    async [Symbol.asyncDispose]() {
      forget();
      unmount();
      await rm(path, { recursive: true, force: true });
    },
  };
}
