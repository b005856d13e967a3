/**
 * Makes programs of one file out of the stand-ins: rolldown makes one CommonJS script of the sources, Node puts it into a
 * copy of itself (`--build-sea`, since Node 25.5). Works for Windows on Linux, given a node.exe of the same version.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';

export interface ExeOptions {
  /** The program's module: it runs when it is loaded. */
  readonly entry: string;
  /** The executable that is written. */
  readonly file: string;
  /** Node of the target system and of this process's version; default: the one that runs this. */
  readonly node?: string;
}

/** Builds an executable. Throws with Node's own words when it cannot. */
export async function buildExe({ entry, file, node = process.execPath }: ExeOptions): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'build-exe-'));
  try {
    const main = join(directory, 'main.cjs');
    await bundle(entry, main);
    const executable = join(directory, 'node');
    await writeFile(executable, withoutSignature(await readFile(node)));
    const config = join(directory, 'sea.json');
    const assets = {
      'canvaskit.wasm': createRequire(import.meta.url).resolve('canvaskit-wasm/bin/full/canvaskit.wasm'),
    };
    const sea = { main, output: file, executable, assets, disableExperimentalSEAWarning: true };
    await writeFile(config, JSON.stringify(sea));
    await promisify(execFile)(process.execPath, ['--build-sea', config]);
    await chmod(file, 0o755);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** One CommonJS script; Skia's loader is replaced by one that takes it from the executable. */
async function bundle(entry: string, file: string): Promise<void> {
  const replacement = join(import.meta.dirname, 'canvaskit-asset.ts');
  const build = await rolldown({
    input: entry,
    platform: 'node',
    // Optional or not reached from here; what is missing is a rejected import.
    external: ['node-av', 'rolldown'],
    logLevel: 'silent',
    plugins: [
      {
        name: 'canvaskit-asset',
        resolveId: (source: string) => (/lottie\/canvaskit\.ts$/.test(source) ? replacement : null),
      },
    ],
  });
  await build.write({ file, format: 'cjs', codeSplitting: false });
  await build.close();
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
