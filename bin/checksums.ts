import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesOf } from './archive.ts';

/** Writes SHA256SUMS of a directory's other files, as `sha256sum --check` reads it. */
export async function writeChecksums(directory: string): Promise<void> {
  const lines: string[] = [];
  for (const file of filesOf(directory).filter((name) => name !== 'SHA256SUMS')) {
    const hash = createHash('sha256').update(await readFile(join(directory, file)));
    lines.push(`${hash.digest('hex')}  ${file}\n`);
  }
  await writeFile(join(directory, 'SHA256SUMS'), lines.join(''));
}
