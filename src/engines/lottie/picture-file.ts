/** Whether a picture file is whole: Skia draws what is there of a damaged one, and leaves the rest empty. */
import { crc32 } from 'node:zlib';

/** What is wrong with a PNG, JPEG, WebP or GIF file; undefined for a whole one and for anything else. */
export function pictureDamage(file: Uint8Array): string | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const starts = (magic: string): boolean => bytes.subarray(0, magic.length).toString('latin1') === magic;
  const cutOff = `is cut off: its end is missing (${bytes.length} bytes)`;
  if (starts('\x89PNG')) return pngDamage(bytes, cutOff);
  if (starts('\xff\xd8')) return hasJpegEnd(bytes) ? undefined : cutOff;
  if (starts('RIFF'))
    return bytes.length >= 12 && bytes.length >= bytes.readUInt32LE(4) + 8 ? undefined : cutOff;
  if (starts('GIF8')) return bytes.lastIndexOf(0x3b) > bytes.length - 64 ? undefined : cutOff;
  return undefined;
}

/** Walks the chunks (PNG specification, 5.3): length, type, data, CRC of type and data. */
function pngDamage(bytes: Buffer, cutOff: string): string | undefined {
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const end = at + 8 + length;
    if (end + 4 > bytes.length) return cutOff;
    const type = bytes.toString('latin1', at + 4, at + 8);
    // Of other chunks (comments, thumbnails) the picture does not depend.
    const isDrawn = type === 'IHDR' || type === 'PLTE' || type === 'IDAT' || type === 'tRNS';
    if (isDrawn && crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32BE(end))
      return `is damaged: the checksum of its ${type} chunk at byte ${at} is wrong`;
    if (type === 'IEND') return undefined;
    at = end + 4;
  }
  return cutOff;
}

/** Looks for the end marker behind the start of the scan: the thumbnail before it has one of its own. */
function hasJpegEnd(bytes: Buffer): boolean {
  for (let at = 2; at + 4 <= bytes.length; ) {
    const marker = bytes[at + 1] ?? 0;
    // Anything else between segments is not as the standard has it: then any end marker will do.
    if (bytes[at] !== 0xff) break;
    if (marker === 0xff) at += 1;
    else if (marker === 0xda) return bytes.indexOf(Buffer.from([0xff, 0xd9]), at) >= 0;
    else at += 2 + bytes.readUInt16BE(at + 2);
  }
  return bytes.lastIndexOf(Buffer.from([0xff, 0xd9])) > 0;
}
