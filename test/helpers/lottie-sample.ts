/** Small Lottie files, written in tests as people think of them. */

import { ManifestSchema } from '../../src/bundle/manifest.ts';
import type { Lottie, LottieLayer, LottieShape, TextDocument } from '../../src/engines/lottie/lottie-json.ts';

const fixed = (k: unknown) => ({ a: 0, k });

/** A composition of 400 × 200 at 25 fps, 2 s, with what is given. */
export function sampleLottie(parts: Partial<Lottie>): Lottie {
  return {
    v: '5.9.6',
    w: 400,
    h: 200,
    fr: 25,
    ip: 0,
    op: 50,
    nm: 'Sample',
    layers: [],
    assets: [],
    ...parts,
  };
}

/** A layer at the centre of the frame; `ks` and the rest can be given. */
export function sampleLayer(ty: number, nm: string, more: Partial<LottieLayer> = {}): LottieLayer {
  const ks = {
    o: fixed(100),
    r: fixed(0),
    p: fixed([200, 100, 0]),
    a: fixed([0, 0, 0]),
    s: fixed([100, 100, 100]),
    ...more.ks,
  };
  return { ty, nm, ip: 0, op: 50, st: 0, ...more, ks };
}

/** A text layer with one document, or one per keyframe. */
export function sampleText(
  nm: string,
  documents: readonly Partial<TextDocument>[],
  more: Partial<LottieLayer> = {},
): LottieLayer {
  const k = documents.map((document, index) => ({
    t: index * 10,
    s: { t: nm, f: 'Sans', s: 20, j: 2, tr: 0, lh: 24, fc: [1, 1, 1], ...document },
  }));
  // What the renderer wants and nothing here reads.
  const rest = { p: {}, m: { g: 1, a: fixed([0, 0]) }, a: [] };
  return sampleLayer(5, nm, { ...more, t: { d: { k }, ...rest } });
}

/** A shape layer that is a rectangle of a size with the given fill and stroke items. */
export function sampleShape(
  nm: string,
  items: readonly LottieShape[],
  size: [number, number] = [100, 50],
): LottieLayer {
  const rectangle = { ty: 'rc', nm: 'Rectangle', p: fixed([0, 0]), s: fixed(size), r: fixed(0) };
  const transform = {
    ty: 'tr',
    nm: 'Transform',
    p: fixed([0, 0]),
    a: fixed([0, 0]),
    s: fixed([100, 100]),
    r: fixed(0),
    o: fixed(100),
  };
  return sampleLayer(4, nm, { shapes: [{ ty: 'gr', nm: 'Box', it: [rectangle, ...items, transform] }] });
}

/** A fill of a shape. */
export function sampleFill(nm: string, color: readonly number[]): LottieShape {
  return { ty: 'fl', nm, c: fixed(color), o: fixed(100), r: 1 } as LottieShape;
}

/** A fonts list that names fonts with their own name as family. */
export function sampleFonts(...names: string[]): NonNullable<Lottie['fonts']> {
  return { list: names.map((fName) => ({ fName, fFamily: fName, fStyle: 'Regular' })) };
}

/** The lottie section of a manifest as written, with defaults applied. */
export function lottieSection(section: Record<string, unknown>) {
  const { engines } = ManifestSchema.parse({
    schema: 1,
    name: 'sample',
    version: '1.0.0',
    composition: { width: 400, height: 200, fps: 25, duration: 2 },
    engines: { lottie: { file: 'sample.json', ...section } },
    outputs: ['original'],
  });
  if (!engines.lottie) throw new Error('the schema dropped the section');
  return engines.lottie;
}
