/** Files of npm packages for other systems, which `npm ci` does not install here. */
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..');
const cache = join(root, 'node_modules', '.cache', 'npm-packages');

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** As in package-lock.json: `sha512-…`. */
  readonly integrity: string;
}

/** What package-lock.json says of a package, installed or not. Throws when it has none of that name. */
export async function lockedPackage(name: string): Promise<NpmPackage> {
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  const entry = packages[`node_modules/${name}`];
  if (!entry?.integrity) throw new Error(`package-lock.json has no ${name}`);
  return { name, version: entry.version, integrity: entry.integrity };
}

/**
 * The directory of a package's files, fetched with `npm pack` unless they are there from the last time. Throws when what
 * npm brought is not what `integrity` says.
 */
export async function packageFiles({ name, version, integrity }: NpmPackage): Promise<string> {
  const directory = join(cache, `${name.replace('/', '+')}-${version}`);
  if (existsSync(directory)) return directory;
  const scratch = await mkdtemp(join(tmpdir(), 'npm-package-'));
  try {
    const options = ['--pack-destination', scratch, '--ignore-scripts', '--prefer-offline', '--silent'];
    await promisify(execFile)('npm', ['pack', `${name}@${version}`, ...options], { cwd: scratch });
    const [file] = await readdir(scratch);
    if (file === undefined) throw new Error(`npm pack ${name}@${version} brought no file`);
    const found = createHash('sha512').update(await readFile(join(scratch, file)));
    if (`sha512-${found.digest('base64')}` !== integrity) {
      throw new Error(`${name}@${version} is not the file with the checksum ${integrity}`);
    }
    // Unpacked beside and moved into place: a build that is stopped leaves no half of a package.
    const next = join(cache, randomUUID());
    await mkdir(next, { recursive: true });
    await promisify(execFile)('tar', ['-xzf', join(scratch, file), '-C', next, '--strip-components=1']);
    await rename(next, directory).catch(async (error: unknown) => {
      await rm(next, { recursive: true });
      if (!existsSync(directory)) throw error;
    });
    return directory;
  } finally {
    await rm(scratch, { recursive: true });
  }
}
