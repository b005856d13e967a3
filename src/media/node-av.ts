/**
 * The FFmpeg libraries in the package node-av, which is optional: it has no build for every platform.
 *
 * Of node-av 6.1.1, found with gdb: `options` of an encoder or decoder is freed twice (FFmpeg replaces the dictionary,
 * its wrapper frees the old one when it is collected) and takes the process down some videos later. Options are
 * therefore set in `configure`. Frames made from a buffer share its memory.
 */

import type { Demuxer, Muxer } from 'node-av';
import { FlatrenderError } from '../lib/errors.ts';
import { INSTALL_HINT } from './ffmpeg.ts';
import { isMediaFormat } from './media-formats.ts';

export type NodeAv = typeof import('node-av');

let loaded: Promise<NodeAv | null> | undefined;

/** Loads node-av once; null when this machine has none that works. */
export function loadNodeAv(): Promise<NodeAv | null> {
  loaded ??= import('node-av').then(
    (module) => {
      // x264 writes a page of statistics on stderr after each file.
      module.Log.setLevel(module.AV_LOG_FATAL);
      return module;
    },
    () => null,
  );
  return loaded;
}

/** Loads node-av or throws FFMPEG_MISSING. */
export async function requireNodeAv(): Promise<NodeAv> {
  const module = await loadNodeAv();
  if (module) return module;
  throw new FlatrenderError('FFMPEG_MISSING', 'there is neither an ffmpeg on PATH nor the package node-av', {
    hint: INSTALL_HINT,
  });
}

/** Opens a media file. Throws MEDIA_INVALID with FFmpeg's reason. */
export async function openMedia(av: NodeAv, path: string): Promise<Demuxer> {
  // Before it is opened: opening a playlist would open what it names.
  const format = await av.Demuxer.probeFormat(path).catch(() => null);
  if (!format || !isMediaFormat(format.format)) {
    throw new FlatrenderError('MEDIA_INVALID', `${path} is not a media file that can be read`);
  }
  return av.Demuxer.open(path).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FlatrenderError('MEDIA_INVALID', `${path} is not a media file that can be read: ${why}`, {
      cause,
    });
  });
}

/**
 * Ends a file that was opened to write and closes it. `close()` alone leaves it open (node-av 6.1.1: its own files count as
 * the caller's), and on Windows nobody can rename or remove it then.
 */
export async function closeMuxer(av: NodeAv, muxer: Muxer): Promise<void> {
  muxer.getFormatContext().clearFlags(av.AVFMT_FLAG_CUSTOM_IO);
  await muxer.close();
}
