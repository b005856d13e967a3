/** Fonts of a Lottie template: which files its text needs, whether they have every character, how wide text gets. */
import { join } from 'node:path';
import type { Manifest } from '../../bundle/manifest.ts';
import { describeCharacters, type LoadedFont, loadFont, missingCharacters } from '../font-file.ts';
import { type LayerPlace, nameList } from './layers.ts';
import { LAYER, type Lottie, type LottieFont, type TextDocument } from './lottie-json.ts';
import { type Problem, problem } from './problem.ts';

type LottieSection = NonNullable<Manifest['engines']['lottie']>;

/** The fonts of a Lottie file by `fName`; a name without a file is absent. */
export type FontSet = ReadonlyMap<string, LoadedFont>;

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
        `the font ${name} (${fonts.get(name)?.label}) has no ${describeCharacters([...characters])}`,
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
