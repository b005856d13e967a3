import { damaged, dataOf, type RifxChunk, type RifxFile } from './rifx.ts';
import { cosString, scanCos } from './scan-cos.ts';

/** What a text layer says, and in which fonts. */
export interface TextSource {
  /** With keyframes: the first. */
  readonly text: string;
  /** Fonts of the runs of text. */
  readonly usedFonts: readonly string[];
  /** Fonts that are listed, used or not. */
  readonly listedFonts: readonly string[];
}

// Keys read off texts of After Effects 22 and 23, in which the text was known; so do the parsers of others.
const FONT_NAME = [0, 1, 0, null, 0, 0, 0];
const TEXT = [1, 1, null, 0, 0];
const FONT_OF_RUN = [1, 1, null, 0, 6, 0, null, 0, 0, 6, 0];

/** Reads a `btdk` list; AEP_INVALID names it and the offset in the file where its text stops making sense. */
export function readText(file: RifxFile, list: RifxChunk): TextSource {
  const bytes = dataOf(file, list);
  const listed = new Map<number, string>();
  const used = new Set<number>();
  let text: string | undefined;
  const problem = scanCos(bytes, (path, start, end, isString) => {
    if (isString && matches(path, FONT_NAME)) listed.set(path[3] ?? 0, cosString(bytes.subarray(start, end)));
    else if (isString && matches(path, TEXT)) text ??= cosString(bytes.subarray(start, end));
    else if (!isString && matches(path, FONT_OF_RUN)) used.add(Number(bytes.toString('latin1', start, end)));
  });
  if (problem)
    throw damaged(
      file,
      list,
      `its text is unreadable at offset ${list.start + problem.at}: ${problem.reason}`,
    );
  return {
    text: lines(text ?? ''),
    usedFonts: [...new Set(listed.entries().flatMap(([index, name]) => (used.has(index) ? [name] : [])))],
    listedFonts: [...new Set(listed.values())],
  };
}

function matches(path: readonly number[], pattern: readonly (number | null)[]): boolean {
  if (path.length !== pattern.length) return false;
  for (let at = 0; at < path.length; at += 1) {
    if (pattern[at] !== null && pattern[at] !== path[at]) return false;
  }
  return true;
}

/** Paragraphs end with CR (also the last, which is not the user's), lines within one with ETX. */
function lines(text: string): string {
  return text.replace(/\r$/, '').replace(/\r\n?|\x03/g, '\n');
}
