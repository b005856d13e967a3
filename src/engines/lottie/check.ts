/** The check of a Lottie template before anything is rendered: for `template validate` and for each render. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from '../../bundle/manifest.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { bindInputs, checkBindingInputs } from './bind.ts';
import { findUnsupported } from './features.ts';
import { checkFonts, type FontSet, loadFonts } from './fonts.ts';
import { assetPath, usedImages } from './images.ts';
import { nameList } from './layers.ts';
import { type Lottie, lottieSeconds, parseLottie } from './lottie-json.ts';
import { type Problem, problem, warning } from './problem.ts';

type LottieSection = NonNullable<Manifest['engines']['lottie']>;

/** What the check needs besides the file; each part is left out of the check when absent. */
export interface CheckContext {
  /** The manifest's inputs: each binding must name one of the right type. */
  readonly inputs?: Manifest['inputs'];
  /** To compare sizes and lengths. */
  readonly composition?: Manifest['composition'];
  /** The fonts that could be loaded: FONT_MISSING, GLYPH_MISSING. */
  readonly fonts?: FontSet;
  /** Whether the bundle has a file of this path. */
  readonly hasFile?: (path: string) => boolean;
}

/**
 * Finds everything that would keep a Lottie file from rendering as its author saw it; no I/O, `lottie` is not changed.
 * LOTTIE_EXPRESSIONS, LOTTIE_UNSUPPORTED, TEMPLATE_INVALID (bindings, images), FONT_MISSING, GLYPH_MISSING; and warnings.
 */
export function checkLottie(lottie: Lottie, section: LottieSection, context: CheckContext = {}): Problem[] {
  const copy = structuredClone(lottie);
  const { problems, places } = bindInputs(copy, section, {});
  return [
    ...findUnsupported(copy, places, section.audio !== undefined),
    ...(context.inputs ? checkBindingInputs(section, context.inputs) : []),
    ...(context.inputs ? checkSectionInputs(section, context.inputs) : []),
    ...problems,
    ...checkImages(copy, section, context.hasFile),
    ...(context.fonts ? checkFonts(copy, places, context.fonts) : []),
    ...(context.composition ? checkComposition(copy, context.composition) : []),
  ];
}

/** Reads the Lottie file and fonts of an unpacked bundle and checks them. A file that cannot be read is a problem, too. */
export async function checkLottieBundle(bundleDir: string, manifest: Manifest): Promise<Problem[]> {
  const section = manifest.engines.lottie;
  if (!section) return [];
  try {
    const lottie = await readLottie(bundleDir, section.file);
    const fonts = await loadFonts(lottie, section, bundleDir);
    const hasFile = (path: string): boolean => existsSync(join(bundleDir, path));
    return checkLottie(lottie, section, {
      inputs: manifest.inputs,
      composition: manifest.composition,
      fonts,
      hasFile,
    });
  } catch (error) {
    if (error instanceof FlatrenderError) return [problem(error.code, error.message, error.hint)];
    throw error;
  }
}

/** Reads a Lottie file of a bundle. Throws TEMPLATE_INVALID, LOTTIE_INVALID. */
export async function readLottie(bundleDir: string, file: string): Promise<Lottie> {
  const text = await readFile(join(bundleDir, file), 'utf8').catch((cause: unknown) => {
    throw new FlatrenderError('TEMPLATE_INVALID', `the bundle has no ${file}`, { cause });
  });
  return parseLottie(text, file);
}

function checkSectionInputs(section: LottieSection, inputs: Manifest['inputs']): Problem[] {
  const wanted = [
    ...(typeof section.audio === 'object'
      ? [{ key: 'audio', name: section.audio.input, types: ['audio', 'video'] }]
      : []),
    ...(section.background ? [{ key: 'background', name: section.background.input, types: ['color'] }] : []),
  ];
  return wanted.flatMap(({ key, name, types }) => {
    const type = Object.hasOwn(inputs, name) ? inputs[name]?.type : undefined;
    if (type !== undefined && types.includes(type)) return [];
    const what =
      type === undefined
        ? `which does not exist; there are: ${nameList(Object.keys(inputs))}`
        : `of type ${type}`;
    return [
      problem(
        'TEMPLATE_INVALID',
        `"${key}" of the lottie section names the input ${JSON.stringify(name)}, ${what}`,
      ),
    ];
  });
}

function checkImages(lottie: Lottie, section: LottieSection, hasFile: CheckContext['hasFile']): Problem[] {
  // An image that an input with a default or a required one replaces may still be absent from the bundle; but the
  // template then shows nothing in After Effects' own preview either, so it is asked for all the same.
  const { places } = bindInputs(lottie, { ...section, bind: [] }, {});
  return usedImages(lottie, places).flatMap((asset): Problem[] => {
    const path = assetPath(asset, section.file);
    if (path === null) return [];
    if (typeof path !== 'string') return [path];
    if (!hasFile || hasFile(path)) return [];
    return [problem('TEMPLATE_INVALID', `the bundle has no ${path}, which the image ${asset.id} shows`)];
  });
}

function checkComposition(lottie: Lottie, composition: Manifest['composition']): Problem[] {
  const problems: Problem[] = [];
  if (Math.abs(lottie.w / lottie.h / (composition.width / composition.height) - 1) > 0.01) {
    problems.push(
      warning(
        'TEMPLATE_INVALID',
        `the composition is ${composition.width} × ${composition.height}, the Lottie file ${lottie.w} × ${lottie.h}: it will have bars`,
      ),
    );
  }
  const seconds = lottieSeconds(lottie);
  if (typeof composition.duration === 'number' && composition.duration > seconds + 1 / lottie.fr) {
    problems.push(
      warning(
        'TEMPLATE_INVALID',
        `the composition lasts ${composition.duration} s, the Lottie file ${seconds.toFixed(2)} s: its last frame will be held`,
      ),
    );
  }
  return problems;
}
