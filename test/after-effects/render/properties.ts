/** Properties of layers and their values at a time. */
import { createContext, Script } from 'node:vm';
import type { SimLayer, SimProperty, SimShape, SimText, SimValue } from '../sim-project.ts';

/** What an expression can know. */
export interface PropertyTime {
  /** Seconds in the composition. */
  readonly time: number;
  readonly width: number;
  readonly height: number;
}

/** The property or group with a match name (or name), anywhere below. */
export function findProperty(
  properties: readonly SimProperty[] | undefined,
  name: string,
): SimProperty | undefined {
  for (const property of properties ?? []) {
    if (property.matchName === name || property.name === name) return property;
    const below = findProperty(property.children, name);
    if (below) return below;
  }
  return undefined;
}

/** A top-level group of a layer. */
export function groupOf(layer: SimLayer, matchName: string): readonly SimProperty[] {
  return layer.properties.find((property) => property.matchName === matchName)?.children ?? [];
}

/** Value of a property: its expression's, else between its keyframes, else its own. */
export function valueAt(property: SimProperty | undefined, at: PropertyTime): SimValue | undefined {
  if (!property) return undefined;
  const value = keyedValue(property, at.time);
  return property.expression ? evaluate(property, value, at) : value;
}

/** Numbers of a property, or the default for what is missing. */
export function numbersAt(
  property: SimProperty | undefined,
  at: PropertyTime,
  fallback: readonly number[],
): number[] {
  const value = valueAt(property, at);
  const numbers = Array.isArray(value) ? value : typeof value === 'number' ? [value] : [];
  return fallback.map((standard, index) => numbers[index] ?? standard);
}

/** Time in the source of a layer at a time of its composition, seconds. */
export function sourceTime(layer: SimLayer, time: number): number {
  const plain = (time - layer.startTime) / ((layer.stretch || 100) / 100);
  const remapped = layer.timeRemapEnabled ? findProperty(layer.properties, 'ADBE Time Remapping') : undefined;
  return numbersAt(remapped, { time, width: 0, height: 0 }, [plain])[0] ?? plain;
}

export function isText(value: SimValue | undefined): value is SimText {
  return typeof value === 'object' && 'fontSize' in value;
}

export function isShape(value: SimValue | undefined): value is SimShape {
  return typeof value === 'object' && 'shape' in value;
}

function keyedValue(property: SimProperty, time: number): SimValue | undefined {
  const keys = property.keyframes ?? [];
  const [first] = keys;
  if (!first) return property.value;
  const next = keys.findIndex((key) => key.time > time);
  if (next === 0) return first.value;
  const before = keys[next === -1 ? keys.length - 1 : next - 1] ?? first;
  const after = next === -1 ? undefined : keys[next];
  if (!after) return before.value;
  return between(before.value, after.value, (time - before.time) / (after.time - before.time));
}

function between(from: SimValue, to: SimValue, share: number): SimValue {
  if (typeof from === 'number' && typeof to === 'number') return from + (to - from) * share;
  if (Array.isArray(from) && Array.isArray(to))
    return from.map((number, index) => number + ((to[index] ?? number) - number) * share);
  return from; // texts and switches hold
}

/** Enough of the expression language for plain formulas; one that fails leaves the value, as in After Effects. */
function evaluate(
  property: SimProperty,
  value: SimValue | undefined,
  at: PropertyTime,
): SimValue | undefined {
  const keys = property.keyframes ?? [];
  const [start, end] = [keys[0]?.time ?? 0, keys.at(-1)?.time ?? 0];
  try {
    const isDocument = isText(value);
    const result: unknown = new Script(property.expression ?? '').runInContext(
      createContext({
        time: at.time,
        value: isDocument ? value.text : value,
        thisComp: { width: at.width, height: at.height },
        valueAtTime: (time: number) => keyedValue(property, time),
        loopOut: () =>
          keyedValue(
            property,
            at.time > end && end > start ? start + ((at.time - start) % (end - start)) : at.time,
          ),
      }),
      { timeout: 200 },
    );
    if (isDocument) return { ...value, text: String(result).replaceAll('\n', '\r') };
    if (typeof result === 'number' || typeof result === 'boolean' || typeof result === 'string')
      return result;
    return Array.isArray(result) ? result.map(Number) : value;
  } catch {
    return value;
  }
}
