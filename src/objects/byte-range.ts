import { FlatrenderError } from '../lib/errors.ts';
import type { ByteRange } from './object-store.ts';

/** A range with its end filled in and clipped to an object of this size; OBJECT_RANGE when it lies beyond. */
export function clipRange(key: string, size: number, range?: ByteRange): { start: number; end: number } {
  if (range === undefined) return { start: 0, end: size - 1 };
  const { start, end = size - 1 } = range;
  if (!Number.isSafeInteger(start) || start < 0 || start >= size || !(end >= start)) {
    throw new FlatrenderError(
      'OBJECT_RANGE',
      `${key} has ${size} bytes; there is no range ${start}-${range.end ?? ''}`,
      { details: { sizeBytes: size } },
    );
  }
  return { start, end: Math.min(end, size - 1) };
}
