/** Fonts of a Lottie template: which files its text needs, whether they have every character, how wide text gets. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from '../../bundle/manifest.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { type LayerPlace, nameList } from './layers.ts';
import { LAYER, type Lottie, type LottieFont, type TextDocument } from './lottie-json.ts';
import { type Problem, problem } from './problem.ts';

type LottieSection = NonNullable<Manifest['engines']['lottie']>;

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

/** The fonts of a Lottie file by `fName`; a name without a file is absent. */
export type FontSet = ReadonlyMap<string, LoadedFont>;

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

/**
 * Reads the font files for a Lottie file: of the inputs that replace one (`given`: fName → path), else of the bundle by
 * `fName`, then by `fFamily`. Throws TEMPLATE_INVALID or MEDIA_INVALID for a file that is no font.
 */
export async function loadFonts(
  lottie: Lottie,
  section: LottieSection,
  bundleDir: string,
  given: ReadonlyMap<string, string> = new Map(),
): Promise<FontSet> {
  const fonts = new Map<string, LoadedFont>();
  const files = new Map<string, Promise<LoadedFont>>();
  for (const entry of lottie.fonts?.list ?? []) {
    const input = given.get(entry.fName);
    const file = fileFor(entry, section);
    if (input !== undefined)
      fonts.set(entry.fName, await loadFont(input, `given for ${entry.fName}`, 'MEDIA_INVALID'));
    else if (file !== undefined) {
      const loaded = files.get(file) ?? loadFont(join(bundleDir, file), file, 'TEMPLATE_INVALID');
      files.set(file, loaded);
      fonts.set(entry.fName, await loaded);
    }
  }
  return fonts;
}

function fileFor({ fName, fFamily }: LottieFont, { fonts }: LottieSection): string | undefined {
  const named = (name: string) => fonts.find(({ names }) => names.includes(name));
  return (named(fName) ?? named(fFamily))?.file;
}

/** The text documents of a text layer, one per keyframe. */
export function documentsOf({ layer }: LayerPlace): TextDocument[] {
  const keys = layer.ty === LAYER.text ? layer.t?.d?.k : undefined;
  return Array.isArray(keys)
    ? keys.map(({ s }) => s).filter((document) => document && typeof document.t === 'string')
    : [];
}

/**
 * Checks that all text can be drawn: FONT_MISSING with the font and its layers, GLYPH_MISSING with the characters.
 * A font may be missing whose text is empty.
 */
export function checkFonts(lottie: Lottie, places: readonly LayerPlace[], fonts: FontSet): Problem[] {
  const missing = new Map<string, string[]>();
  const lacking = new Map<string, Set<string>>();
  for (const place of places) {
    for (const document of documentsOf(place)) {
      if (document.t.trim() === '') continue;
      const font = fonts.get(document.f);
      if (!font) missing.set(document.f, [...(missing.get(document.f) ?? []), place.path]);
      for (const character of font ? missingCharacters(drawnText(document), font) : []) {
        lacking.set(document.f, (lacking.get(document.f) ?? new Set()).add(character));
      }
    }
  }
  return [
    ...[...missing].map(([name, layers]) => fontMissing(lottie, name, layers)),
    ...[...lacking].map(([name, characters]) =>
      problem(
        'GLYPH_MISSING',
        `the font ${name} (${fonts.get(name)?.label}) has no ${describe([...characters])}`,
        'use other characters, or a font that has them',
      ),
    ),
  ];
}

function fontMissing(lottie: Lottie, name: string, layers: readonly string[]): Problem {
  const entry = lottie.fonts?.list?.find(({ fName }) => fName === name);
  const family = entry && entry.fFamily !== name ? ` (${entry.fFamily})` : '';
  // Skottie in canvaskit-wasm 0.42 does not draw the outlines that Bodymovin's "Glyphs" option embeds: with and
  // without `chars`, banner.json of lottie-web renders to the same pixels, without its text.
  const outlines = lottie.chars?.length ? '; the outlines inside the file (chars) are not drawn' : '';
  return problem(
    'FONT_MISSING',
    `no file for the font ${JSON.stringify(name)}${family} of ${nameList(layers)}${outlines}`,
    'add the TTF or OTF file to the bundle and name it under engines.lottie.fonts',
  );
}

/** The text as it is drawn: capitals where the layer says so. */
function drawnText({ t, ca }: TextDocument): string {
  return ca === 1 || ca === 2 ? t + t.toUpperCase() : t;
}

/** Characters of the text, as people see them, for which the font has no glyph. */
function missingCharacters(text: string, font: LoadedFont): string[] {
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

function describe(characters: readonly string[]): string {
  const shown = characters.slice(0, 12).map((character) => {
    const codes = [...character].map(
      (part) => `U+${(part.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`,
    );
    return `"${character}" (${codes.join(' ')})`;
  });
  return shown.join(', ') + (characters.length > 12 ? ` and ${characters.length - 12} more` : '');
}
