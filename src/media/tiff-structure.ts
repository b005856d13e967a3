/** The structure of a TIFF file: its first directory and the data it names. TIFF 6.0 by section. */
import { cutOff, type PictureReading } from './picture.ts';

/** Tags (section 8) by number. */
const TAG = {
  width: 256,
  height: 257,
  bitsPerSample: 258,
  compression: 259,
  stripOffsets: 273,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  planar: 284,
  tileOffsets: 324,
  tileByteCounts: 325,
} as const;

/** Bytes of a value by field type (section 2). */
const TYPE_BYTES: Readonly<Record<number, 1 | 2 | 4>> = { 1: 1, 3: 2, 4: 4 };

const UNCOMPRESSED = 1;
const LZW = 5;
/** Adobe's number of Deflate (TIFF Technical Notes, 2002) and that of the draft before it. */
const DEFLATE = [8, 32_946];

/** Reads the first directory and checks that the data is there. Throws RangeError when a place in it lies behind the end. */
export function readTiff(bytes: Buffer): PictureReading {
  const tags = readDirectory(bytes);
  if (tags === null) return { fault: 'is damaged: its directory ends in zeros' };
  const one = (tag: number, otherwise: number): number => tags.get(tag)?.[0] ?? otherwise;
  const [width, height] = [one(TAG.width, 0), one(TAG.height, 0)];
  const offsets = tags.get(TAG.stripOffsets) ?? tags.get(TAG.tileOffsets) ?? [];
  const counts = tags.get(TAG.stripByteCounts) ?? tags.get(TAG.tileByteCounts) ?? [];
  if (width === 0 || height === 0 || offsets.length === 0 || offsets.length !== counts.length)
    return { fault: 'is damaged: its directory names no picture' };
  const samples = one(TAG.samplesPerPixel, 1);
  const compression = one(TAG.compression, UNCOMPRESSED);
  const strips =
    Math.ceil(height / Math.min(height, one(TAG.rowsPerStrip, height))) *
    (one(TAG.planar, 1) === 2 ? samples : 1);
  if (tags.has(TAG.stripOffsets) && offsets.length < strips)
    return { fault: `is damaged: ${offsets.length} of ${strips} strips are named` };
  let total = 0;
  for (const [index, offset] of offsets.entries()) {
    const count = counts[index] ?? 0;
    if (offset + count > bytes.length) return cutOff(bytes);
    if (count === 0 || offset < 8) return { fault: `is damaged: its strip ${index + 1} is empty` };
    if (isDamaged(bytes.subarray(offset, offset + count), compression))
      return { fault: `is damaged at byte ${offset}: there is no picture data` };
    total += count;
  }
  const bits = (tags.get(TAG.bitsPerSample) ?? [1]).reduce((sum, each) => sum + each, 0);
  if (bits === 0) return { fault: 'is damaged: its samples have no bits' };
  if (compression === UNCOMPRESSED && total < height * Math.ceil((width * bits) / 8)) return cutOff(bytes);
  return { kind: 'tiff', width, height, hasAlpha: samples === 2 || samples > 3 };
}

/** Null: it has entries that were never written. */
function readDirectory(bytes: Buffer): Map<number, number[]> | null {
  const isLittle = bytes[0] === 0x49;
  const u16 = (at: number): number => (isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const u32 = (at: number): number => (isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const wanted = new Set<number>(Object.values(TAG));
  const tags = new Map<number, number[]>();
  const start = u32(4);
  const entries = u16(start);
  u32(start + 2 + entries * 12); // where the next one is: it ends the directory
  for (let entry = 0; entry < entries; entry += 1) {
    const at = start + 2 + entry * 12;
    const [tag, size, count] = [u16(at), TYPE_BYTES[u16(at + 2)], u32(at + 4)];
    if (tag === 0) return null;
    if (size === undefined || !wanted.has(tag)) continue;
    const from = size * count <= 4 ? at + 8 : u32(at + 8);
    // Before room is made for the list.
    if (from + size * count > bytes.length)
      throw new RangeError('a list of the directory lies behind the end');
    const read = size === 1 ? (place: number) => bytes.readUInt8(place) : size === 2 ? u16 : u32;
    tags.set(
      tag,
      Array.from({ length: count }, (_, index) => read(from + index * size)),
    );
  }
  return tags;
}

/** Whether a strip of a compressed picture cannot be one: zeros were left where it begins or ends. */
function isDamaged(strip: Buffer, compression: number): boolean {
  const [first, second] = [strip[0] ?? 0, strip[1] ?? 0];
  const endsInZeros = strip.subarray(-4).every((byte) => byte === 0);
  if (compression === LZW) {
    // Section 13: the first code clears the table (9 bits, 256); the last one, 257, has its lowest bit set and at most
    // 7 bits behind it. Writers before 1990 had the bits the other way round.
    const begins = first === 0x80 || (first === 0 && (second & 1) === 1);
    return !begins || endsInZeros;
  }
  // RFC 1950: method 8, a check of the two bytes; at the end a checksum that is never 0.
  if (DEFLATE.includes(compression))
    return (first & 15) !== 8 || (first * 256 + second) % 31 !== 0 || endsInZeros;
  return false;
}
