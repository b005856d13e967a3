// `npm run release`: what is handed out, in dist/release/. The same sources give the same bytes.
//
//   flatrender-<version>-windows-x64.zip     flatrender.exe and what belongs beside it
//   flatrender-<version>-linux-x64.tar.gz    the program with its own Node, packages and encoder; bin/flatrender starts it
//   flatrender-<version>-sbom.cdx.json       what is in them: packages, versions, licences (CycloneDX)
//   SHA256SUMS
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeTarGz, writeZip } from './archive.ts';
import { buildWindows } from './build-windows.ts';
import { writeChecksums } from './checksums.ts';
import { releaseSbom } from './sbom.ts';

const root = join(import.meta.dirname, '..');

/** Starts the program with the Node beside it, also through a link in a directory of PATH. */
const LAUNCHER = `#!/bin/sh
here=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
exec "$here/node/bin/node" "$here/bin/run.js" "$@"
`;

/** Writes the archive for Windows; returns its path. */
export async function releaseWindows(directory: string): Promise<string> {
  const name = `flatrender-${await version()}-windows-x64`;
  const scratch = await mkdtemp(join(tmpdir(), 'release-'));
  try {
    const files = join(scratch, name);
    await buildWindows({ directory: files });
    const archive = join(directory, `${name}.zip`);
    await writeZip(files, name, archive);
    return archive;
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/** Writes the archive for Linux out of dist/, which has to be there; returns its path. */
export async function releaseLinux(directory: string): Promise<string> {
  const name = `flatrender-${await version()}-linux-x64`;
  const scratch = await mkdtemp(join(tmpdir(), 'release-'));
  try {
    const files = join(scratch, name);
    await mkdir(join(files, 'node', 'bin'), { recursive: true });
    for (const file of ['package.json', 'package-lock.json']) await cp(join(root, file), join(files, file));
    await promisify(execFile)(
      'npm',
      ['ci', '--omit=dev', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--silent'],
      { cwd: files, maxBuffer: 64 * 1024 * 1024 },
    );
    const own = ['bin/run.js', 'templates', 'LICENSE', 'README.md', 'CHANGELOG.md', 'deploy'];
    for (const path of [...own, ...globSync('src/store/*/migrations', { cwd: root })]) {
      await cp(join(root, path), join(files, path), { recursive: true });
    }
    await cp(join(root, 'dist'), join(files, 'dist'), {
      recursive: true,
      filter: (path) => !/[\\/]dist[\\/](windows|release)$/.test(path),
    });
    await cp(join(root, 'node_modules', 'node', 'bin', 'node'), join(files, 'node', 'bin', 'node'));
    await writeFile(join(files, 'bin', 'flatrender'), LAUNCHER);
    await chmod(join(files, 'bin', 'flatrender'), 0o755);
    const archive = join(directory, `${name}.tar.gz`);
    await writeTarGz(files, archive);
    return archive;
  } finally {
    await rm(scratch, { recursive: true });
  }
}

async function version(): Promise<string> {
  return JSON.parse(await readFile(join(root, 'package.json'), 'utf8')).version;
}

if (import.meta.main) {
  const directory = join(root, 'dist', 'release');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  for (const make of [releaseWindows, releaseLinux, releaseSbom]) {
    const started = performance.now();
    const archive = await make(directory);
    const megabytes = ((await stat(archive)).size / 1e6).toFixed(1);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(`${archive.slice(root.length + 1)}: ${megabytes} MB (${seconds} s)\n`);
  }
  await writeChecksums(directory);
}
