import type { LogLine } from './store.ts';

/** In place of the stored bytes of an attempt: the limit was reached and the line that says so written. */
const FULL = -1;

/**
 * Which of these lines an attempt has room for that has stored so many bytes already: the last one says so when the limit is
 * reached, and nothing follows it. `bytes`: what to remember.
 */
export function linesWithRoom(
  lines: readonly LogLine[],
  stored: number,
  maxBytes: number,
): { readonly lines: readonly LogLine[]; readonly bytes: number } {
  if (stored === FULL) return { lines: [], bytes: FULL };
  const kept: LogLine[] = [];
  let bytes = stored;
  for (const line of lines) {
    // One more for the end of the line: a flood of empty lines is a flood, too.
    bytes += Buffer.byteLength(line.line) + 1;
    if (bytes > maxBytes) {
      kept.push({ at: line.at, stream: 'agent', line: `the log ends here: more than ${maxBytes} bytes` });
      return { lines: kept, bytes: FULL };
    }
    kept.push(line);
  }
  return { lines: kept, bytes };
}
