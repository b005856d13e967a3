import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AepFootage, AepProject } from './aep-project.ts';

/** A file that the project asks for, and whether it came along. */
export interface FootagePlace {
  /** The items that show it: each layer of a Photoshop file is one. */
  readonly footage: readonly AepFootage[];
  /** As stored, absolute. */
  readonly path: string;
  /** Where After Effects looks for it, relative to the folder of the project; null: the project does not say. */
  readonly expected: string | null;
  /** Where it is, relative to the folder of the project, with forward slashes; null: not found. */
  readonly beside: string | null;
}

/** Each costs up to 16 looks at the disk; a network drive takes milliseconds for one. */
const MOST_FILES = 1000;

/** Folders between project and footage that are looked through. */
const MOST_PARTS = 8;

/**
 * Looks for the footage of a project beside it: After Effects stores absolute paths, of which the end stays the same when a
 * project is moved with its footage (`…/spot/footage/logo.png` → `footage/logo.png`), and "Collect Files" makes a folder
 * `(Footage)`. Of very many files the first {@link MOST_FILES}; `left` says how many were not looked for.
 */
export async function findFootage(
  project: AepProject,
  directory: string,
  signal?: AbortSignal,
): Promise<{ readonly places: readonly FootagePlace[]; readonly left: number }> {
  const files = filesOf(project);
  const places: FootagePlace[] = [];
  for (const [path, footage] of files.entries().take(MOST_FILES)) {
    signal?.throwIfAborted();
    const expected = expectedPlace(footage);
    const beside = await firstThere(directory, candidates(path, expected));
    places.push({ footage, path, expected, beside });
  }
  return { places, left: files.size - places.length };
}

/** The same among files that are known, e.g. of a bundle; `has` is asked for paths relative to the project, also of folders. */
export function footageIn(project: AepProject, has: (path: string) => boolean): FootagePlace[] {
  return Array.from(filesOf(project), ([path, footage]) => {
    const expected = expectedPlace(footage);
    return { footage, path, expected, beside: candidates(path, expected).find(has) ?? null };
  });
}

function expectedPlace(footage: readonly AepFootage[]): string | null {
  return footage.find(({ relativePath }) => relativePath !== null)?.relativePath ?? null;
}

function filesOf(project: AepProject): Map<string, AepFootage[]> {
  const files = new Map<string, AepFootage[]>();
  for (const footage of project.footage) {
    if (footage.path === null) continue;
    const same = files.get(footage.path);
    if (same) same.push(footage);
    else files.set(footage.path, [footage]);
  }
  return files;
}

/** Folders above the project in which footage is looked for; what is farther away does not belong to it. */
const MOST_ASCENTS = 3;
/** What is taken from outside the folder of the project: a project of somebody else may name any file there is. */
const MEDIA =
  /\.(png|jpe?g|webp|gif|bmp|tiff?|svg|psd|psb|ai|eps|tga|exr|dpx|hdr|mp4|m4v|mov|webm|mkv|avi|mpe?g|mxf|wmv|mp3|wav|aiff?|m4a|aac|flac|ogg)$/i;

/** The place that the project names, ends of the path, the longest first, then the places of "Collect Files". */
function candidates(path: string, expected: string | null): string[] {
  const ascents = expected?.split('/').filter((part) => part === '..').length ?? 0;
  const isNear = expected !== null && (ascents === 0 || (ascents <= MOST_ASCENTS && MEDIA.test(expected)));
  const parts = path.split(/[\\/]/).filter((part) => part !== '');
  // "C:" is no folder, and what has ".." in it is no path that After Effects wrote.
  const usable = parts.slice(
    parts.findLastIndex((part) => part === '..' || part === '.' || part.endsWith(':')) + 1,
  );
  const ends = Array.from({ length: Math.min(usable.length, MOST_PARTS) }, (_, at) => usable.slice(-at - 1));
  return [
    ...(isNear ? [expected] : []),
    ...ends.toReversed().map((end) => end.join('/')),
    ...ends.map((end) => `(Footage)/${end.join('/')}`),
  ];
}

async function firstThere(directory: string, names: readonly string[]): Promise<string | null> {
  for (const name of names) {
    // What cannot be looked at (also a name with a NUL, or too long) is as good as missing.
    if (await stat(join(directory, name)).catch(() => null)) return name;
  }
  return null;
}
