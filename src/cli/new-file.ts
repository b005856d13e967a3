import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { FlatrenderError } from '../lib/errors.ts';

/** USAGE when no file can be made there; said before any work is done for it. */
export function checkPlaceFor(path: string, hint: string): void {
  try {
    const directory = dirname(resolve(path));
    if (!statSync(directory).isDirectory()) throw new Error('not a directory');
    accessSync(directory, constants.W_OK);
  } catch (cause) {
    throw new FlatrenderError('USAGE', `cannot write ${path}: ${(cause as Error).message}`, { cause, hint });
  }
}

/** The same; also when there is a file already that is not to be replaced. */
export function checkNewFile(path: string, { force }: { readonly force: boolean }): void {
  checkPlaceFor(path, 'name another file');
  if (!existsSync(path)) return;
  if (statSync(path).isDirectory()) {
    throw new FlatrenderError('USAGE', `${path} is a directory`, { hint: 'name a file in it' });
  }
  if (!force) {
    throw new FlatrenderError('USAGE', `${path} exists`, {
      hint: 'name another file, or replace it: --force',
    });
  }
}
