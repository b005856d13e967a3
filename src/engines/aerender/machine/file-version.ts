/** The version in a Windows program, read on any system. */
import { open } from 'node:fs/promises';

/** Resources are near the end; a program that holds its data too is not read whole. */
const MOST_BYTES = 32 * 1024 * 1024;
/** VS_FIXEDFILEINFO (Windows API, verrsrc.h): dwSignature 0xFEEF04BD and dwStrucVersion 1.0, little-endian. */
const SIGNATURE = Buffer.from([0xbd, 0x04, 0xef, 0xfe, 0x00, 0x00, 0x01, 0x00]);

/** "24.2.1" from the version resource of an .exe; null where there is none. Never throws. */
export async function fileVersion(path: string): Promise<string | null> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, MOST_BYTES));
    await file.read(bytes, 0, bytes.length, size - bytes.length);
    const at = bytes.lastIndexOf(SIGNATURE);
    if (at < 0 || at + 16 > bytes.length) return null;
    const high = bytes.readUInt32LE(at + 8);
    const low = bytes.readUInt32LE(at + 12);
    const parts = [high >>> 16, high & 0xffff, low >>> 16];
    while (parts.length > 1 && parts.at(-1) === 0) parts.pop();
    return parts[0] === 0 ? null : parts.join('.');
  } catch {
    return null;
  }
}
