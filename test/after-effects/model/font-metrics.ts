/** Advances of the characters of a TrueType or OpenType font: tables head, hhea, hmtx and cmap, and nothing else. */
import { readFileSync } from 'node:fs';

export interface FontMetrics {
  /** Each per em. */
  readonly ascent: number;
  /** Below the baseline; positive. */
  readonly descent: number;
  advance(codePoint: number): number;
}

/** Reads a .ttf or .otf file, or the first font of a .ttc. Throws on what is none. */
export function readFontMetrics(path: string): FontMetrics {
  const bytes = readFileSync(path);
  const tables = readTables(bytes);
  const table = (tag: string): Buffer => {
    const found = tables.get(tag);
    if (!found) throw new Error(`${path} has no table "${tag}"`);
    return found;
  };
  const unitsPerEm = table('head').readUInt16BE(18);
  const hhea = table('hhea');
  const hmtx = table('hmtx');
  const count = hhea.readUInt16BE(34);
  const glyphOf = readCmap(table('cmap'));
  return {
    ascent: hhea.readInt16BE(4) / unitsPerEm,
    descent: -hhea.readInt16BE(6) / unitsPerEm,
    // Glyphs beyond the list have its last advance.
    advance: (codePoint) => hmtx.readUInt16BE(Math.min(glyphOf(codePoint), count - 1) * 4) / unitsPerEm,
  };
}

function readTables(bytes: Buffer): Map<string, Buffer> {
  const start = bytes.toString('latin1', 0, 4) === 'ttcf' ? bytes.readUInt32BE(12) : 0;
  const tables = new Map<string, Buffer>();
  for (let index = 0; index < bytes.readUInt16BE(start + 4); index += 1) {
    const at = start + 12 + index * 16;
    const offset = bytes.readUInt32BE(at + 8);
    tables.set(
      bytes.toString('latin1', at, at + 4),
      bytes.subarray(offset, offset + bytes.readUInt32BE(at + 12)),
    );
  }
  return tables;
}

type GlyphOf = (codePoint: number) => number;

/** The subtable of format 12 (all of Unicode), else that of format 4 (its first plane). Glyph 0: there is none. */
function readCmap(cmap: Buffer): GlyphOf {
  const subtables: Buffer[] = [];
  for (let index = 0; index < cmap.readUInt16BE(2); index += 1)
    subtables.push(cmap.subarray(cmap.readUInt32BE(4 + index * 8 + 4)));
  const full = subtables.find((table) => table.readUInt16BE(0) === 12);
  if (full) return (codePoint) => glyphInGroups(full, codePoint);
  const basic = subtables.find((table) => table.readUInt16BE(0) === 4);
  return (codePoint) => (basic ? glyphInSegments(basic, codePoint) : 0);
}

function glyphInGroups(table: Buffer, codePoint: number): number {
  for (let index = 0; index < table.readUInt32BE(12); index += 1) {
    const at = 16 + index * 12;
    const first = table.readUInt32BE(at);
    if (codePoint >= first && codePoint <= table.readUInt32BE(at + 4))
      return table.readUInt32BE(at + 8) + codePoint - first;
  }
  return 0;
}

function glyphInSegments(table: Buffer, codePoint: number): number {
  const bytes = table.readUInt16BE(6);
  for (let at = 0; at < bytes; at += 2) {
    if (codePoint > table.readUInt16BE(14 + at)) continue;
    const first = table.readUInt16BE(16 + bytes + at);
    if (codePoint < first) return 0;
    const delta = table.readUInt16BE(16 + 2 * bytes + at);
    const rangeAt = 16 + 3 * bytes + at;
    const range = table.readUInt16BE(rangeAt);
    if (range === 0) return (codePoint + delta) & 0xffff;
    const glyph = table.readUInt16BE(rangeAt + range + (codePoint - first) * 2);
    return glyph === 0 ? 0 : (glyph + delta) & 0xffff;
  }
  return 0;
}
