/** Making the zip of a template: the same files give the same bytes, whenever and wherever they were copied. */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { type PassThrough, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import yazl from 'yazl';
import { FlatrenderError } from '../lib/errors.ts';
import { checkBundleFiles } from './bundle-files.ts';
import { type BundleSource, openBundle } from './bundle-source.ts';
import type { Manifest } from './manifest.ts';
import { manifestOf } from './read-manifest.ts';
import { MOST_RATIO, openZip } from './zip-reader.ts';

export interface PackedBundle {
  readonly manifest: Manifest;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly files: number;
}

export interface PackOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Compressed already: deflate costs time and gains nothing. */
const COMPRESSED = new Set(
  '.png .jpg .jpeg .gif .webp .avif .mp4 .m4v .mov .webm .mkv .mp3 .m4a .aac .ogg .opus .flac .woff .woff2 .zip .gz .lottie'.split(
    ' ',
  ),
);

/** The zip format stores local time: noon of some day is there in every time zone, and the same in the file. */
const fixedTime = (): Date => new Date(1981, 0, 1, 12);

/**
 * Packs the folder `dir` into `outFile`, which appears complete or not at all. The manifest and the files it names are
 * checked first: TEMPLATE_INVALID, BUNDLE_REFUSED (links, names that some node cannot have). Left out: version control,
 * node_modules, what systems leave in folders, and what `.flatrenderignore` lists.
 */
export async function packBundle(
  dir: string,
  outFile: string,
  options: PackOptions = {},
): Promise<PackedBundle> {
  await using bundle = await openBundle(dir);
  const manifest = await manifestOf(bundle);
  await checkBundleFiles(manifest, bundle);
  const temp = join(dirname(outFile), `.packing-${randomUUID()}`);
  try {
    const stored = new Set(
      [...bundle.files.keys()].filter((path) => COMPRESSED.has(extname(path).toLowerCase())),
    );
    let written = await write(bundle, dir, temp, stored, options.signal);
    const bombs = await looksLikeBomb(temp, bundle, written.sizeBytes, options.signal);
    if (bombs.length > 0) {
      // Hours of silence, a black film: honest files that a reader would take for an attack. They go in as they are.
      written = await write(bundle, dir, temp, new Set([...stored, ...bombs]), options.signal);
    }
    await rename(temp, outFile);
    return { manifest, ...written, files: bundle.files.size };
  } catch (error) {
    await rm(temp, { force: true });
    if (options.signal?.aborted) {
      throw new FlatrenderError('ABORTED', `packing ${dir} was aborted`, { cause: error });
    }
    throw error;
  }
}

async function write(
  bundle: BundleSource,
  dir: string,
  outFile: string,
  stored: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<{ sha256: string; sizeBytes: number }> {
  const zip = new yazl.ZipFile();
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      done(null, chunk);
    },
  });
  const options = { mtime: fixedTime(), mode: 0o100644, forceDosTimestamp: true };
  for (const path of bundle.files.keys()) {
    zip.addFile(join(dir, ...path.split('/')), path, { ...options, compress: !stored.has(path) });
  }
  zip.end();
  const output = zip.outputStream as PassThrough;
  zip.on('error', (error: Error) => output.destroy(changed(error, dir)));
  await pipeline(output, measure, createWriteStream(outFile, { flush: true }), { signal });
  return { sha256: hash.digest('hex'), sizeBytes };
}

/** Files that compress so well that {@link openZip} would refuse them. */
async function looksLikeBomb(
  zipFile: string,
  bundle: BundleSource,
  packedBytes: number,
  signal?: AbortSignal,
): Promise<string[]> {
  let total = 0;
  let largest = 0;
  for (const size of bundle.files.values()) {
    total += size;
    largest = Math.max(largest, size);
  }
  const suspicious =
    largest > MOST_RATIO.fileFromBytes ||
    (total > MOST_RATIO.allFromBytes && total > packedBytes * MOST_RATIO.all);
  if (!suspicious) return [];
  try {
    await using _zip = await openZip(zipFile, { signal });
    return [];
  } catch (error) {
    if (!(error instanceof FlatrenderError) || error.code !== 'BUNDLE_REFUSED') throw error;
    return [...bundle.files].filter(([, size]) => size > 1024 * 1024).map(([path]) => path);
  }
}

function changed(error: Error, dir: string): Error {
  if (!/unexpected number of bytes|not a file/.test(error.message)) return error;
  return new FlatrenderError('TEMPLATE_INVALID', `a file of ${dir} changed while it was packed`, {
    cause: error,
    hint: 'wait until nothing writes there, then try again',
  });
}
