import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';

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
      if (process.platform !== 'win32') {
        // Of what was opened, not of the name: in a directory of somebody else a link may have taken its place by now.
        if (options.owner) fchownSync(descriptor, options.owner.uid, options.owner.gid);
        fchmodSync(descriptor, options.mode);
      }
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}
