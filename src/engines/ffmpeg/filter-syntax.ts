/** Reads filter graphs as FFmpeg does, far enough to know which filters they use and with which options. */

export interface ParsedFilter {
  /** Without the instance name: `scale` of `scale@big`. */
  readonly name: string;
  readonly options: readonly ParsedOption[];
}

interface ParsedOption {
  /** Null for a value by position. */
  readonly key: string | null;
  readonly value: string;
}

/** The filters of a graph in order. A graph that FFmpeg would refuse may give anything. */
export function parseFilterGraph(graph: string): ParsedFilter[] {
  return splitTokens(graph, '[],;')
    .filter((token) => token.before !== '[')
    .map((token) => parseFilter(token.text))
    .filter((filter) => filter.name !== '');
}

function parseFilter(text: string): ParsedFilter {
  const equals = text.indexOf('=');
  const name = (equals < 0 ? text : text.slice(0, equals)).trim().replace(/@.*$/, '');
  if (equals < 0) return { name, options: [] };
  const options = splitTokens(text.slice(equals + 1), ':').map(({ text: option, raw }): ParsedOption => {
    // Options of a few filters are also separated by `|`; none of those opens a file.
    const key = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*=/.exec(raw);
    return key
      ? { key: key[1] ?? '', value: option.slice(option.indexOf('=') + 1).trim() }
      : { key: null, value: option };
  });
  return { name, options };
}

interface Token {
  /** The separator before it; empty for the first. */
  readonly before: string;
  /** With quotes and backslashes taken away once. */
  readonly text: string;
  /** As written. */
  readonly raw: string;
}

/** libavutil/avstring.c, av_get_token, for a whole string. */
function splitTokens(source: string, separators: string): Token[] {
  const tokens: Token[] = [];
  let before = '';
  let text = '';
  let start = 0;
  let isQuoted = false;
  for (let i = 0; i <= source.length; i += 1) {
    const char = source.charAt(i);
    if (i === source.length || (!isQuoted && separators.includes(char))) {
      tokens.push({ before, text: text.trim(), raw: source.slice(start, i) });
      before = char;
      text = '';
      start = i + 1;
    } else if (isQuoted) {
      if (char === "'") isQuoted = false;
      else text += char;
    } else if (char === "'") isQuoted = true;
    else if (char === '\\' && i + 1 < source.length) {
      i += 1;
      text += source.charAt(i);
    } else text += char;
  }
  return tokens;
}
