import type { AepEffect, AepLayerKind } from './aep-project.ts';
import { readText } from './read-text.ts';
import { chunksIn, damaged, dataOf, findChunk, type RifxChunk, type RifxFile, textOf } from './rifx.ts';

/** A layer as the file has it; what its source is can only be said when all items are known. */
export interface RawLayer {
  /** For messages. */
  readonly chunk: RifxChunk;
  readonly name: string;
  /** null: the source decides. */
  readonly kind: AepLayerKind | null;
  /** 0: none. */
  readonly sourceId: number;
  readonly enabled: boolean;
  readonly solo: boolean;
  readonly shy: boolean;
  readonly locked: boolean;
  readonly guide: boolean;
  readonly adjustment: boolean;
  readonly threeD: boolean;
  readonly text: string | null;
  readonly fonts: readonly string[];
  readonly listedFonts: readonly string[];
  readonly effects: readonly AepEffect[];
}

/** `ldta`, byte 131; 0 is a layer that shows an item. */
const KINDS: Record<number, AepLayerKind> = { 1: 'light', 2: 'camera', 3: 'text', 4: 'shape', 5: 'model' };

/** What After Effects writes for "has the name it came with". */
const DEFAULT_NAME = '-_0_/-';

/** Reads a `Layr` list. */
export function readLayer(file: RifxFile, list: RifxChunk): RawLayer {
  let data: Buffer | undefined;
  let name = '';
  let properties: Properties = { text: null, fonts: [], listedFonts: [], effects: [] };
  for (const chunk of chunksIn(file, list)) {
    // Offsets up to the type at 131 are those of 160 bytes (After Effects 15 to 22) and more (23).
    if (chunk.id === 'ldta') data ??= dataOf(file, chunk, 132);
    else if (chunk.id === 'Utf8') name ||= textOf(file, chunk);
    else if (chunk.id === 'tdgp') properties = readProperties(file, chunk);
  }
  if (!data) throw damaged(file, list, 'a layer without "ldta"');
  const [a, b, c] = [data.readUInt8(37), data.readUInt8(38), data.readUInt8(39)];
  const type = data.readUInt8(131);
  const adjustment = (b & 0x02) !== 0;
  return {
    chunk: list,
    name,
    kind: type !== 0 ? (KINDS[type] ?? 'unknown') : b & 0x80 ? 'null' : adjustment ? 'adjustment' : null,
    sourceId: data.readUInt32BE(40),
    enabled: (c & 0x01) !== 0,
    solo: (b & 0x08) !== 0,
    shy: (c & 0x40) !== 0,
    locked: (c & 0x20) !== 0,
    guide: (a & 0x02) !== 0,
    adjustment,
    threeD: (b & 0x04) !== 0,
    ...properties,
  };
}

type Properties = Pick<RawLayer, 'text' | 'fonts' | 'listedFonts' | 'effects'>;

/** The properties of a layer: a match name (`tdmn`) before each list. */
function readProperties(file: RifxFile, group: RifxChunk): Properties {
  let effects: readonly AepEffect[] = [];
  let text: Pick<RawLayer, 'text' | 'fonts' | 'listedFonts'> = { text: null, fonts: [], listedFonts: [] };
  for (const [matchName, list] of namedLists(file, group)) {
    if (matchName === 'ADBE Effect Parade') effects = readEffects(file, list);
    else if (matchName === 'ADBE Text Properties') text = readTextProperties(file, list) ?? text;
  }
  return { ...text, effects };
}

function readTextProperties(file: RifxFile, group: RifxChunk) {
  for (const [matchName, list] of namedLists(file, group)) {
    const document = matchName === 'ADBE Text Document' ? findChunk(file, list, 'btdk') : undefined;
    if (!document) continue;
    const { text, usedFonts, listedFonts } = readText(file, document);
    return { text, fonts: usedFonts, listedFonts };
  }
  return undefined;
}

/** Effects are the `sspc` lists of the parade, each with the effect's name (`fnam`) and its properties. */
function readEffects(file: RifxFile, parade: RifxChunk): AepEffect[] {
  const effects: AepEffect[] = [];
  for (const [matchName, list] of namedLists(file, parade)) {
    if (list.id === 'sspc') effects.push({ matchName, name: effectName(file, list) || matchName });
  }
  return effects;
}

function effectName(file: RifxFile, list: RifxChunk): string {
  let original = '';
  for (const chunk of chunksIn(file, list)) {
    if (chunk.id === 'fnam') original = innerText(file, chunk);
    if (chunk.id !== 'tdgp') continue;
    const own = findChunk(file, chunk, 'tdsn');
    const name = own ? innerText(file, own) : DEFAULT_NAME;
    return name === DEFAULT_NAME || name === '' ? original : name;
  }
  return original;
}

/** `fnam` and `tdsn` hold a `Utf8` chunk. */
function innerText(file: RifxFile, chunk: RifxChunk): string {
  const text = findChunk(file, chunk, 'Utf8');
  return text ? textOf(file, text) : '';
}

function* namedLists(file: RifxFile, group: RifxChunk): Generator<[string, RifxChunk], void> {
  let matchName = '';
  for (const chunk of chunksIn(file, group)) {
    if (chunk.id === 'tdmn') matchName = textOf(file, chunk);
    else if (chunk.isList) yield [matchName, chunk];
  }
}
