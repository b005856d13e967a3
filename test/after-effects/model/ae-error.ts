import { HostError } from '../script-host/realm.ts';

/** An error of the object model; the wording follows what scripts of After Effects are known to show. */
export function aeError(text: string): HostError {
  return new HostError(`After Effects error: ${text}`);
}

/** A parameter that a method does not take. */
export function badParameter(method: string, position: number, why: string): HostError {
  return aeError(`Unable to call “${method}” because of parameter ${position}. ${why}`);
}

/** A value that an attribute does not take. */
export function badValue(attribute: string, why: string): HostError {
  return aeError(`Unable to set “${attribute}”. ${why}`);
}

/** A member of a collection, from 1. */
export function memberAt<T>(list: readonly T[], index: unknown, method: string): T {
  const member = typeof index === 'number' ? list[index - 1] : undefined;
  if (member === undefined)
    throw badParameter(method, 1, `Value ${String(index)} out of range 1 to ${list.length}.`);
  return member;
}

/** A number for an attribute. */
export function numberFor(attribute: string, value: unknown, min = -Infinity, max = Infinity): number {
  if (typeof value !== 'number' || Number.isNaN(value)) throw badValue(attribute, 'Value is not a number.');
  if (value < min || value > max) throw badValue(attribute, `Value ${value} out of range ${min} to ${max}.`);
  return value;
}
