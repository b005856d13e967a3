/**
 * Reading the text of text layers: COS, the object syntax of PDF (ISO 32000-1, 7.3), without indirect objects. The outermost
 * level is the inside of a dictionary; keys are numbers as names (`/0`). One pass, no tree: `visit` sees the values and where they are.
 */

/** Lists in lists in text. Real ones: some 40. */
const MOST_DEPTH = 256;

export type CosVisit = (
  /** Keys and indexes from the outermost level to the value; -1 for a key that is no number. */
  path: readonly number[],
  /** Where the value is; of a string without the parentheses. */
  start: number,
  end: number,
  isString: boolean,
) => void;

/** What is wrong, and where; null: nothing. */
export type CosProblem = { readonly at: number; readonly reason: string } | null;

const OPEN = 0x28;
const CLOSE = 0x29;
const LESS = 0x3c;
const GREATER = 0x3e;
const SLASH = 0x2f;
const BACKSLASH = 0x5c;
const LEFT_BRACKET = 0x5b;
const RIGHT_BRACKET = 0x5d;

/** Calls `visit` for every string, number, name and constant. */
export function scanCos(bytes: Buffer, visit: CosVisit): CosProblem {
  const path: number[] = [-1];
  /** Of each level: an array, and in a dictionary whether a key is next. */
  const arrays: boolean[] = [false];
  const keyNext: boolean[] = [true];
  let at = 0;
  const top = () => path.length - 1;
  const stray = (): boolean => !arrays[top()] && keyNext[top()] === true;
  const valueEnds = () => {
    if (arrays[top()]) path[top()] = (path[top()] ?? 0) + 1;
    else keyNext[top()] = true;
  };
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    if (isSpace(byte)) {
      at += 1;
      continue;
    }
    const isDictionaryEnd = byte === GREATER && bytes[at + 1] === GREATER;
    if (isDictionaryEnd || byte === RIGHT_BRACKET) {
      const fits = top() > 0 && arrays[top()] === !isDictionaryEnd && (!isDictionaryEnd || stray());
      if (!fits) return { at, reason: 'closes what is not open' };
      path.pop();
      arrays.pop();
      keyNext.pop();
      valueEnds();
      at += isDictionaryEnd ? 2 : 1;
      continue;
    }
    if (stray()) {
      if (byte !== SLASH) return { at, reason: 'a key is missing' };
      const end = wordEnd(bytes, at + 1);
      path[top()] = keyNumber(bytes, at + 1, end);
      keyNext[top()] = false;
      at = end;
      continue;
    }
    const isDictionary = byte === LESS && bytes[at + 1] === LESS;
    if (isDictionary || byte === LEFT_BRACKET) {
      if (path.length >= MOST_DEPTH) return { at, reason: `nested more than ${MOST_DEPTH} deep` };
      path.push(isDictionary ? -1 : 0);
      arrays.push(!isDictionary);
      keyNext.push(isDictionary);
      at += isDictionary ? 2 : 1;
      continue;
    }
    const isString = byte === OPEN;
    const end = isString
      ? stringEnd(bytes, at + 1)
      : byte === LESS
        ? bytes.indexOf(GREATER, at)
        : wordEnd(bytes, at + 1);
    if (end < 0 || end > bytes.length) return { at, reason: 'a string does not end' };
    visit(path, isString ? at + 1 : at, end, isString);
    valueEnds();
    at = end + (isString || byte === LESS ? 1 : 0);
  }
  if (path.length > 1 || !keyNext[0]) return { at, reason: 'it ends in the middle' };
  return null;
}

/** A string between its parentheses, as text: UTF-16 after a byte order mark, else Latin-1. */
export function cosString(raw: Buffer): string {
  const bytes = unescaped(raw);
  if (bytes[0] !== 0xfe || bytes[1] !== 0xff) return bytes.toString('latin1');
  // An odd byte at the end is half a character; swap16 refuses it.
  return bytes
    .subarray(2, bytes.length - (bytes.length % 2))
    .swap16()
    .toString('utf16le');
}

const ESCAPES: Record<number, number> = { 110: 10, 114: 13, 116: 9, 98: 8, 102: 12 };

function unescaped(raw: Buffer): Buffer {
  const out = Buffer.alloc(raw.length);
  let length = 0;
  for (let at = 0; at < raw.length; at += 1) {
    let byte = raw[at] ?? 0;
    if (byte === BACKSLASH && at + 1 < raw.length) {
      at += 1;
      byte = raw[at] ?? 0;
      if (isOctal(byte)) {
        byte -= 0x30;
        for (let digits = 1; digits < 3 && isOctal(raw[at + 1]); digits += 1) {
          at += 1;
          byte = byte * 8 + (raw[at] ?? 0) - 0x30;
        }
      } else byte = ESCAPES[byte] ?? byte;
    }
    out[length] = byte & 0xff;
    length += 1;
  }
  return out.subarray(0, length);
}

function isOctal(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x37;
}

function isSpace(byte: number): boolean {
  return byte === 32 || byte === 10 || byte === 13 || byte === 9 || byte === 12 || byte === 0;
}

/** Where a name or number that goes on at `at` ends. */
function wordEnd(bytes: Buffer, at: number): number {
  let end = at;
  while (end < bytes.length) {
    const byte = bytes[end] ?? 0;
    if (isSpace(byte) || byte === SLASH || byte === OPEN || byte === CLOSE) break;
    if (byte === LESS || byte === GREATER || byte === LEFT_BRACKET || byte === RIGHT_BRACKET) break;
    end += 1;
  }
  return end;
}

/** Where the closing parenthesis of the string is; -1: nowhere. Pairs inside need no backslash (7.3.4.2). */
function stringEnd(bytes: Buffer, at: number): number {
  let open = 1;
  for (let end = at; end < bytes.length; end += 1) {
    const byte = bytes[end];
    if (byte === BACKSLASH) end += 1;
    else if (byte === OPEN) open += 1;
    else if (byte === CLOSE) {
      open -= 1;
      if (open === 0) return end;
    }
  }
  return -1;
}

function keyNumber(bytes: Buffer, start: number, end: number): number {
  const word = end - start <= 9 ? bytes.toString('latin1', start, end) : '';
  return /^\d+$/.test(word) ? Number(word) : -1;
}
