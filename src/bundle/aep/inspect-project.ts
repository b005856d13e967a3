import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { FlatrenderError } from '../../lib/errors.ts';
import type {
  AepComposition,
  AepFolder,
  AepFont,
  AepFootage,
  AepLayer,
  AepLayerKind,
  AepProject,
} from './aep-project.ts';
import { compositionCycle } from './composition-cycle.ts';
import { readFootage } from './read-footage.ts';
import { type RawLayer, readLayer } from './read-layer.ts';
import {
  AEP_LIMITS,
  chunksIn,
  damaged,
  dataOf,
  findChunk,
  openRifx,
  type RifxChunk,
  type RifxFile,
  textOf,
} from './rifx.ts';

/**
 * Reads an .aep (or .aet) without After Effects: a path, or its bytes. AEP_INVALID with the chunk and the offset for what is
 * damaged, no project, or beyond {@link AEP_LIMITS}; USAGE when there is no such file. What it does not look for it does not
 * judge: a damaged keyframe is found by After Effects alone.
 */
export async function inspectProject(source: string | Buffer, signal?: AbortSignal): Promise<AepProject> {
  const file =
    typeof source === 'string' ? await readProject(source, signal) : { bytes: source, name: 'the project' };
  return inspect(file);
}

async function readProject(path: string, signal?: AbortSignal): Promise<RifxFile> {
  const handle = await open(path).catch((error) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
    throw new FlatrenderError('USAGE', `there is no file ${path}`, { cause: error });
  });
  try {
    const found = await handle.stat();
    if (!found.isFile()) {
      throw new FlatrenderError('USAGE', `${path} is no file`, { hint: 'give the .aep in it' });
    }
    const name = basename(path);
    if (found.size > AEP_LIMITS.fileBytes) {
      throw new FlatrenderError(
        'AEP_INVALID',
        `${name} has ${found.size} bytes; at most ${AEP_LIMITS.fileBytes} are read`,
      );
    }
    return { bytes: await handle.readFile({ signal }), name };
  } finally {
    await handle.close();
  }
}

type RawComposition = Omit<AepComposition, 'layers'> & { readonly layers: readonly RawLayer[] };

interface Found {
  readonly ids: Set<number>;
  readonly folders: AepFolder[];
  readonly compositions: RawComposition[];
  readonly footage: AepFootage[];
  layers: number;
}

function inspect(file: RifxFile): AepProject {
  const root = openRifx(file);
  const found: Found = { ids: new Set(), folders: [], compositions: [], footage: [], layers: 0 };
  let made: Pick<AepProject, 'version' | 'platform'> = { version: null, platform: null };
  let hasItems = false;
  for (const chunk of chunksIn(file, root)) {
    if (chunk.id === 'head') made = readVersion(dataOf(file, chunk, 8));
    if (chunk.id !== 'Fold' || !chunk.isList) continue;
    hasItems = true;
    readItems(file, chunk, null, found);
  }
  if (!hasItems) throw damaged(file, root, 'a project without the list "Fold" of its items');
  const compositions = resolveLayers(found);
  const cycle = compositionCycle(found.compositions);
  if (cycle)
    throw damaged(
      file,
      cycle.chunk,
      `the layer ${JSON.stringify(cycle.name)} shows the composition it is in`,
    );
  const layers = compositions.flatMap((composition) => composition.layers);
  return {
    ...made,
    folders: found.folders,
    compositions,
    footage: found.footage,
    fonts: fontsOf(found.compositions),
    effects: [...new Set(layers.flatMap(({ effects }) => effects.map(({ matchName }) => matchName)))].sort(),
  };
}

/**
 * `head`, bytes 4 to 7: four and three bits of the major version around four of the system, then minor, patch, build. Bit 30 is
 * none of the version: it is set in a file of 17.0.0x45.
 */
function readVersion(head: Buffer): Pick<AepProject, 'version' | 'platform'> {
  const bits = head.readUInt32BE(4);
  const major = ((bits >>> 26) & 15) * 8 + ((bits >>> 19) & 7);
  const system = (bits >>> 22) & 15;
  return {
    version: `${major}.${(bits >>> 15) & 15}.${(bits >>> 11) & 15}x${bits & 255}`,
    platform: system === 12 ? 'windows' : system === 13 || system === 14 ? 'macos' : null,
  };
}

