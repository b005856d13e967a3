/** Slots of a Lottie file (Essential Graphics): values under a name that several properties share. */

import type { EngineInput } from '../engine.ts';
import { parseColor } from './color.ts';
import { nameList } from './layers.ts';
import { lineBreaks } from './line-breaks.ts';
import { isObject, type Lottie, type LottieProperty, type TextDocument } from './lottie-json.ts';
import { type Problem, problem } from './problem.ts';

/** What a slot holds; `image` is bound like an image asset. */
export type SlotKind = 'text' | 'color' | 'number' | 'image' | 'other';

/** Finds a slot and what it holds, or a TEMPLATE_INVALID problem that lists the slots. */
export function findSlot(lottie: Lottie, id: string): { kind: SlotKind } | Problem {
  const slots = lottie.slots ?? {};
  const value = Object.hasOwn(slots, id) ? slots[id]?.p : undefined;
  if (!isObject(value)) {
    return problem(
      'TEMPLATE_INVALID',
      `there is no slot ${JSON.stringify(id)}; there are: ${nameList(Object.keys(slots))}`,
    );
  }
  return { kind: kindOf(value) };
}

/** Puts a value into a slot. */
export function setSlot(lottie: Lottie, id: string, input: EngineInput): void {
  const slot = lottie.slots?.[id];
  if (!slot || !('value' in input)) return;
  if (input.type === 'color') slot.p = { a: 0, k: parseColor(input.value).slice() };
  else if (input.type === 'text' || input.type === 'choice') {
    for (const document of documentsIn(slot.p)) document.t = lineBreaks(input.value);
  } else slot.p = { a: 0, k: Number(input.value) };
}

/** Copies each slot's value to where it is used, so that everything after sees one plain file. */
export function resolveSlots(lottie: Lottie): void {
  const { slots } = lottie;
  if (!slots) return;
  const visit = (value: Record<string, unknown>): void => {
    const { sid } = value;
    const slot = typeof sid === 'string' && Object.hasOwn(slots, sid) ? slots[sid]?.p : undefined;
    if (isObject(slot)) {
      Object.assign(value, structuredClone(slot));
      delete value.sid;
    }
    for (const child of Object.values(value)) if (isObject(child)) visit(child);
  };
  for (const part of [lottie.layers, lottie.assets ?? []]) visit(part as unknown as Record<string, unknown>);
}

function kindOf(value: Record<string, unknown>): SlotKind {
  if (documentsIn(value).length > 0) return 'text';
  const { k } = value as LottieProperty;
  const first = Array.isArray(k) && isObject(k[0]) ? (k[0] as { s?: unknown }).s : k;
  if (typeof first === 'number' || (Array.isArray(first) && first.length === 1)) return 'number';
  if (Array.isArray(first) && first.length >= 3) return 'color';
  return typeof value.p === 'string' ? 'image' : 'other';
}

function documentsIn(value: unknown): TextDocument[] {
  const k = isObject(value) ? (value as LottieProperty).k : undefined;
  const keys = Array.isArray(k) ? (k as { s?: unknown }[]) : [];
  return keys.map((key) => key?.s).filter((s): s is TextDocument => isObject(s) && 't' in s);
}
