/** Skia as an asset of an executable; takes the place of src/engines/lottie/canvaskit.ts in it. */
import fs from 'node:fs';
import { getRawAsset } from 'node:sea';
import type { CanvasKit, CanvasKitInitOptions } from 'canvaskit-wasm';
import program from 'canvaskit-wasm/bin/full/canvaskit.js';
import { version } from 'canvaskit-wasm/package.json' with { type: 'json' };

const NAME = 'canvaskit.wasm';

let loaded: Promise<CanvasKit> | undefined;

/** Loads Skia from the executable, once. */
export function loadCanvasKit(): Promise<CanvasKit> {
  loaded ??= load();
  return loaded;
}

/** Version of the package that was built in. */
export function canvasKitVersion(): string {
  return version;
}

/** This build of Skia takes no bytes (`wasmBinary` is compiled out) and reads a file: that is where they are given. */
async function load(): Promise<CanvasKit> {
  const { readFileSync } = fs;
  const initialize = program as unknown as (options: CanvasKitInitOptions) => Promise<CanvasKit>;
  const read = (path: string, ...rest: never[]) =>
    path === NAME ? new Uint8Array(getRawAsset(NAME) as ArrayBuffer) : readFileSync(path, ...rest);
  Object.assign(fs, { readFileSync: read });
  try {
    return await initialize({ locateFile: () => NAME });
  } finally {
    Object.assign(fs, { readFileSync });
  }
}
