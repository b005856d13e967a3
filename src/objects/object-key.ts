import { FlatrenderError } from '../lib/errors.ts';

/** Longest key; S3 allows 1024, paths of the fs store must stay below the limits of file systems. */
const LONGEST_KEY = 512;
/** Longest segment: file systems allow 255 bytes, the rest is for suffixes of the fs store. */
const LONGEST_SEGMENT = 200;
const SEGMENT = /^[A-Za-z0-9._-]+$/;

/** Refuses what is not an object key (see `ObjectStore`) with REQUEST_INVALID. */
export function checkObjectKey(key: string): void {
  if (key.length === 0 || key.length > LONGEST_KEY) {
    throw invalid('object key', key, `has ${key.length} characters; 1 to ${LONGEST_KEY} are allowed`);
  }
  for (const segment of key.split('/')) checkSegment('object key', key, segment);
}

/** Refuses what cannot start an object key; the empty prefix means every object. */
export function checkObjectPrefix(prefix: string): void {
  if (prefix.length > LONGEST_KEY) throw invalid('prefix', prefix, `is longer than ${LONGEST_KEY}`);
  const segments = prefix.split('/');
  const last = segments.pop() ?? '';
  for (const segment of segments) checkSegment('prefix', prefix, segment);
  if (last !== '' && !SEGMENT.test(last)) throw invalid('prefix', prefix, 'has characters no key has');
}

function checkSegment(what: string, key: string, segment: string): void {
  if (segment === '') throw invalid(what, key, 'has an empty segment');
  if (segment === '.' || segment === '..') throw invalid(what, key, `has the segment "${segment}"`);
  if (segment.length > LONGEST_SEGMENT) {
    throw invalid(what, key, `has a segment of more than ${LONGEST_SEGMENT} characters`);
  }
  if (!SEGMENT.test(segment)) throw invalid(what, key, 'has characters other than A-Z a-z 0-9 . _ - /');
}

function invalid(what: string, key: string, reason: string): FlatrenderError {
  const shown = JSON.stringify(key.length > 120 ? `${key.slice(0, 120)}…` : key);
  return new FlatrenderError('REQUEST_INVALID', `${what} ${shown} ${reason}`);
}

/** OBJECT_NOT_FOUND, as every store says it. */
export function noSuchObject(key: string): FlatrenderError {
  return new FlatrenderError('OBJECT_NOT_FOUND', `there is no object ${key}`);
}
