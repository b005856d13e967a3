/**
 * Makes programs of one file out of the stand-ins: rolldown makes one CommonJS script of the sources, and Node is put
 * around it. Works for Windows on Linux, given a node.exe of the same version.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { buildSea } from '../../../bin/sea.ts';

export interface ExeOptions {
  /** The program's module: it runs when it is loaded. */
  readonly entry: string;
  /** The executable that is written. */
  readonly file: string;
  /** Node of the target system and of this process's version; default: the one that runs this. */
  readonly node?: string;
}

/** Builds an executable. Throws with Node's own words when it cannot. */
export async function buildExe({ entry, file, node }: ExeOptions): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'build-exe-'));
  try {
    const main = join(directory, 'main.cjs');
    await bundle(entry, main);
    const assets = {
      'canvaskit.wasm': createRequire(import.meta.url).resolve('canvaskit-wasm/bin/full/canvaskit.wasm'),
    };
    await buildSea({ main, file, assets, ...(node === undefined ? {} : { node }) });
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** One CommonJS script; Skia's loader is replaced by one that takes it from the executable. */
async function bundle(entry: string, file: string): Promise<void> {
  const replacement = join(import.meta.dirname, '../../../bin/windows/canvaskit-asset.ts');
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
