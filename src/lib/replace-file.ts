import { chmodSync, chownSync, closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';

/**
 * Replaces a file's content whole: written beside it, synced, renamed. `mode` is set exactly, whatever the umask (not on
 * Windows, which has none); a failure leaves the old file and nothing beside it.
 */
export function replaceFile(
  path: string,
  text: string,
  options: {
    readonly mode: number;
    readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  },
): void {
  const part = `${path}.${process.pid}.part`;
  // Left by a killed process of the same number; 'wx' refuses to follow a link that somebody put there.
  rmSync(part, { force: true });
  const descriptor = openSync(part, 'wx', options.mode & 0o700);
  try {
    try {
      writeSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (process.platform !== 'win32') {
      if (options.owner) chownSync(part, options.owner.uid, options.owner.gid);
      chmodSync(part, options.mode);
    }
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}
