/** Archives whose bytes depend on nothing but names, contents and permissions. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, globSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { ZipFile } from 'yazl';

/** Writes a zip with the files of a directory below a folder of that name. */
export async function writeZip(directory: string, folder: string, file: string): Promise<void> {
  const zip = new ZipFile();
  for (const name of filesOf(directory)) {
    const isProgram = ((await stat(join(directory, name))).mode & 0o100) !== 0;
    zip.addBuffer(await readFile(join(directory, name)), `${folder}/${name}`, {
      // The beginning of DOS time, in whatever time zone this is.
      mtime: new Date(1980, 0, 1),
      forceDosTimestamp: true,
      mode: isProgram ? 0o100755 : 0o100644,
    });
  }
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(file));
}

/** Writes a directory and everything in it as .tar.gz, below its own name; links are kept. With GNU tar. */
export async function writeTarGz(directory: string, file: string): Promise<void> {
  const same = [
    '--sort=name',
    '--mtime=@0',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=u=rwX,go=rX',
  ];
  const name = relative(dirname(directory), directory);
  const tar = spawn('tar', [...same, '-cf', '-', '-C', dirname(directory), name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(tar, 'close');
  await pipeline(tar.stdout, createGzip(), createWriteStream(file));
  const [exitCode] = await ended;
  if (exitCode !== 0) throw new Error(`tar of ${directory} ended with ${exitCode}`);
}

/** Paths of the files below a directory, with slashes, sorted. */
export function filesOf(directory: string): string[] {
  return globSync('**/*', { cwd: directory, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}
