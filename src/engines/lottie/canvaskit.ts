/** Skia and Skottie as WebAssembly, loaded once per process. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { CanvasKit, CanvasKitInitOptions } from 'canvaskit-wasm';

let loaded: Promise<CanvasKit> | undefined;

/** Loads canvaskit-wasm (the build with Skottie); the next render in this process finds it warm. */
export function loadCanvasKit(): Promise<CanvasKit> {
  loaded ??= load().catch((error: unknown) => {
    loaded = undefined;
    throw error;
  });
  return loaded;
}

/** Version of the installed package. */
export function canvasKitVersion(): string {
  const require = createRequire(import.meta.url);
  const { version } = require('canvaskit-wasm/package.json') as { version: string };
  return version;
}

async function load(): Promise<CanvasKit> {
  const require = createRequire(import.meta.url);
  const script = require.resolve('canvaskit-wasm/bin/full/canvaskit.js');
  const init = require('canvaskit-wasm/bin/full/canvaskit.js') as (
    options: CanvasKitInitOptions,
  ) => Promise<CanvasKit>;
  // It has no option for its messages: it binds console.error once, while it starts, so that is when to step in.
  const { error } = console;
  console.error = (...words: unknown[]) => {
    // Skottie tries every asset as a font, pictures too, and says so each time.
    if (!/failed to open <\d+> as a font/.test(String(words[0]))) error('canvaskit:', ...words);
  };
  try {
    return init({ locateFile: (file: string) => join(dirname(script), file) });
  } finally {
    console.error = error;
  }
}
