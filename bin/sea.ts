/** Programs of one file: a script put into a copy of Node (`node --build-sea`, since Node 25.5). */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

export interface SeaOptions {
  /** One CommonJS script, complete; its name is what stack traces show. */
  readonly main: string;
  /** The executable that is written: an absolute path, as those of the assets. */
  readonly file: string;
  /** Name → file: what `getAsset` of node:sea finds. */
  readonly assets?: Readonly<Record<string, string>>;
  /** Node of the target system and of this process's version; default: the one that runs this. */
  readonly node?: string;
}

/** Writes an executable; the same input gives the same bytes. Throws with Node's own words when it cannot. */
export async function buildSea({ main, file, assets, node = process.execPath }: SeaOptions): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'build-sea-'));
  try {
    const executable = join(directory, 'node');
    await writeFile(executable, withoutSignature(await readFile(node)));
    const config = join(directory, 'sea.json');
    // The path of the script is put in as it is written here: without a directory it is the same on every machine.
    const sea = {
      main: basename(main),
      output: file,
      executable,
      assets,
      disableExperimentalSEAWarning: true,
    };
    await writeFile(config, JSON.stringify(sea));
    await promisify(execFile)(process.execPath, ['--build-sea', config], { cwd: dirname(main) });
    await chmod(file, 0o755);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/**
 * The executable without its Authenticode signature, which would be broken by what is put in: the directory entry and the
 * checksum are cleared, the table is at the end of the file (PE format, "The Attribute Certificate Table"). Others as they
 * are.
 */
export function withoutSignature(bytes: Buffer): Buffer {
  const pe = bytes.toString('latin1', 0, 2) === 'MZ' ? bytes.readUInt32LE(0x3c) : 0;
  if (pe === 0 || bytes.toString('latin1', pe, pe + 4) !== 'PE\0\0') return bytes;
  const optional = pe + 24;
  const entry = optional + 112 + 4 * 8; // of PE32+
  const offset = bytes.readUInt32LE(entry);
  const copy = Buffer.from(bytes);
  copy.fill(0, entry, entry + 8);
  copy.writeUInt32LE(0, optional + 64);
  return offset === 0 ? copy : copy.subarray(0, offset);
}
