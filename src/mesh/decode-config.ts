import { isUtf8 } from 'node:buffer';
import { FlatrenderError } from '../lib/errors.ts';

/**
 * The text of a configuration's bytes. MESH_INVALID names the first line that is not UTF-8: read leniently, a comment in
 * another encoding would be damaged by the next change of the file. A byte order mark stays, for parseWgConfig to refuse.
 */
export function decodeConfig(bytes: Uint8Array, file: string): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    const lines = Buffer.from(bytes).toString('latin1').split('\n');
    const line = lines.findIndex((each) => !isUtf8(Buffer.from(each, 'latin1')));
    throw new FlatrenderError(
      'MESH_INVALID',
      `${file}:${line + 1}: not UTF-8: "${Buffer.from(lines[line] ?? '', 'latin1')
        .toString()
        .trim()
        .slice(0, 60)}"`,
      { cause, hint: `save ${file} as UTF-8, then: flatrender wg sync` },
    );
  }
}
