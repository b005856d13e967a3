/** Colours of a Lottie file: reading #rrggbb[aa] and setting it on solids, shapes and text. */
import { documentsOf } from './fonts.ts';
import { type LayerPlace, nameList } from './layers.ts';
import {
  isObject,
  LAYER,
  type LottieKeyframe,
  type LottieProperty,
  type LottieShape,
} from './lottie-json.ts';
import { type Problem, problem } from './problem.ts';

/** Red, green, blue and opacity from 0 to 1. */
export type Rgba = readonly [r: number, g: number, b: number, a: number];

/** Reads #rrggbb or #rrggbbaa. */
export function parseColor(color: string): Rgba {
  const at = (index: number): number => Number.parseInt(color.slice(index, index + 2) || 'ff', 16) / 255;
  return [at(1), at(3), at(5), at(7)];
}

interface ColorTarget {
  readonly shape?: string | undefined;
  readonly stroke: boolean;
}

/**
 * Sets the colour of a layer: of a solid, of text (fill or stroke), of all fills or strokes of a shape layer or of its
 * item named `shape`. With `color` undefined it only checks that there is something to colour.
 */
export function colorLayer(
  place: LayerPlace,
  { shape, stroke }: ColorTarget,
  color?: Rgba,
): Problem | undefined {
  const { layer, path } = place;
  if (layer.ty === LAYER.solid) {
    if (color) layer.sc = toHex(color);
    if (color && color[3] < 1 && layer.ks) layer.ks.o = scaled(layer.ks.o, color[3]);
    return undefined;
  }
  if (layer.ty === LAYER.text) {
    for (const document of color ? documentsOf(place) : [])
      document[stroke ? 'sc' : 'fc'] = color?.slice(0, 3);
    if (color && color[3] < 1 && layer.ks) layer.ks.o = scaled(layer.ks.o, color[3]);
    return undefined;
  }
  if (layer.ty !== LAYER.shape) {
    return problem(
      'TEMPLATE_INVALID',
      `layer ${JSON.stringify(path)} has no colour: it is neither a solid nor a shape nor text`,
    );
  }
  return colorShapes(place, { shape, stroke }, color);
}

function colorShapes(
  { layer, path }: LayerPlace,
  { shape, stroke }: ColorTarget,
  color?: Rgba,
): Problem | undefined {
  const all = flatten(layer.shapes ?? []);
  const roots = shape === undefined ? (layer.shapes ?? []) : all.filter(({ nm }) => nm === shape);
  const names = nameList(all.flatMap(({ nm, ty }) => (nm === undefined || ty === 'tr' ? [] : [nm])));
  const what = JSON.stringify(path);
  if (roots.length === 0)
    return problem(
      'TEMPLATE_INVALID',
      `layer ${what} has no item ${JSON.stringify(shape)}; there are: ${names}`,
    );
  const paints = flatten(roots).filter(({ ty }) => ty === (stroke ? 'st' : 'fl'));
  if (paints.length === 0) {
    const gradient = flatten(roots).some(({ ty }) => ty === (stroke ? 'gs' : 'gf')) ? ' but a gradient' : '';
    const where = shape === undefined ? '' : ` in ${JSON.stringify(shape)}`;
    return problem(
      'TEMPLATE_INVALID',
      `layer ${what} has no ${stroke ? 'stroke' : 'fill'}${where}${gradient}; items: ${names}`,
    );
  }
  for (const paint of color ? new Set(paints) : []) {
    paint.c = { a: 0, k: [...(color ?? []).slice(0, 3), 1] };
    if (color && color[3] < 1) paint.o = scaled(paint.o, color[3]);
  }
  return undefined;
}

function flatten(shapes: readonly LottieShape[]): LottieShape[] {
  return shapes.flatMap((shape) => [shape, ...flatten(shape.it ?? [])]);
}

/** A numeric property (default 100) multiplied by a factor, its keyframes too. */
export function scaled(property: LottieProperty | undefined, factor: number): LottieProperty {
  const times = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(times) : typeof value === 'number' ? value * factor : value;
  const k = property?.k ?? 100;
  if (!Array.isArray(k) || !isObject(k[0])) return { ...property, k: times(k) };
  return {
    ...property,
    k: (k as LottieKeyframe[]).map((key) => ({
      ...key,
      ...('s' in key ? { s: times(key.s) } : {}),
      ...('e' in key ? { e: times(key.e) } : {}),
    })),
  };
}

function toHex(color: Rgba): string {
  return `#${color
    .slice(0, 3)
    .map((value) =>
      Math.round(value * 255)
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`;
}
