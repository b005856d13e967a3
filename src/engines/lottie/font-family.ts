/** Gives a font file another family name. */

/** Name records that FreeType reads for the family and the style: 1 family, 2 style, 4 full name, 6 PostScript name. */
const NAME_IDS = [1, 2, 4, 6] as const;

/**
 * Returns a copy of a TTF or OTF font whose only family name is `family` (ASCII), or null for another kind of file
 * (WOFF, a collection, a font without names).
 *
 * Skottie in canvaskit-wasm 0.42 does not look fonts up by the key they are given under: it asks all of them for the
 * family that the Lottie file names and takes the first font when none has it. A family of its own for each
 * file is the only way to get exactly that file.
 */
export function renameFamily(bytes: Uint8Array, family: string): Uint8Array | null {
  const font = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = font.length < 12 ? '' : font.toString('latin1', 0, 4);
  if (kind !== '\0\x01\0\0' && kind !== 'OTTO' && kind !== 'true') return null;
  const entry = findTable(font, 'name');
  if (entry === undefined) return null;
  const names = nameTable(family);
  // Tables start at multiples of 4; the old table stays where it is, unused.
  const offset = Math.ceil(font.length / 4) * 4;
  const renamed = Buffer.alloc(offset + Math.ceil(names.length / 4) * 4);
  font.copy(renamed);
  names.copy(renamed, offset);
  renamed.writeUInt32BE(checksum(renamed.subarray(offset)), entry + 4);
  renamed.writeUInt32BE(offset, entry + 8);
  renamed.writeUInt32BE(names.length, entry + 12);
  return renamed;
}

/** Offset of a table's entry in the directory (OpenType 1.9, "Table Directory"). */
function findTable(font: Buffer, tag: string): number | undefined {
  const count = font.readUInt16BE(4);
  for (let index = 0; index < count; index += 1) {
    const entry = 12 + index * 16;
    if (entry + 16 > font.length) return undefined;
    if (font.toString('latin1', entry, entry + 4) === tag) return entry;
  }
  return undefined;
}

/** A version 0 naming table with English Windows names. */
function nameTable(family: string): Buffer {
  const values = NAME_IDS.map((id) => Buffer.from(id === 2 ? 'Regular' : family, 'utf16le').swap16());
  const header = Buffer.alloc(6 + NAME_IDS.length * 12);
  header.writeUInt16BE(NAME_IDS.length, 2);
  header.writeUInt16BE(header.length, 4);
  let offset = 0;
  for (const [index, id] of NAME_IDS.entries()) {
    const length = values[index]?.length ?? 0;
    for (const [field, value] of [3, 1, 0x409, id, length, offset].entries()) {
      header.writeUInt16BE(value, 6 + index * 12 + field * 2);
    }
    offset += length;
  }
  return Buffer.concat([header, ...values]);
}

function checksum(table: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 4 <= table.length; at += 4) sum = (sum + table.readUInt32BE(at)) >>> 0;
  return sum;
}
