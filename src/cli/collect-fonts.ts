import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { nameProblem } from '../bundle/entry-names.ts';
import { postScriptNames } from '../bundle/font-names.ts';
import { FlatrenderError } from '../lib/errors.ts';

/** A font file that goes into a bundle. */
export interface CollectedFont {
  readonly from: string;
  /** Its path in the bundle. */
  readonly to: string;
  /** PostScript names that are asked for. */
  readonly names: readonly string[];
}

const FONT_FILE = /\.(ttf|otf|ttc|otc)$/i;
/** A folder with all fonts of a design department. */
const MOST_FILES = 5000;
const LARGEST_FONT = 64 * 1024 * 1024;
const MOST_DEPTH = 6;

/**
 * Looks for fonts by PostScript name: in `given` and all below it, else beside the project and in folders there that are called
 * after fonts or footage. USAGE when `given` is no folder.
 */
export async function collectFonts(
  wanted: readonly string[],
  projectFolder: string,
  given: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly found: readonly CollectedFont[]; readonly missing: readonly string[] }> {
  if (given !== undefined && !(await stat(given).catch(() => null))?.isDirectory()) {
    throw new FlatrenderError('USAGE', `there is no folder ${given}`, {
      hint: 'give the folder with the fonts',
    });
  }
  const missing = new Set(wanted);
  const found: CollectedFont[] = [];
  if (missing.size === 0) return { found, missing: [] };
  const taken = new Set<string>();
  for (const file of await fontFiles(given ?? projectFolder, given !== undefined)) {
    signal.throwIfAborted();
    if (missing.size === 0) break;
    const bytes = await readFile(file).catch(() => null);
    if (!bytes || bytes.length > LARGEST_FONT) continue;
    const names = postScriptNames(bytes).filter((name) => missing.has(name));
    if (names.length === 0) continue;
    for (const name of names) missing.delete(name);
    found.push({ from: file, to: placeFor(basename(file), taken), names });
  }
  return { found, missing: [...missing] };
}

async function fontFiles(folder: string, everywhere: boolean, depth = 0): Promise<string[]> {
  const files: string[] = [];
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (files.length >= MOST_FILES) break;
    const path = join(folder, entry.name);
    if (entry.isFile() && FONT_FILE.test(entry.name)) files.push(path);
    const isWorth = everywhere || depth > 0 || /font|\(footage\)|asset/i.test(entry.name);
    if (entry.isDirectory() && isWorth && depth < MOST_DEPTH)
      files.push(...(await fontFiles(path, everywhere, depth + 1)));
  }
  return files.slice(0, MOST_FILES);
}

function placeFor(file: string, taken: Set<string>): string {
  const plain = nameProblem(file) === null ? file : `font${file.slice(file.lastIndexOf('.'))}`;
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? plain : plain.replace(/(\.[^.]+)$/, `-${number}$1`);
    if (taken.has(name.toLowerCase())) continue;
    taken.add(name.toLowerCase());
    return `fonts/${name}`;
  }
}
