/** The end of a movie file, as something that can be read although the file is not finished. */
import { type FileHandle, open } from 'node:fs/promises';

/** A file with an index, to be opened and sought; or the header and the last frames of one without. */
export type MovieTail = { readonly hasAlpha: boolean } & (
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'avi'; readonly bytes: Buffer }
);

/** Where the header of an AVI file ends at the latest; After Effects fills it up to 2 or 4 kB, others to 10. */
const MAX_HEADER = 256 * 1024;

/** Looks at a movie file. Null: there is nothing to read yet. Throws when it cannot be read. */
export async function movieTail(path: string): Promise<MovieTail | null> {
  await using file = await open(path);
  const { size } = await file.stat();
  const head = await read(file, 0, Math.min(size, MAX_HEADER));
  if (head.length < 12) return null;
  if (head.toString('latin1', 8, 12) !== 'AVI ') {
    const isOpen = isIsoMedia(head) && !(await hasIndex(file, size));
    return isOpen ? null : { kind: 'file', path, hasAlpha: true };
  }
  // The list of frames, after `LIST` and its length.
  const movi = head.indexOf('movi', 12, 'latin1');
  if (movi < 0) return null;
  const frames = movi + 4;
  const length = Math.min(size - frames, tailBytes(head));
  // While it is written its lengths and counts are zero: FFmpeg then takes them for unknown, and finds the frames
  // by their marks, `00dc` or `00db`, from wherever it begins.
  const bytes = Buffer.concat([head.subarray(0, frames), await read(file, size - length, length)]);
  bytes.writeUInt32LE(0, 4);
  bytes.writeUInt32LE(0, movi - 4);
  return { kind: 'avi', bytes, hasAlpha: false };
}

/** QuickTime and MP4: files of atoms, each with its length and type (ISO/IEC 14496-12, 4.2). */
function isIsoMedia(head: Buffer): boolean {
  return ['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip'].includes(head.toString('latin1', 4, 8));
}

/** Whether the atom is there that says where the frames are: it is looked for here because that costs no process. */
async function hasIndex(file: FileHandle, size: number): Promise<boolean> {
  for (let at = 0, atoms = 0; at + 8 <= size && atoms < 1000; atoms += 1) {
    const head = await read(file, at, 16);
    const short = head.length < 8 ? 0 : head.readUInt32BE(0);
    // 1: the length follows, in 64 bits; 0: to the end of the file, so nothing comes after it.
    const length = short === 1 && head.length === 16 ? Number(head.readBigUInt64BE(8)) : short;
    if (length < 8) return false;
    if (head.toString('latin1', 4, 8) === 'moov') return at + length <= size;
    at += length;
  }
  return false;
}

/** Room for two uncompressed frames, so that one is whole wherever the file ends. */
function tailBytes(head: Buffer): number {
  const main = head.indexOf('avih', 12, 'latin1');
  if (main < 0 || main + 48 > head.length) return 0;
  // AVIMAINHEADER: dwWidth and dwHeight after eight numbers.
  const [width, height] = [head.readUInt32LE(main + 40), head.readUInt32LE(main + 44)];
  return Math.min(width * height * 4 * 2.5, 256 * 1024 * 1024) + 65_536;
}

async function read(file: FileHandle, from: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, from);
  return buffer.subarray(0, bytesRead);
}
