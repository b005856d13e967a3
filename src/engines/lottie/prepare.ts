/** From a request to an animation that is ready to be drawn: read, bind, check, load. */
import type { CanvasKit, ManagedSkottieAnimation } from 'canvaskit-wasm';
import { FlatrenderError } from '../../lib/errors.ts';
import type { RenderRequest } from '../engine.ts';
import { bindInputs } from './bind.ts';
import { readLottie } from './check.ts';
import { findUnsupported } from './features.ts';
import { fitText } from './fit-text.ts';
import { renameFamily } from './font-family.ts';
import { checkFonts, documentsOf, type FontSet, loadFonts } from './fonts.ts';
import { prepareImages } from './images.ts';
import type { Lottie } from './lottie-json.ts';
import { throwProblems } from './problem.ts';

/** An animation and what is known of it; `animation.delete()` frees it. */
export interface Prepared {
  readonly animation: ManagedSkottieAnimation;
  readonly lottie: Lottie;
}

/**
 * Reads the Lottie file of a request, puts the inputs in, and loads it. Everything that would be missing in the picture
 * is refused here: TEMPLATE_INVALID, LOTTIE_INVALID, LOTTIE_EXPRESSIONS, LOTTIE_UNSUPPORTED, FONT_MISSING, GLYPH_MISSING,
 * MEDIA_INVALID, INPUT_INVALID. Warnings go to `onLog`.
 */
export async function prepare(
  kit: CanvasKit,
  request: RenderRequest,
  onLog: (line: string) => void,
): Promise<Prepared> {
  const section = request.manifest.engines.lottie;
  if (!section)
    throw new FlatrenderError(
      'TEMPLATE_INVALID',
      `the template ${request.manifest.name} has no lottie section`,
    );
  const lottie = await readLottie(request.bundleDir, section.file);
  const bound = bindInputs(lottie, section, request.inputs);
  const problems = [...findUnsupported(lottie, bound.places, section.audio !== undefined), ...bound.problems];
  throwProblems(problems, section.file);
  for (const { severity, message } of problems)
    if (severity === 'warning') onLog(`${section.file}: ${message}`);
  const fonts = await loadFonts(lottie, section, request.bundleDir, bound.fonts);
  throwProblems(checkFonts(lottie, bound.places, fonts), section.file);
  for (const place of bound.shrink)
    for (const document of documentsOf(place)) fitText(lottie, place, document, fonts);
  const images = await prepareImages(kit, lottie, bound, {
    dir: request.bundleDir,
    lottieFile: section.file,
    scale: Math.max(request.output.width / lottie.w, request.output.height / lottie.h),
  });
  const assets = new Map([...images, ...useFonts(kit, lottie, fonts)]);
  const animation = kit.MakeManagedAnimation(JSON.stringify(lottie), toBuffers(assets));
  if (animation) return { animation, lottie };
  throw new FlatrenderError(
    'LOTTIE_INVALID',
    `${section.file} cannot be loaded: Skottie refuses it without a reason`,
    {
      hint: 'open it in another player; export it again with a current Bodymovin',
    },
  );
}

/** Gives each font a family of its own, in the file and in the list, and returns the files by that name. */
function useFonts(kit: CanvasKit, lottie: Lottie, fonts: FontSet): [string, Uint8Array][] {
  const assets: [string, Uint8Array][] = [];
  for (const [index, entry] of (lottie.fonts?.list ?? []).entries()) {
    const font = fonts.get(entry.fName);
    if (!font) continue;
    const family = `flatrender-font-${index}`;
    const bytes = renameFamily(font.bytes, family);
    const typeface = bytes && kit.Typeface.MakeTypefaceFromData(copyOf(bytes));
    if (!typeface) {
      throw new FlatrenderError(font.code, `${font.label} is not a font that can be drawn`, {
        hint: 'give a TTF or OTF file with one font',
      });
    }
    typeface.delete();
    Object.assign(entry, { fFamily: family, fStyle: 'Regular', fPath: '', origin: 0 });
    assets.push([family, bytes]);
  }
  return assets;
}

function toBuffers(assets: ReadonlyMap<string, Uint8Array>): Record<string, ArrayBuffer> {
  return Object.fromEntries([...assets].map(([key, bytes]) => [key, copyOf(bytes)]));
}

/** The bytes in a buffer of their own: small files that Node reads share one. */
function copyOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
