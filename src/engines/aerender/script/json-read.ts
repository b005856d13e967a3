/** Reads the data file. Strict, and never by `eval`: what it holds comes from customers. */
import { fail } from './failure.ts';

interface Reader {
  readonly text: string;
  at: number;
  /** Next of each from `at` on, found once: a text of 100 000 escapes is not searched to its end for each of them. */
  nextQuote: number;
  nextBackslash: number;
}

/** Deeper than any data file; ExtendScript's stack is small. */
var MAX_DEPTH = 32;

var SHORT_ESCAPES: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t'
};

/** The value of a JSON text of ASCII characters. Fails on anything else, and on a name that comes twice. */
export function readJson(text: string): unknown {
  var reader: Reader = { text: text, at: 0, nextQuote: -1, nextBackslash: -1 };
  var value = readValue(reader, 0);
  skipSpace(reader);
  if (reader.at < text.length) refuse(reader, 'something after the end');
  return value;
}

function readValue(reader: Reader, depth: number): unknown {
  if (depth > MAX_DEPTH) refuse(reader, 'too many levels');
  skipSpace(reader);
  var first = reader.text.charAt(reader.at);
  if (first === '{') return readObject(reader, depth);
  if (first === '[') return readArray(reader, depth);
  if (first === '"') return readString(reader);
  if (first === 't') return readWord(reader, 'true', true);
  if (first === 'f') return readWord(reader, 'false', false);
  if (first === 'n') return readWord(reader, 'null', null);
  return readNumber(reader);
}

function readObject(reader: Reader, depth: number): Record<string, unknown> {
  var object: Record<string, unknown> = {};
  reader.at++;
  if (closes(reader, '}')) return object;
  do {
    skipSpace(reader);
    if (reader.text.charAt(reader.at) !== '"') refuse(reader, 'a name should be here');
    var name = readString(reader);
    // It would set the prototype instead of a member.
    if (name === '__proto__') refuse(reader, 'a name that is not allowed');
    if (hasOwn(object, name)) refuse(reader, 'a name for the second time');
    expectMark(reader, ':');
    object[name] = readValue(reader, depth + 1);
  } while (continues(reader, '}'));
  return object;
}

function readArray(reader: Reader, depth: number): unknown[] {
  var array: unknown[] = [];
  reader.at++;
  if (closes(reader, ']')) return array;
  do {
    array.push(readValue(reader, depth + 1));
  } while (continues(reader, ']'));
  return array;
}

function readString(reader: Reader): string {
  var parts: string[] = [];
  reader.at++;
  while (true) {
    var end = nextEnd(reader);
    var plain = reader.text.substring(reader.at, end);
    if (/[^\x20-\x7e]/.test(plain)) refuse(reader, 'a character that is not ASCII');
    if (plain !== '') parts.push(plain);
    reader.at = end + 1;
    if (reader.text.charAt(end) === '"') return parts.join('');
    parts.push(readEscape(reader));
  }
}

/** Position of the next quotation mark or backslash. */
function nextEnd(reader: Reader): number {
  if (reader.nextQuote < reader.at) {
    reader.nextQuote = reader.text.indexOf('"', reader.at);
    if (reader.nextQuote === -1) refuse(reader, 'a string without an end');
  }
  if (reader.nextBackslash < reader.at) {
    reader.nextBackslash = reader.text.indexOf('\\', reader.at);
    if (reader.nextBackslash === -1) reader.nextBackslash = reader.text.length;
  }
  return Math.min(reader.nextQuote, reader.nextBackslash);
}

function readEscape(reader: Reader): string {
  var letter = reader.text.charAt(reader.at);
  reader.at++;
  if (letter === 'u') {
    var digits = reader.text.substr(reader.at, 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) refuse(reader, 'a \\u without four digits');
    reader.at += 4;
    return String.fromCharCode(parseInt(digits, 16));
  }
  if (letter === '' || !hasOwn(SHORT_ESCAPES, letter)) refuse(reader, 'an escape that JSON does not have');
  return SHORT_ESCAPES[letter];
}

function readNumber(reader: Reader): number {
  // No number that JSON.stringify writes is longer than 25 characters.
  var match = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/.exec(reader.text.substr(reader.at, 40));
  if (match === null || match[0].length === 40) return refuse(reader, 'no value');
  var value = Number(match[0]);
  if (!isFinite(value)) refuse(reader, 'a number that is too large');
  reader.at += match[0].length;
  return value;
}

function readWord<T>(reader: Reader, word: string, value: T): T {
  if (reader.text.substr(reader.at, word.length) !== word) refuse(reader, 'no value');
  reader.at += word.length;
  return value;
}

function closes(reader: Reader, mark: string): boolean {
  skipSpace(reader);
  if (reader.text.charAt(reader.at) !== mark) return false;
  reader.at++;
  return true;
}

/** After a member: true at a comma, false at the end. */
function continues(reader: Reader, end: string): boolean {
  if (closes(reader, end)) return false;
  expectMark(reader, ',');
  return true;
}

function expectMark(reader: Reader, mark: string): void {
  if (!closes(reader, mark)) refuse(reader, '"' + mark + '" should be here');
}

function skipSpace(reader: Reader): void {
  while (true) {
    var character = reader.text.charAt(reader.at);
    if (character !== ' ' && character !== '\n' && character !== '\r' && character !== '\t') return;
    reader.at++;
  }
}

/** `Object.prototype.hasOwnProperty`, also where a member has that name. */
export function hasOwn(object: object, name: string): boolean {
  return Object.prototype.hasOwnProperty.call(object, name);
}

function refuse(reader: Reader, what: string): never {
  return fail('AE_SCRIPT_ERROR', 'the data file is damaged at character ' + reader.at + ': ' + what);
}
