/**
 * Reading big-endian RIFF ("RIFX"), the container of After Effects projects: chunks of a four-letter id, a size, and data
 * padded to an even length; a `LIST` chunk is a four-letter type and chunks. Nothing is copied and no tree is built: whoever
 * needs a chunk walks to it, so time and memory follow from what is asked for and are at most linear in the file.
 */
import { isUtf8 } from 'node:buffer';
import { FlatrenderError } from '../../lib/errors.ts';

/** What a project may be at most. Far above real ones, low enough that a hostile one does no harm. */
export const AEP_LIMITS = {
  /** Of the file; it is read into memory. Projects of 200 MB are called huge. */
  fileBytes: 1024 ** 3,
  /** Lists in lists. Real files: some 30, plus two for each folder in a folder. */
  depth: 256,
  /** Folders, compositions and footage together. */
  items: 100_000,
  /** Of all compositions together. */
  layers: 200_000,
  /** Of a name, in bytes. After Effects stops at 255 characters. */
  nameBytes: 1024,
  /** Of the record of a footage path. Paths end at 32 767 characters (Windows). */
  pathBytes: 256 * 1024,
} as const;

/** Bytes with the name that messages call them by. */
export interface RifxFile {
  readonly bytes: Buffer;
  readonly name: string;
}

/** One chunk; all numbers are offsets into the file. */
export interface RifxChunk {
  /** Four characters; of a list its type. */
  readonly id: string;
  readonly isList: boolean;
  /** Of the header. */
  readonly offset: number;
  /** Of the data; of a list, of its first chunk. */
  readonly start: number;
  /** Where the data end, without the padding. */
  readonly end: number;
  /** Lists around it. */
  readonly depth: number;
}

/** The chunk around everything; AEP_INVALID when it is no project or cut off. What follows it (XMP) is not looked at. */
export function openRifx(file: RifxFile): RifxChunk {
  const { bytes } = file;
  const root = { id: 'RIFX', isList: true, offset: 0, start: 12, end: bytes.length, depth: 0 };
  const magic = bytes.toString('latin1', 0, 4);
  if (magic !== 'RIFX') {
    throw new FlatrenderError(
      'AEP_INVALID',
      `${file.name} is no After Effects project: it begins with ${JSON.stringify(magic)}, not "RIFX"`,
      { hint: hintFor(magic), details: { chunk: magic, offset: 0 } },
    );
  }
  if (bytes.length < 12) throw damaged(file, root, `it ends after ${bytes.length} bytes`);
  const form = bytes.toString('latin1', 8, 12);
  if (form !== 'Egg!')
    throw damaged(file, root, `its type is ${JSON.stringify(form)}; that of a project is "Egg!"`);
  const end = 8 + bytes.readUInt32BE(4);
  if (end < 12) throw damaged(file, root, 'its size leaves no room for a project');
  if (end > bytes.length) {
    throw damaged(file, root, `it should be ${end} bytes long and ends after ${bytes.length}: cut off`);
  }
  return { ...root, end };
}

/**
 * The chunks in a list, or in the data of a chunk that is known to hold chunks. AEP_INVALID at the first one that does not
 * fit into what is around it.
 */
export function* chunksIn(file: RifxFile, parent: RifxChunk): Generator<RifxChunk, void> {
  const { bytes } = file;
  const depth = parent.depth + 1;
  if (depth > AEP_LIMITS.depth)
    throw damaged(file, parent, `lists are nested more than ${AEP_LIMITS.depth} deep`);
  let at = parent.start;
  while (at < parent.end) {
    if (at + 8 > parent.end) {
      throw damaged(file, parent, `${parent.end - at} bytes at its end, offset ${at}, are no chunk`);
    }
    const id = bytes.toString('latin1', at, at + 4);
    const start = at + 8;
    const end = start + bytes.readUInt32BE(at + 4);
    const isList = id === 'LIST';
    if (end > parent.end) {
      const where = `it is ${end - start} bytes long, ${end - parent.end} more than "${shown(parent.id)}" around it has`;
      throw damaged(file, { id, offset: at }, where);
    }
    if (isList && end < start + 4) throw damaged(file, { id, offset: at }, 'a list without a type');
    yield isList
      ? { id: bytes.toString('latin1', start, start + 4), isList, offset: at, start: start + 4, end, depth }
      : { id, isList, offset: at, start, end, depth };
    at = end + ((end - start) & 1);
  }
}

/** The first chunk or list of that id in `parent`. */
export function findChunk(file: RifxFile, parent: RifxChunk, id: string): RifxChunk | undefined {
  for (const chunk of chunksIn(file, parent)) if (chunk.id === id) return chunk;
  return undefined;
}

/** The data of a chunk, not copied; AEP_INVALID when they are shorter than `atLeast`. */
export function dataOf(file: RifxFile, chunk: RifxChunk, atLeast = 0): Buffer {
  const size = chunk.end - chunk.start;
  if (size < atLeast) throw damaged(file, chunk, `it is ${size} bytes long and must be at least ${atLeast}`);
  return file.bytes.subarray(chunk.start, chunk.end);
}

/** The UTF-8 text of a chunk up to the first NUL; AEP_INVALID when it is longer than `atMost` bytes. */
export function textOf(file: RifxFile, chunk: RifxChunk, atMost: number = AEP_LIMITS.nameBytes): string {
  const data = dataOf(file, chunk);
  if (data.length > atMost)
    throw damaged(file, chunk, `a text of ${data.length} bytes; at most ${atMost} are allowed`);
  return cString(data).toString('utf8');
}

/**
 * A text up to the first NUL where After Effects 23 and later write UTF-8 and older versions the code page of the machine,
 * which the file does not name: what is no UTF-8 is taken for Western.
 */
export function legacyText(data: Buffer): string {
  const bytes = cString(data);
  return isUtf8(bytes) ? bytes.toString('utf8') : new TextDecoder('windows-1252').decode(bytes);
}

/** AEP_INVALID for a chunk, with its id and offset in the message and in the details. */
export function damaged(
  file: RifxFile,
  chunk: Pick<RifxChunk, 'id' | 'offset'>,
  reason: string,
): FlatrenderError {
  return new FlatrenderError(
    'AEP_INVALID',
    `${file.name} is damaged: chunk "${shown(chunk.id)}" at offset ${chunk.offset}: ${reason}`,
    {
      hint: 'open the project in After Effects and save it again, or take it from a backup',
      details: { chunk: chunk.id, offset: chunk.offset },
    },
  );
}

function cString(data: Buffer): Buffer {
  const end = data.indexOf(0);
  return end < 0 ? data : data.subarray(0, end);
}

/** An id of a damaged file can be anything; a message is one line of readable text. */
function shown(id: string): string {
  return id.replace(/[^\x20-\x7e]/g, '?');
}

function hintFor(magic: string): string {
  if (magic.startsWith('<?xm')) return 'an .aepx project is XML: save it as .aep in After Effects';
  if (magic.startsWith('PK'))
    return 'that is a zip, perhaps a bundle or a .mogrt; unpack it and give the .aep';
  if (magic === 'vers') return 'perhaps Git LFS has only left a pointer to it: run "git lfs pull"';
  return 'give the .aep that After Effects saved';
}
