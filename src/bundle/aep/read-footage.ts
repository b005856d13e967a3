import type { AepFootage } from './aep-project.ts';
import {
  AEP_LIMITS,
  chunksIn,
  damaged,
  dataOf,
  findChunk,
  legacyText,
  type RifxChunk,
  type RifxFile,
  textOf,
} from './rifx.ts';

/** Of `opti`: four letters for the format, then a number: 8 (After Effects 11) or 9 for solids, 2 for placeholders. */
const SOLID = 'Soli';
const PLACEHOLDER = 2;

/** Reads the source of a footage item, its `Pin ` list; `name` is the item's own, often empty. */
export function readFootage(
  file: RifxFile,
  pin: RifxChunk,
  item: { readonly id: number; readonly name: string; readonly folder: number | null },
): AepFootage {
  let size: Buffer | undefined;
  let options: Buffer | undefined;
  let found = NO_FILE;
  for (const chunk of chunksIn(file, pin)) {
    if (chunk.id === 'sspc') size ??= dataOf(file, chunk, 38);
    else if (chunk.id === 'opti') options ??= dataOf(file, chunk);
    else if (chunk.id === 'Als2') found = readPath(file, findChunk(file, chunk, 'alas'));
  }
  if (!size) throw damaged(file, pin, 'footage without "sspc"');
  const source = options && readOptions(options);
  const kind = source?.kind ?? 'file';
  return {
    ...item,
    name: item.name || source?.name || baseName(found.path),
    kind,
    ...(kind === 'file' ? found : NO_FILE),
    width: size.readUInt32BE(30),
    height: size.readUInt32BE(34),
    color: source?.color ?? null,
  };
}

/**
 * What is no file; null: a file. Solids and placeholders that nobody renamed have their name here alone, in a fixed space
 * filled up with NULs.
 */
function readOptions(options: Buffer): Pick<AepFootage, 'kind' | 'name' | 'color'> | null {
  // That of a 3D model is empty.
  if (options.length < 10) return null;
  if (options.toString('latin1', 0, 4) === SOLID && options.length > 26)
    return { kind: 'solid', name: nameIn(options, 26), color: colorOf(options) };
  if (options.readUInt16BE(4) === PLACEHOLDER)
    return { kind: 'placeholder', name: nameIn(options, 10), color: null };
  return null;
}

function nameIn(options: Buffer, at: number): string {
  return legacyText(options.subarray(at, at + AEP_LIMITS.nameBytes));
}

type FilePath = Pick<AepFootage, 'path' | 'relativePath' | 'isSequence'>;

const NO_FILE: FilePath = { path: null, relativePath: null, isSequence: false };

/** `alas` is JSON. */
function readPath(file: RifxFile, chunk: RifxChunk | undefined): FilePath {
  if (!chunk) return NO_FILE;
  const text = textOf(file, chunk, AEP_LIMITS.pathBytes);
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which in a damaged file can be anything.
    throw damaged(file, chunk, 'no JSON');
  }
  if (typeof record !== 'object' || record === null) return NO_FILE;
  const path = 'fullpath' in record && typeof record.fullpath === 'string' ? record.fullpath : '';
  return {
    path: path || null,
    relativePath: relativePath(path, record),
    isSequence: 'target_is_folder' in record && record.target_is_folder === true,
  };
}

/** Farther up than anybody has the footage of a project. */
const MOST_ASCENTS = 32;

/**
 * `ascendcount_base`: folders up from the project file, 1 is its own; `ascendcount_target`: parts at the end of the path from
 * there. Files of After Effects 14 to 25 have them; in those of airbnb/lottie-android they lead from the project to the pictures of
 * the repository. 0: not stored.
 */
function relativePath(path: string, record: object): string | null {
  const up = 'ascendcount_base' in record ? record.ascendcount_base : 0;
  const down = 'ascendcount_target' in record ? record.ascendcount_target : 0;
  const parts = path.split(/[\\/]/).filter((part) => part !== '');
  if (typeof up !== 'number' || !Number.isInteger(up) || up < 1 || up > MOST_ASCENTS) return null;
  if (typeof down !== 'number' || !Number.isInteger(down) || down < 1 || down > parts.length) return null;
  const end = parts.slice(-down);
  if (end.some((part) => part === '.' || part === '..' || part.endsWith(':'))) return null;
  return [...Array.from({ length: up - 1 }, () => '..'), ...end].join('/');
}

/** Of a path of any system. */
function baseName(path: string | null): string {
  return path?.split(/[\\/]/).findLast((part) => part !== '') ?? '';
}

/** Alpha, red, green, blue as floats from offset 10. */
function colorOf(options: Buffer): string {
  const parts = [14, 18, 22].map((at) => {
    const value = Math.round(options.readFloatBE(at) * 255);
    return (value > 0 ? Math.min(value, 255) : 0).toString(16).padStart(2, '0');
  });
  return `#${parts.join('')}`;
}
