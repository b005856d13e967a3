/**
 * The sha256 of a stored file, kept beside it in `<file>~` with the size and the time of the file it belongs to. A crash
 * between the two renames leaves a pair that does not match; the digest is then computed again, once.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

/** Keys have no `~`: no object is ever mistaken for such a file. */
export const DIGEST_SUFFIX = '~';

/** What of `stat` says that a file is still the one a digest was made of. */
export interface FileIdentity {
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

/** The stored digest of this file, or null when there is none or it belongs to another content. */
export async function readDigest(path: string, file: FileIdentity): Promise<string | null> {
  let text: string;
  try {
    text = await readFile(path + DIGEST_SUFFIX, 'utf8');
  } catch {
    return null;
  }
  const match = /^([0-9a-f]{64}) (\d+) (\d+)\n$/.exec(text);
  if (match === null || match[2] !== String(file.size) || match[3] !== String(file.mtimeNs)) return null;
  return match[1] ?? null;
}

/** Writes the digest of the file at `path`, which has this identity, by way of `temp`. */
export async function writeDigest(
  path: string,
  temp: string,
  file: FileIdentity,
  sha256: string,
): Promise<void> {
  // Not flushed: when it is lost in a power cut, the digest is computed again.
  await writeFile(temp, `${sha256} ${file.size} ${file.mtimeNs}\n`, { mode: 0o600 });
  await rename(temp, path + DIGEST_SUFFIX);
}

/** sha256 of a file in hex. */
export async function digestFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash, { signal });
  return hash.digest('hex');
}
