/** The parts of a Lottie file (Bodymovin JSON) that flatrender reads or changes; everything else passes through. */
import { FlatrenderError } from '../../lib/errors.ts';

/** Layer types (`ty`), as https://lottiefiles.github.io/lottie-docs/layers/ numbers them. */
export const LAYER = {
  precomp: 0,
  solid: 1,
  image: 2,
  null: 3,
  shape: 4,
  text: 5,
  audio: 6,
  camera: 13,
  data: 15,
} as const;

/** One keyframe of an animated property. */
export interface LottieKeyframe {
  t: number;
  s?: unknown;
  /** End value; only in files of Bodymovin before 5.5. */
  e?: unknown;
  /** 1: hold until the next keyframe. */
  h?: number;
}

/** A property: a value in `k`, or keyframes in `k`; a string in `x` is an expression, a string in `sid` a slot. */
export interface LottieProperty {
  a?: number;
  k?: unknown;
  x?: unknown;
  sid?: string;
}

export interface LottiePosition extends LottieProperty {
  /** True: the axes are properties of their own (as `x` and `y`). */
  s?: boolean;
  y?: LottieProperty;
}

export interface LottieTransform {
  a?: LottieProperty;
  p?: LottiePosition;
  s?: LottieProperty;
  r?: LottieProperty;
  rz?: LottieProperty;
  o?: LottieProperty;
}

/** What a text layer says at one keyframe, and how. */
export interface TextDocument {
  /** Text; lines are separated by \r. */
  t: string;
  /** Name of a font of the list (`fName`). */
  f: string;
  /** Size in pixels. */
  s: number;
  /** 0 left, 1 right, 2 centre, 3–6 justified. */
  j?: number;
  /** Tracking in thousandths of the size. */
  tr?: number;
  /** Line height in pixels. */
  lh?: number;
  /** 1 all capitals, 2 small capitals. */
  ca?: number;
  fc?: number[];
  sc?: number[];
  /** Size of the box; without one the text is one line from its anchor. */
  sz?: [number, number];
  /** Skottie: 2 = reduce the size until the text fits its box. */
  rs?: number;
}

export interface LottieText {
  d: { k: { s: TextDocument; t: number }[]; x?: unknown; sid?: string };
}

/** An element of a shape layer; `ty` says which: gr group, fl fill, st stroke, … */
export interface LottieShape {
  ty: string;
  nm?: string;
  hd?: boolean;
  it?: LottieShape[];
  c?: LottieProperty;
  o?: LottieProperty;
}

export interface LottieEffect {
  ty?: number;
  nm?: string;
  /** After Effects' own name, the same in every language. */
  mn?: string;
  /** 0: switched off. */
  en?: number;
  ef?: unknown[];
}

export interface LottieLayer {
  ty: number;
  nm?: string;
  ind?: number;
  parent?: number;
  refId?: string;
  ip?: number;
  op?: number;
  st?: number;
  /** Time stretch. */
  sr?: number;
  hd?: boolean;
  bm?: number;
  ks?: LottieTransform;
  t?: LottieText;
  shapes?: LottieShape[];
  ef?: LottieEffect[];
  sy?: { ty?: number; nm?: string }[];
  masksProperties?: { mode?: string; nm?: string }[];
  /** Colour of a solid, #rrggbb. */
  sc?: string;
}

/** An image, a composition (`layers`), a sound or a data file. */
export interface LottieAsset {
  id: string;
  nm?: string;
  layers?: LottieLayer[];
  w?: number;
  h?: number;
  /** Directory and file name, or a data: URL in `p`. */
  u?: string;
  p?: string;
  /** 1: the file is inside `p`. */
  e?: number;
  /** 3: a data file. */
  t?: number;
  sid?: string;
}

export interface LottieFont {
  fName: string;
  fFamily: string;
  fStyle: string;
  fPath?: string;
  origin?: number;
}

export interface Lottie {
  v?: string;
  w: number;
  h: number;
  fr: number;
  ip: number;
  op: number;
  nm?: string;
  layers: LottieLayer[];
  assets?: LottieAsset[];
  fonts?: { list?: LottieFont[] };
  chars?: unknown[];
  slots?: Record<string, { p?: unknown }>;
}

/** Deeper files are refused: no exporter writes them, and readers would run out of stack. */
const MAX_DEPTH = 400;

/**
 * Reads a Lottie file and checks what everything else relies on: size, rate, length, layers, no composition inside
 * itself. Throws LOTTIE_INVALID with the name of the file.
 */
export function parseLottie(text: string, file: string): Lottie {
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw invalid(file, 'it is not JSON', error);
  }
  if (!isObject(json) || !Array.isArray(json.layers)) throw invalid(file, 'it has no "layers"');
  for (const key of ['w', 'h', 'fr', 'ip', 'op'] as const) {
    if (!Number.isFinite(json[key])) throw invalid(file, `"${key}" is not a number`);
  }
  const lottie = json as unknown as Lottie;
  if (lottie.w < 1 || lottie.h < 1) throw invalid(file, `its size is ${lottie.w} × ${lottie.h}`);
  if (lottie.fr <= 0) throw invalid(file, `its frame rate is ${lottie.fr}`);
  if (lottie.op <= lottie.ip) throw invalid(file, `it ends (${lottie.op}) before it starts (${lottie.ip})`);
  if (depthOver(json, MAX_DEPTH)) throw invalid(file, `it is nested more than ${MAX_DEPTH} deep`);
  checkShape(lottie, file);
  return lottie;
}

/** Length of the animation in seconds. */
export function lottieSeconds(lottie: Lottie): number {
  return (lottie.op - lottie.ip) / lottie.fr;
}

function checkShape(lottie: Lottie, file: string): void {
  for (const key of ['assets', 'chars'] as const) {
    if (lottie[key] !== undefined && !Array.isArray(lottie[key]))
      throw invalid(file, `"${key}" is not a list`);
  }
  const comps = new Map(
    (lottie.assets ?? []).filter((asset) => asset?.layers).map((asset) => [asset.id, asset]),
  );
  for (const layers of [lottie.layers, ...[...comps.values()].map((asset) => asset.layers)]) {
    if (!Array.isArray(layers) || !layers.every((layer) => isObject(layer) && typeof layer.ty === 'number')) {
      throw invalid(file, 'one of its layers has no type');
    }
  }
  const open: string[] = [];
  const done = new Set<string>();
  const visit = (layers: LottieLayer[]): void => {
    for (const { refId } of layers) {
      if (refId === undefined || done.has(refId)) continue;
      const comp = comps.get(refId);
      if (!comp?.layers) continue;
      if (open.includes(refId)) throw invalid(file, `the composition ${refId} contains itself`);
      open.push(refId);
      visit(comp.layers);
      open.pop();
      done.add(refId);
    }
  };
  visit(lottie.layers);
}

function depthOver(root: unknown, limit: number): boolean {
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limit) return true;
    const next: unknown[] = [];
    for (const value of level) {
      for (const child of Object.values(value as object)) if (isObject(child)) next.push(child);
    }
    level = next;
  }
  return false;
}

/** True for an object or an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function invalid(file: string, why: string, cause?: unknown): FlatrenderError {
  return new FlatrenderError('LOTTIE_INVALID', `${file} is not a usable Lottie file: ${why}`, {
    cause,
    hint: 'export it again with Bodymovin (or LottieFiles for After Effects)',
  });
}
