/**
 * Reading a bundle zip that anybody may have made. Everything the directory of the archive says is checked before a byte
 * of content is read; the content is checked against it while it is read.
 */
import { PassThrough, type Readable, Transform } from 'node:stream';
import { crc32 } from 'node:zlib';
import yauzl, { type Entry, type ZipFile } from 'yauzl';
import { FlatrenderError } from '../lib/errors.ts';
import { NameRegister, nameProblem } from './entry-names.ts';

/** Where the zip's bytes are: a path, or anything that can be read at an offset (an object store). */
export type ZipSource = string | ZipBytes;

export interface ZipBytes {
  /** For messages. */
  readonly name: string;
  readonly sizeBytes: number;
  /** The bytes from `start` up to, not including, `end`. */
  read(start: number, end: number): Promise<Readable>;
}

export interface BundleLimits {
  /** Files and folders. */
  readonly maxEntries: number;
  /** Of all files, unpacked. */
  readonly maxBytes: number;
}

/** Enough for any template; small enough that a hostile bundle does no harm. */
export const BUNDLE_LIMITS: BundleLimits = { maxEntries: 10_000, maxBytes: 8 * 1024 ** 3 };

/** Deflate reaches 1032:1 on zeros. What is small unpacked does no harm at any ratio. */
export const MOST_RATIO = {
  file: 250,
  fileFromBytes: 32 * 1024 ** 2,
  all: 100,
  allFromBytes: 256 * 1024 ** 2,
} as const;

export interface ZipEntry {
  /** Relative, forward slashes, checked; without the final slash of a folder. */
  readonly name: string;
  readonly folder: boolean;
  readonly sizeBytes: number;
  readonly compressedBytes: number;
}

/** A zip whose directory is sound. */
export interface OpenZip extends AsyncDisposable {
  readonly entries: readonly ZipEntry[];
  /** Size of all files, unpacked. */
  readonly totalBytes: number;
  /** The content of a file; ends with BUNDLE_REFUSED when size or CRC-32 are not the announced ones. */
  read(entry: ZipEntry): Promise<Readable>;
}

interface Known extends ZipEntry {
  readonly entry: Entry;
}

/** Opens a zip and checks all that its directory says; BUNDLE_REFUSED names the entry and the reason. */
export async function openZip(
  source: ZipSource,
  options: { readonly limits?: BundleLimits; readonly signal?: AbortSignal | undefined } = {},
): Promise<OpenZip> {
  const file = typeof source === 'string' ? source : source.name;
  const zip = await openFile(source).catch((error) => {
    throw readError(error, file);
  });
  try {
    const entries = await readDirectory(zip, file, options.limits ?? BUNDLE_LIMITS, options.signal);
    return {
      entries,
      totalBytes: entries.reduce((sum, entry) => sum + entry.sizeBytes, 0),
      read: (entry) => readEntry(zip, file, entry),
      async [Symbol.asyncDispose]() {
        zip.close();
      },
    };
  } catch (error) {
    zip.close();
    throw readError(error, file);
  }
}

/** BUNDLE_REFUSED for one entry. The name is shown quoted: it may contain anything. */
export function refused(name: string, reason: string, cause?: unknown): FlatrenderError {
  const shown = JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
  return new FlatrenderError('BUNDLE_REFUSED', `bundle refused: the entry ${shown} ${reason}`, {
    cause,
    hint: 'make the bundle with "flatrender template push DIRECTORY"; it packs it in the right form',
    details: { entry: name.slice(0, 1000), reason },
  });
}

function refusedWhole(file: string, reason: string, cause?: unknown): FlatrenderError {
  return new FlatrenderError('BUNDLE_REFUSED', `bundle refused: ${file} ${reason}`, {
    cause,
    details: { reason },
  });
}

/** What yauzl and zlib throw is about the zip; what the system or an object store throws has a code, and is not. */
function isAboutZip(error: unknown): error is Error {
  if (!(error instanceof Error) || error instanceof FlatrenderError || error.name === 'AbortError')
    return false;
  return !('code' in error) || String(error.code).startsWith('Z_');
}

function readError(error: unknown, file: string): unknown {
  if (isAboutZip(error)) {
    const reason = error.message.split('. ')[0] ?? '';
    return refusedWhole(file, `is not a readable zip: ${reason.replace(/^E/, 'e')}`, error);
  }
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
    return new FlatrenderError('USAGE', `there is no file ${file}`, { cause: error });
  }
  return error;
}

const OPTIONS = {
  autoClose: false,
  lazyEntries: true,
  decodeStrings: false,
  validateEntrySizes: true,
} as const;

class BytesReader extends yauzl.RandomAccessReader {
  readonly #bytes: ZipBytes;

  constructor(bytes: ZipBytes) {
    super();
    this.#bytes = bytes;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const through = new PassThrough();
    this.#bytes.read(start, end).then(
      (stream) => stream.on('error', (error) => through.destroy(error)).pipe(through),
      (error) => through.destroy(error),
    );
    return through;
  }
}

async function openFile(source: ZipSource): Promise<ZipFile> {
  if (typeof source === 'string') return yauzl.openPromise(source, OPTIONS);
  return yauzl.fromRandomAccessReaderPromise(new BytesReader(source), source.sizeBytes, OPTIONS);
}

