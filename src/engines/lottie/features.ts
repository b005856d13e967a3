/** What a Lottie file uses that Skottie does not draw. It says nothing about it, so we look before rendering. */
import type { LayerPlace } from './layers.ts';
import { nameList } from './layers.ts';
import { isObject, LAYER, type Lottie, type LottieEffect, type LottieShape } from './lottie-json.ts';
import { type Problem, problem, warning } from './problem.ts';

/** skia/modules/skottie/src/effects/Effects.cpp, table gBuilderInfo (match names present in canvaskit-wasm 0.42). */
const EFFECTS = new Set([
  'ADBE Black&White',
  'ADBE Brightness & Contrast 2',
  'ADBE Bulge',
  'ADBE Corner Pin',
  'ADBE Displacement Map',
  'ADBE Drop Shadow',
  'ADBE Easy Levels2',
  'ADBE Fill',
  'ADBE Fractal Noise',
  'ADBE Gaussian Blur 2',
  'ADBE Geometry2',
  'ADBE HUE SATURATION',
  'ADBE Invert',
  'ADBE Linear Wipe',
  'ADBE Motion Blur',
  'ADBE Pro Levels2',
  'ADBE Radial Wipe',
  'ADBE Ramp',
  'ADBE Sharpen',
  'ADBE Shift Channels',
  'ADBE Threshold2',
  'ADBE Tile',
  'ADBE Tint',
  'ADBE Tritone',
  'ADBE Venetian Blinds',
  'CC Sphere',
  'CC Toner',
  'SkSL Color Filter',
  'SkSL Shader',
]);
/** The same file: effects it knows by number when the match name is missing. */
const EFFECT_TYPES = new Set([20, 21, 23, 25, 26, 29]);
/** Sliders, colours, points, …: values for expressions, nothing to draw. */
const CONTROL = /^(Pseudo\/|ADBE (Slider|Angle|Checkbox|Color|Point|Point3D|Layer|Dropdown) Control$)/;
/** skia/modules/skottie/src/layers/shapelayer/ShapeLayer.cpp, table gShapeInfo, and the transform of a group. */
const SHAPES = new Set('el fl gf gr gs mm op pb rc rd rp sh sr st tm tr'.split(' '));
/** Effects.cpp, gStyleBuilders: drop shadow, inner shadow, outer glow, inner glow. */
const STYLES = new Set([1, 2, 3, 4]);
/** skia/modules/skottie/src/Layer.cpp, GetMaskInfo: add, difference, intersect, subtract; none is not drawn anyway. */
const MASKS = new Set(['a', 'f', 'i', 's', 'n']);
/** skia/modules/skottie/src/Skottie.cpp, GetBlendMode: the modes of After Effects up to luminosity, add, hard mix. */
const LAST_BLEND_MODE = 17;

/**
 * Finds expressions (LOTTIE_EXPRESSIONS) and features that would silently be missing in the picture
 * (LOTTIE_UNSUPPORTED). `hasAudio`: the template names a sound track of its own, so sound layers are no loss.
 */
export function findUnsupported(lottie: Lottie, places: readonly LayerPlace[], hasAudio: boolean): Problem[] {
  const problems = findExpressions(lottie, places);
  const add = (place: LayerPlace, what: string): void => {
    problems.push(
      problem('LOTTIE_UNSUPPORTED', `layer ${JSON.stringify(place.path)} uses ${what}, which is not drawn`),
    );
  };
  for (const place of places) {
    const { layer } = place;
    if (layer.hd) continue;
    if (layer.ty === 9) add(place, 'a video');
    if (layer.ty === LAYER.audio && !hasAudio) {
      problems.push(
        problem(
          'LOTTIE_UNSUPPORTED',
          `layer ${JSON.stringify(place.path)} is a sound, which is not mixed`,
          'name the sound track as "audio" in the lottie section of template.yaml',
        ),
      );
    }
    if (layer.ty === 14)
      problems.push(warning('LOTTIE_UNSUPPORTED', `the light ${JSON.stringify(place.path)} has no effect`));
    if ((layer.bm ?? 0) > LAST_BLEND_MODE) add(place, `blend mode ${layer.bm}`);
    for (const { mode } of layer.masksProperties ?? []) {
      if (mode !== undefined && !MASKS.has(mode)) add(place, `mask mode "${mode}"`);
    }
    for (const style of layer.sy ?? []) {
      if (!STYLES.has(style.ty ?? -1)) add(place, `layer style "${style.nm ?? style.ty}"`);
    }
    for (const effect of layer.ef ?? []) problems.push(...checkEffect(effect, place));
    for (const type of unknownShapes(layer.shapes ?? [])) add(place, `shape element "${type}"`);
  }
  return problems;
}

function checkEffect(effect: LottieEffect, place: LayerPlace): Problem[] {
  if (effect.en === 0) return [];
  const name = effect.mn ?? effect.nm ?? '';
  if (EFFECTS.has(effect.mn ?? '') || EFFECT_TYPES.has(effect.ty ?? -1) || CONTROL.test(name)) return [];
  const message = `layer ${JSON.stringify(place.path)} uses the effect "${name}", which is not drawn`;
  if (effect.mn !== undefined) return [problem('LOTTIE_UNSUPPORTED', message)];
  // Bodymovin before 5 wrote no match names, and `ty` 5 for all it could not export: lottie-web shows none of
  // them either, so the animation looks as its author saw it. A control for expressions has one value.
  return (effect.ef?.length ?? 0) > 1 ? [warning('LOTTIE_UNSUPPORTED', message)] : [];
}

function unknownShapes(shapes: readonly LottieShape[]): string[] {
  return shapes.flatMap((shape) => {
    if (shape.hd) return [];
    if (shape.ty === 'gr') return unknownShapes(shape.it ?? []);
    return SHAPES.has(shape.ty) ? [] : [shape.ty];
  });
}

function findExpressions(lottie: Lottie, places: readonly LayerPlace[]): Problem[] {
  const byLayer = new Map<unknown, string>(places.map(({ layer, path }) => [layer, path]));
  const names: string[] = [];
  // Also in compositions that nothing shows: cheap, and the file is what its author must export again.
  const visit = (value: object, name: string): void => {
    const here = byLayer.get(value) ?? name;
    const { x } = value as { x?: unknown };
    // A number in x is a coordinate; an object in x is the axis of a separated position.
    if (typeof x === 'string' && x.trim() !== '') names.push(here);
    for (const child of Object.values(value)) if (isObject(child)) visit(child, here);
  };
  visit(lottie, lottie.nm ?? 'the composition');
  if (names.length === 0) return [];
  return [
    problem(
      'LOTTIE_EXPRESSIONS',
      `${names.length} properties are driven by expressions, which this renderer does not run; layers: ${nameList(names)}`,
      'bake them in After Effects (Animation > Keyframe Assistant > Convert Expression to Keyframes) and export again',
    ),
  ];
}
