import { isUtf8 } from 'node:buffer';
import { FlatrenderError } from './errors.ts';

interface ParseOptions {
  /** Deepest nesting of objects and arrays that is accepted; 1 = a flat object. */
  readonly maxDepth: number;
}

/**
 * Parses JSON that a stranger sent. REQUEST_TOO_DEEP before a single object is made (deeply nested text makes
 * recursive code overflow the stack: 200,000 brackets end a nexrender server), REQUEST_INVALID for anything
 * that is not JSON in UTF-8, or that names `__proto__`.
 */
export function parseJson(body: Uint8Array, { maxDepth }: ParseOptions): unknown {
  checkDepth(body, maxDepth);
  if (!isUtf8(body)) throw new FlatrenderError('REQUEST_INVALID', 'the body is not valid UTF-8');
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  // An own key of that name is harmless in itself and a trap for whoever copies the object by assignment. Escaped
  // letters are looked into as well: "__proto\u005f_" is the same key.
  if (/__proto__|\\u00[567]/i.test(text) && namesPrototype(text)) {
    throw new FlatrenderError('REQUEST_INVALID', 'the body has a key named __proto__');
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8's message quotes the text around the mistake, which may be a secret: only the position is kept.
    const message = error instanceof Error ? error.message : '';
    const position = /position (\d+)/.exec(message)?.[1];
    const where = message.startsWith('Unexpected end')
      ? ': it ends too early'
      : position
        ? `: mistake at character ${position}`
        : '';
    throw new FlatrenderError('REQUEST_INVALID', `the body is not JSON${where}`);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

function checkDepth(body: Uint8Array, maxDepth: number): void {
  let depth = 0;
  for (let i = 0; i < body.length; i += 1) {
    const byte = body[i];
    if (byte === QUOTE) {
      i = endOfString(body, i);
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth += 1;
      if (depth > maxDepth) {
        throw new FlatrenderError('REQUEST_TOO_DEEP', `the body is nested deeper than ${maxDepth} levels`, {
          details: { maxDepth },
        });
      }
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1;
    }
  }
}

/** Index of the quote that closes the string opened at `start`; the last index when there is none. */
function endOfString(body: Uint8Array, start: number): number {
  let end = body.indexOf(QUOTE, start + 1);
  while (end !== -1) {
    let escapes = 0;
    while (body[end - 1 - escapes] === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return end;
    end = body.indexOf(QUOTE, end + 1);
  }
  return body.length;
}

function namesPrototype(text: string): boolean {
  let found = false;
  try {
    JSON.parse(text, (key, value) => {
      if (key === '__proto__') found = true;
      return value;
    });
  } catch {
    return false; // Not JSON at all: the real parse says where.
  }
  return found;
}
