/** Font files: which characters they have and how wide text gets in them. */
import { readFile } from 'node:fs/promises';
import { FlatrenderError } from '../lib/errors.ts';

/** The part of a fontkit font that is used here; the package brings no types. */
interface FontkitFont {
  readonly unitsPerEm: number;
  hasGlyphForCodePoint(codePoint: number): boolean;
  glyphForCodePoint(codePoint: number): { readonly advanceWidth: number };
  layout(text: string): { readonly glyphs: readonly unknown[]; readonly advanceWidth: number };
}

/** A font file, read and understood. */
export interface LoadedFont {
  /** For messages: path in the bundle, or what was given. */
  readonly label: string;
  /** Whose fault it is when it cannot be drawn: the job's or the template's. */
  readonly code: 'MEDIA_INVALID' | 'TEMPLATE_INVALID';
  readonly bytes: Uint8Array;
  hasGlyph(codePoint: number): boolean;
  /** Width of one line in pixels at a size, with kerning and tracking (thousandths of the size). */
  measure(line: string, size: number, tracking: number): number;
  /** The same without kerning and joining: quick, and seldom too small. */
  estimate(line: string, size: number, tracking: number): number;
}

/** Reads a TTF or OTF file; `code` is thrown when it is none. */
export async function loadFont(
  path: string,
  label: string,
  code: 'MEDIA_INVALID' | 'TEMPLATE_INVALID',
): Promise<LoadedFont> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new FlatrenderError(code, `cannot read the font ${label}`, { cause });
  });
  const fontkit = await import('fontkit');
  let font: FontkitFont;
  try {
    const opened = fontkit.create(bytes) as FontkitFont & { fonts?: FontkitFont[] };
    // Of a collection Skia takes the first font as well.
    font = opened.fonts?.[0] ?? opened;
  } catch (cause) {
    throw new FlatrenderError(code, `${label} is not a font that can be read (TTF or OTF)`, { cause });
  }
  return {
    label,
    code,
    bytes,
    hasGlyph: (codePoint) => font.hasGlyphForCodePoint(codePoint),
    measure(line, size, tracking) {
      const { advanceWidth, glyphs } = font.layout(line);
      return (advanceWidth / font.unitsPerEm + (glyphs.length * tracking) / 1000) * size;
    },
    estimate(line, size, tracking) {
      const characters = [...line];
      const advances = characters.map(
        (character) => font.glyphForCodePoint(character.codePointAt(0) ?? 0).advanceWidth,
      );
      const width = advances.reduce((sum, advance) => sum + advance, 0);
      return (width / font.unitsPerEm + (characters.length * tracking) / 1000) * size;
    },
  };
}

/** Characters of the text, as people see them, for which the font has no glyph. */
export function missingCharacters(text: string, font: LoadedFont): string[] {
  const segments = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text.normalize('NFC'));
  const has = (part: string) =>
    [...part].every((character) => isInvisible(character) || font.hasGlyph(character.codePointAt(0) ?? 0));
  // HarfBuzz composes and decomposes by itself: either form will do.
  return [...segments]
    .map(({ segment }) => segment)
    .filter((part) => !has(part) && !has(part.normalize('NFD')));
}

/** Line breaks, and characters that say how to join or direct others; the shaper never draws them. */
function isInvisible(character: string): boolean {
  return /[\r\n\u0003]|\p{Default_Ignorable_Code_Point}/u.test(character);
}

/** Characters for a message, with their code points; at most twelve. */
export function describeCharacters(characters: readonly string[]): string {
  const shown = characters.slice(0, 12).map((character) => {
    const codes = [...character].map(
      (part) => `U+${(part.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`,
    );
    return `"${character}" (${codes.join(' ')})`;
  });
  return shown.join(', ') + (characters.length > 12 ? ` and ${characters.length - 12} more` : '');
}
