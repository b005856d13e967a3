/** The PostScript names of a font file: by these After Effects asks for its fonts. */

/** `name` records of the PostScript name (OpenType 1.9, "name — Naming table"). */
const POSTSCRIPT_NAME = 6;
/** A collection has a handful; more is no font. */
const MOST_FONTS = 256;

/**
 * PostScript names in a TTF, OTF or TTC file (those of a variable font's instances are not in it by name); empty for what is
 * no such file. Never throws.
 */
export function postScriptNames(bytes: Buffer): string[] {
  try {
    return [...new Set(fontOffsets(bytes).flatMap((at) => namesAt(bytes, at)))];
  } catch (error) {
    // Offsets that lead out of the file.
    if (error instanceof RangeError) return [];
    throw error;
  }
}

function fontOffsets(bytes: Buffer): number[] {
  const magic = bytes.toString('latin1', 0, 4);
  if (magic === 'ttcf') {
    const count = Math.min(bytes.readUInt32BE(8), MOST_FONTS);
    return Array.from({ length: count }, (_, index) => bytes.readUInt32BE(12 + 4 * index));
  }
  return magic === 'OTTO' || magic === 'true' || magic === '\0\x01\0\0' ? [0] : [];
}

function namesAt(bytes: Buffer, font: number): string[] {
  const tables = bytes.readUInt16BE(font + 4);
  for (let index = 0; index < tables; index += 1) {
    const record = font + 12 + 16 * index;
    if (bytes.toString('latin1', record, record + 4) !== 'name') continue;
    return namesIn(bytes, bytes.readUInt32BE(record + 8));
  }
  return [];
}

function namesIn(bytes: Buffer, table: number): string[] {
  const names: string[] = [];
  const count = bytes.readUInt16BE(table + 2);
  const texts = table + bytes.readUInt16BE(table + 4);
  for (let index = 0; index < count; index += 1) {
    const record = table + 6 + 12 * index;
    if (bytes.readUInt16BE(record + 6) !== POSTSCRIPT_NAME) continue;
    const start = texts + bytes.readUInt16BE(record + 10);
    const raw = bytes.subarray(start, start + bytes.readUInt16BE(record + 8));
    // Platform 1 is Macintosh, of one byte a character; the others are UTF-16. The name itself is ASCII by its definition.
    const isWide = bytes.readUInt16BE(record) !== 1 && raw.length % 2 === 0;
    const name = isWide ? Buffer.from(raw).swap16().toString('utf16le') : raw.toString('latin1');
    if (name !== '') names.push(name);
  }
  return names;
}