/** Folders in folders are lists in lists: the limit on their depth ends the recursion. */
function readItems(file: RifxFile, list: RifxChunk, folder: number | null, found: Found): void {
  for (const item of chunksIn(file, list)) {
    if (item.id === 'Item' && item.isList) readItem(file, item, folder, found);
  }
}

function readItem(file: RifxFile, item: RifxChunk, folder: number | null, found: Found): void {
  const data = findChunk(file, item, 'idta');
  if (!data) throw damaged(file, item, 'an item without "idta"');
  const bytes = dataOf(file, data, 20);
  const [type, id] = [bytes.readUInt16BE(0), bytes.readUInt32BE(16)];
  if (id === 0 || found.ids.has(id))
    throw damaged(file, data, `the id ${id} ${id === 0 ? 'is none' : 'is taken'}`);
  found.ids.add(id);
  if (found.ids.size > AEP_LIMITS.items) throw damaged(file, item, `more than ${AEP_LIMITS.items} items`);
  const names = findChunk(file, item, 'Utf8');
  const known = { id, name: names ? textOf(file, names) : '', folder };
  if (type === 1) {
    found.folders.push(known);
    for (const chunk of chunksIn(file, item)) if (chunk.id === 'Sfdr') readItems(file, chunk, id, found);
  } else if (type === 4) found.compositions.push(readComposition(file, item, known, found));
  else if (type === 7) {
    const pin = findChunk(file, item, 'Pin ');
    if (!pin) throw damaged(file, item, 'footage without "Pin "');
    found.footage.push(readFootage(file, pin, known));
  }
}

function readComposition(
  file: RifxFile,
  item: RifxChunk,
  known: { readonly id: number; readonly name: string; readonly folder: number | null },
  found: Found,
): RawComposition {
  const settings = findChunk(file, item, 'cdta');
  if (!settings) throw damaged(file, item, 'a composition without "cdta"');
  const data = dataOf(file, settings, 160);
  const divisor = data.readUInt32BE(48);
  if (divisor === 0) throw damaged(file, settings, 'a duration divided by 0');
  const fps = data.readUInt16BE(156) + data.readUInt16BE(158) / 65_536;
  if (fps === 0) throw damaged(file, settings, 'a frame rate of 0');
  const layers: RawLayer[] = [];
  for (const chunk of chunksIn(file, item)) {
    if (chunk.id !== 'Layr' || !chunk.isList) continue;
    found.layers += 1;
    if (found.layers > AEP_LIMITS.layers) throw damaged(file, chunk, `more than ${AEP_LIMITS.layers} layers`);
    layers.push(readLayer(file, chunk));
  }
  return {
    ...known,
    width: data.readUInt16BE(140),
    height: data.readUInt16BE(142),
    fps: rounded(fps, 1e4),
    durationSeconds: rounded(data.readUInt32BE(44) / divisor, 1e6),
    layers,
  };
}

function rounded(value: number, per: number): number {
  return Math.round(value * per) / per;
}

function resolveLayers(found: Found): AepComposition[] {
  const sources = new Map<number, { readonly name: string; readonly kind: AepLayerKind }>();
  for (const { id, name } of found.compositions) sources.set(id, { name, kind: 'composition' });
  for (const { id, name, kind } of found.footage)
    sources.set(id, { name, kind: kind === 'solid' ? 'solid' : 'footage' });
  return found.compositions.map((composition) => ({
    ...composition,
    layers: composition.layers.map((raw, at): AepLayer => {
      const { chunk: _, listedFonts: __, ...layer } = raw;
      const source = sources.get(raw.sourceId);
      return {
        index: at + 1,
        ...layer,
        name: raw.name || source?.name || '',
        kind: raw.kind ?? source?.kind ?? 'unknown',
        sourceId: source ? raw.sourceId : null,
        sourceName: source?.name ?? null,
      };
    }),
  }));
}

function fontsOf(compositions: readonly RawComposition[]): AepFont[] {
  const fonts = new Map<string, boolean>();
  for (const layer of compositions.flatMap(({ layers }) => layers)) {
    for (const name of layer.listedFonts) fonts.set(name, fonts.get(name) ?? false);
    for (const name of layer.fonts) fonts.set(name, true);
  }
  return [...fonts].map(([name, used]) => ({ name, used })).sort((a, b) => (a.name < b.name ? -1 : 1));
}