async function readDirectory(
  zip: ZipFile,
  file: string,
  limits: BundleLimits,
  signal?: AbortSignal,
): Promise<Known[]> {
  if (zip.entryCount > limits.maxEntries) {
    throw refusedWhole(file, `has ${zip.entryCount} entries; at most ${limits.maxEntries} are allowed`);
  }
  // Until the first entry is read, the cursor is the offset of the directory: where the content must have ended.
  const contentEnd = Number(zip.readEntryCursor);
  const names = new NameRegister();
  const entries: Known[] = [];
  let unpacked = 0;
  for await (const entry of zip.eachEntry()) {
    signal?.throwIfAborted();
    const known = checkEntry(entry, names);
    unpacked += known.sizeBytes;
    if (unpacked > limits.maxBytes) {
      throw refusedWhole(file, `unpacks to more than ${limits.maxBytes} bytes`);
    }
    entries.push(known);
  }
  const packed = entries.reduce((sum, entry) => sum + entry.compressedBytes, 0);
  if (unpacked > MOST_RATIO.allFromBytes && unpacked > packed * MOST_RATIO.all) {
    throw refusedWhole(
      file,
      `unpacks to ${unpacked} bytes, over ${MOST_RATIO.all} times its size: a zip bomb`,
    );
  }
  await checkPlaces(zip, entries, contentEnd, signal);
  return entries;
}

function checkEntry(entry: Entry, names: NameRegister): Known {
  const raw = nameOf(entry);
  const folder = raw.endsWith('/');
  const name = folder ? raw.slice(0, -1) : raw;
  const problem =
    nameProblem(name) ??
    modeProblem(entry, folder) ??
    contentProblem(entry, folder) ??
    names.add(name, folder);
  if (problem !== null) throw refused(raw, problem);
  const { uncompressedSize: sizeBytes, compressedSize: compressedBytes } = entry;
  return { name, folder, sizeBytes, compressedBytes, entry };
}

function nameOf(entry: Entry): string {
  // Strict: a backslash stays one (and is refused) instead of becoming a slash.
  return yauzl.getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, true);
}

/** Unix file types, `man 7 inode`: the upper half of the external attributes, whatever system the zip says it is from. */
function modeProblem(entry: Entry, folder: boolean): string | null {
  const type = (entry.externalFileAttributes >>> 16) & 0o170000;
  if (type === 0o120000) return 'is a symbolic link';
  if (type !== 0 && type !== 0o100000 && type !== 0o040000)
    return 'is a special file (device, pipe or socket)';
  if (type === 0o040000 && !folder) return 'is both a file and a folder';
  if (type === 0o100000 && folder) return 'is both a file and a folder';
  return null;
}

function contentProblem(entry: Entry, folder: boolean): string | null {
  // Bits 0, 6 and 13: encrypted, strongly encrypted, encrypted directory (PKWARE APPNOTE 4.4.4).
  if ((entry.generalPurposeBitFlag & 0x2041) !== 0) return 'is encrypted';
  if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8) {
    return `is compressed by method ${entry.compressionMethod}; only stored and deflate can be read`;
  }
  const { uncompressedSize, compressedSize } = entry;
  if (folder && uncompressedSize > 0) return 'is a folder with content';
  if (!Number.isSafeInteger(uncompressedSize) || !Number.isSafeInteger(compressedSize))
    return 'has an impossible size';
  if (uncompressedSize > MOST_RATIO.fileFromBytes && uncompressedSize > compressedSize * MOST_RATIO.file) {
    return `unpacks to ${uncompressedSize} bytes, over ${MOST_RATIO.file} times its packed size: a zip bomb`;
  }
  return null;
}

/** Entries that share bytes make bombs without a high ratio; a second name in the local header fools other readers. */
async function checkPlaces(
  zip: ZipFile,
  entries: readonly Known[],
  contentEnd: number,
  signal?: AbortSignal,
): Promise<void> {
  let end = 0;
  const inOrder = entries.toSorted(
    (a, b) => a.entry.relativeOffsetOfLocalHeader - b.entry.relativeOffsetOfLocalHeader,
  );
  for (const { entry, name } of inOrder) {
    signal?.throwIfAborted();
    const start = entry.relativeOffsetOfLocalHeader;
    if (start < end) throw refused(name, 'shares its bytes with another entry');
    const local = await zip.readLocalFileHeaderPromise(entry).catch((error) => {
      throw isAboutZip(error) ? refused(name, `cannot be read: ${error.message}`, error) : error;
    });
    if (!local.fileName.equals(entry.fileNameRaw))
      throw refused(name, 'has another name in front of its content');
    end = local.fileDataStart + entry.compressedSize;
    if (end > contentEnd) throw refused(name, 'reaches into the directory of the archive');
  }
}

async function readEntry(zip: ZipFile, file: string, wanted: ZipEntry): Promise<Readable> {
  const { entry } = wanted as Known;
  const content = await zip.openReadStreamPromise(entry).catch((error) => {
    throw readError(error, file);
  });
  let crc = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      crc = crc32(chunk, crc);
      done(null, chunk);
    },
    flush(done) {
      done(
        crc === entry.crc32 ? null : refused(wanted.name, 'is damaged: its CRC-32 is another than announced'),
      );
    },
  });
  content.on('error', (error) => {
    check.destroy(isAboutZip(error) ? refused(wanted.name, `is damaged: ${error.message}`, error) : error);
  });
  check.on('close', () => content.destroy());
  return content.pipe(check);
}
