/** koffi, which calls functions of Windows: the file beside the executable and no other. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FlatrenderError } from '../../lib/errors.ts';

export type Koffi = typeof import('koffi');

let loaded: Koffi | undefined;

/**
 * Loads koffi.node from the directory of the executable, by its whole path: searched for, or unpacked into a temporary
 * directory, it could be another user's file, and the service runs as LocalSystem. SERVICE_UNSUPPORTED when it is missing.
 */
export function loadKoffi(): Koffi {
  if (loaded) return loaded;
  const file = join(dirname(process.execPath), 'koffi.node');
  if (!existsSync(file)) {
    throw new FlatrenderError(
      'SERVICE_UNSUPPORTED',
      `${file} is missing: without it this is no Windows service`,
      {
        hint: 'put koffi.node of the same release beside flatrender.exe',
      },
    );
  }
  const module: { exports: unknown } = { exports: {} };
  process.dlopen(module, file);
  loaded = module.exports as Koffi;
  return loaded;
}
