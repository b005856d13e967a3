/** The engines of this version, each loaded only where it is used: they bring wasm and native code with them. */

import { FlatrenderError } from '../lib/errors.ts';
import type { EngineName } from '../protocol/names.ts';
import type { Engine } from './engine.ts';

/** Engines in the order in which a node lists them. */
export const ENGINE_NAMES: readonly EngineName[] = ['lottie', 'ffmpeg', 'aerender', 'mock'];

/** Loads an engine. ENGINE_UNAVAILABLE for one that this version does not have. */
export async function loadEngine(name: EngineName): Promise<Engine> {
  switch (name) {
    case 'lottie':
      return (await import('./lottie/lottie-engine.ts')).lottieEngine;
    case 'ffmpeg':
      return (await import('./ffmpeg/ffmpeg-engine.ts')).ffmpegEngine;
    case 'aerender':
      return (await import('./aerender/aerender-engine.ts')).aerenderEngine;
    case 'mock':
      return (await import('./mock/mock-engine.ts')).mockEngine;
    default:
      throw new FlatrenderError('ENGINE_UNAVAILABLE', `this version of flatrender has no engine "${name}"`, {
        hint: 'update flatrender on this node',
      });
  }
}
