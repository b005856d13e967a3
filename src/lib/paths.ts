import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getAsset, isSea } from 'node:sea';

let found: string | undefined;

/**
 * Returns the directory of the flatrender package: the place of `templates/` and `src/store/<backend>/migrations/`.
 *
 * Those files are shipped where they are in the repository, so one rule works for TypeScript sources, for dist/ and
 * for an installed package: up from this module to the package.json named flatrender. In the single executable
 * there is no package: there it is the directory of the executable.
 */
export function packageRoot(): string {
  found ??= isSea() ? dirname(process.execPath) : findUp(import.meta.dirname);
  return found;
}

/** Version of flatrender; that of the single executable is in it. */
export function packageVersion(): string {
  const text = isSea()
    ? getAsset('package.json', 'utf8')
    : readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return String(JSON.parse(text).version);
}

function findUp(start: string): string {
  for (let dir = start; ; dir = dirname(dir)) {
    const file = join(dir, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'flatrender') return dir;
    if (dirname(dir) === dir) throw new Error(`no package.json of flatrender above ${start}`);
  }
}
