/** Nearly valid things: a valid one, of which a few places are changed. */
import fc from 'fast-check';

/** Values that programs stumble over. */
const ODD: readonly unknown[] = [
  null,
  true,
  '',
  ' ',
  0,
  -0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  -(2 ** 63),
  '0',
  '-1',
  'NaN',
  '\0',
  '\ud800',
  '\u202e',
  '\u001b[2J',
  'é'.normalize('NFD'),
  '../../../etc/passwd',
  '..\\..\\windows',
  '%2e%2e%2f',
  '/',
  'C:\\x',
  '$(x)',
  '{{x}}',
  "'; drop table jobs; --",
  '<script>',
  '__proto__',
  'constructor',
  'toString',
  'a'.repeat(300),
  'a'.repeat(70_000),
  '2026-02-30T00:00:00Z',
  '9999-12-31T23:59:59Z',
  'http://169.254.169.254/',
  'file:///etc/passwd',
  'https://[::1]:0/',
  [],
  {},
  [[]],
  [null],
  { toString: 1 },
  { length: 1e9 },
  Array.from({ length: 2000 }, (_, i) => i),
];

/** A deep nest, as text: written by hand, since JSON.stringify has a depth of its own. */
function nest(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i += 1) value = i % 2 ? [value] : { a: value };
  return value;
}

export const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...ODD) },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 60 }).map(nest) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
);

interface Change {
  readonly place: number;
  readonly kind: 'set' | 'delete' | 'add' | 'proto' | 'double';
  readonly value: unknown;
  readonly key: string;
}

const change: fc.Arbitrary<Change> = fc.record({
  place: fc.nat(),
  kind: fc.constantFrom('set', 'set', 'set', 'delete', 'add', 'proto', 'double'),
  value: oddValue,
  key: fc.oneof(
    fc.constantFrom('__proto__', 'constructor', 'hasOwnProperty', '', 'extra', 'a.b'),
    fc.string({ maxLength: 8 }),
  ),
});

/** The value with up to three places of it changed. */
export function mutated(valid: unknown): fc.Arbitrary<unknown> {
  return fc.array(change, { maxLength: 3 }).map((changes) => changes.reduce(applied, structuredClone(valid)));
}

type Node = Record<string, unknown> | unknown[];

function applied(root: unknown, { place, kind, value: given, key }: Change): unknown {
  // Changes go on in it; the next input begins with what it was.
  const value = structuredClone(given);
  const places: { holder: Node; key: string }[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null || places.length > 1000) return;
    for (const name of Object.keys(node)) {
      places.push({ holder: node as Node, key: name });
      walk((node as Record<string, unknown>)[name]);
    }
  };
  walk(root);
  const at = places[place % Math.max(1, places.length)];
  if (at === undefined || place % 17 === 0) return kind === 'set' ? value : root;
  const holder = at.holder as Record<string, unknown>;
  if (kind === 'set') holder[at.key] = value;
  else if (kind === 'delete') delete holder[at.key];
  else if (kind === 'double') holder[`${at.key}2`] = holder[at.key];
  else if (Array.isArray(holder)) holder.push(value);
  // An own property of this name, as JSON.parse makes it.
  else
    Object.defineProperty(holder, kind === 'proto' ? '__proto__' : key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  return root;
}

/** The text with some of its characters changed, cut out, put in or repeated. */
export function mutatedText(text: string): fc.Arbitrary<string> {
  const step = fc.record({
    at: fc.nat(),
    length: fc.nat({ max: 12 }),
    kind: fc.constantFrom('replace', 'cut', 'insert', 'repeat'),
    text: fc.oneof(
      fc.constantFrom(
        '\0',
        '\r',
        '\n',
        '=',
        '"',
        "'",
        '#',
        ':',
        '[',
        '{',
        '&a',
        '*a',
        '\t',
        '\uFEFF',
        '\ud800',
        '%',
        '9'.repeat(30),
      ),
      fc.string({ maxLength: 12 }),
    ),
  });
  return fc.array(step, { maxLength: 4 }).map((steps) =>
    steps.reduce((now, { at, length, kind, text: put }) => {
      const start = at % (now.length + 1);
      const [before, middle, after] = [
        now.slice(0, start),
        now.slice(start, start + length),
        now.slice(start + length),
      ];
      if (kind === 'cut') return before + after;
      if (kind === 'insert') return before + put + middle + after;
      if (kind === 'repeat') return before + middle.repeat(50) + after;
      return before + put + after;
    }, text),
  );
}
