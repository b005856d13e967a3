/** How much room a point text has in the frame, from the transforms of its layer, their parents and compositions. */
import type { LayerPlace } from './layers.ts';
import {
  isObject,
  type Lottie,
  type LottieKeyframe,
  type LottieLayer,
  type LottieProperty,
} from './lottie-json.ts';

/** x' = a·x + c·y + e, y' = b·x + d·y + f. */
type Matrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

const IDENTITY: Matrix = [1, 0, 0, 1, 0, 0];
/** Text keeps this share of the shorter side free towards the edge of the frame: it should not touch it. */
const MARGIN = 0.08;
/** Enough to tell where a text rests from where it flies in. */
const SAMPLES = 41;

/**
 * Returns the width in pixels of the layer that a text from its anchor may take, by justification (0 left, 1 right, 2
 * centre): the median over the time it is shown, so that flying in and out does not count. Infinity when the anchor is
 * never in the frame.
 */
export function roomForText(lottie: Lottie, place: LayerPlace, justification: number): number {
  const start = Math.max(lottie.ip, place.within[0]?.layer.ip ?? place.layer.ip ?? lottie.ip);
  const end = Math.min(lottie.op, place.within[0]?.layer.op ?? place.layer.op ?? lottie.op);
  const widths: number[] = [];
  for (let i = 0; i < SAMPLES; i += 1) {
    const width = roomAt(lottie, place, justification, start + ((end - start) * (i + 0.5)) / SAMPLES);
    if (width !== undefined) widths.push(width);
  }
  widths.sort((a, b) => a - b);
  return widths[Math.floor(widths.length / 2)] ?? Number.POSITIVE_INFINITY;
}

function roomAt(lottie: Lottie, place: LayerPlace, justification: number, frame: number): number | undefined {
  let matrix = IDENTITY;
  let time = frame;
  for (const { layer, siblings } of [...place.within, place]) {
    if (time < (layer.ip ?? time) || time >= (layer.op ?? Number.POSITIVE_INFINITY)) return undefined;
    matrix = multiply(matrix, worldMatrix(layer, siblings, time));
    time = (time - (layer.st ?? 0)) / (layer.sr || 1);
  }
  const [a, b, , , x, y] = matrix;
  const scale = Math.hypot(a, b);
  if (scale < 1e-3 || x < 0 || y < 0 || x > lottie.w || y > lottie.h) return undefined;
  const margin = MARGIN * Math.min(lottie.w, lottie.h);
  const ahead = Math.max(0, reach(x, y, a / scale, b / scale, lottie) - margin);
  const behind = Math.max(0, reach(x, y, -a / scale, -b / scale, lottie) - margin);
  const room = justification === 1 ? behind : justification === 2 ? 2 * Math.min(ahead, behind) : ahead;
  return room / scale;
}

/** Distance from a point to the edge of the frame along a direction. */
function reach(x: number, y: number, dx: number, dy: number, { w, h }: Lottie): number {
  const toX = Math.abs(dx) < 1e-6 ? Number.POSITIVE_INFINITY : ((dx > 0 ? w : 0) - x) / dx;
  const toY = Math.abs(dy) < 1e-6 ? Number.POSITIVE_INFINITY : ((dy > 0 ? h : 0) - y) / dy;
  return Math.min(toX, toY);
}

function worldMatrix(layer: LottieLayer, siblings: readonly LottieLayer[], time: number): Matrix {
  let matrix = localMatrix(layer, time);
  let current = layer;
  // A chain of parents cannot be longer than the list; a ring would be.
  for (let steps = 0; current.parent !== undefined && steps < siblings.length; steps += 1) {
    const parent = siblings.find(({ ind }) => ind === current.parent);
    if (!parent) break;
    matrix = multiply(localMatrix(parent, time), matrix);
    current = parent;
  }
  return matrix;
}

function localMatrix({ ks }: LottieLayer, time: number): Matrix {
  if (!ks) return IDENTITY;
  const [ax = 0, ay = 0] = valueAt(ks.a, time);
  const [px = 0, py = 0] = positionAt(ks.p, time);
  const [sx = 100, sy = 100] = valueAt(ks.s, time);
  const [degrees = 0] = valueAt(ks.r ?? ks.rz, time);
  const cos = Math.cos((degrees * Math.PI) / 180);
  const sin = Math.sin((degrees * Math.PI) / 180);
  const turned: Matrix = [(cos * sx) / 100, (sin * sx) / 100, (-sin * sy) / 100, (cos * sy) / 100, px, py];
  return multiply(turned, [1, 0, 0, 1, -ax, -ay]);
}

function positionAt(position: LottieProperty | undefined, time: number): number[] {
  const axes = position as { s?: boolean; x?: LottieProperty; y?: LottieProperty } | undefined;
  if (axes?.s !== true) return valueAt(position, time);
  return [valueAt(axes.x, time)[0] ?? 0, valueAt(axes.y, time)[0] ?? 0];
}

/** The value of a property at a time; between keyframes on a straight line, which is near enough for a layout. */
function valueAt(property: LottieProperty | undefined, time: number): number[] {
  const { k } = property ?? {};
  if (typeof k === 'number') return [k];
  if (!Array.isArray(k)) return [];
  if (!isObject(k[0])) return k.filter((value) => typeof value === 'number');
  const keys = k as LottieKeyframe[];
  const index = Math.max(
    0,
    keys.findLastIndex(({ t }) => t <= time),
  );
  const key = keys[index];
  const next = keys[index + 1];
  const from = numbers(key?.s ?? keys[index - 1]?.e);
  const to = numbers(key?.e ?? next?.s);
  if (!key || !next || key.h === 1 || to.length === 0 || time <= key.t) return from;
  const part = Math.min(1, (time - key.t) / (next.t - key.t || 1));
  return from.map((value, axis) => value + ((to[axis] ?? value) - value) * part);
}

function numbers(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'number') : [];
}

function multiply(m: Matrix, n: Matrix): Matrix {
  return [
    m[0] * n[0] + m[2] * n[1],
    m[1] * n[0] + m[3] * n[1],
    m[0] * n[2] + m[2] * n[3],
    m[1] * n[2] + m[3] * n[3],
    m[0] * n[4] + m[2] * n[5] + m[4],
    m[1] * n[4] + m[3] * n[5] + m[5],
  ];
}
