import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';
import { bindScript } from '../../../bin/bind-script.ts';
import { asciiJson } from '../../../src/engines/aerender/bind/bind-files.ts';

interface Json {
  /** The value as JSON, so that it is of this world; undefined when the text was refused. */
  read(text: string): string | undefined;
  write(text: string): string;
}

/** The JSON functions of the script, in a world that has no JSON for them to use; `tripped` tells what was executed. */
function scriptJson(): Json & { readonly tripped: () => boolean } {
  const world = createContext({ tripped: false });
  const inside = runInContext('({ stringify: JSON.stringify, parse: JSON.parse })', world);
  runInContext('delete globalThis.JSON; globalThis.trip = function () { tripped = true; };', world);
  const functions = bindScript().replace(
    /main\(\);\n\}\)\(\);\n$/,
    'return { read: readJson, write: writeJson };\n})();',
  );
  const { read, write } = runInContext(functions, world);
  return {
    read(text) {
      try {
        return inside.stringify(read(text));
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'AE_SCRIPT_ERROR', String(error));
        return undefined;
      }
    },
    write: (text) => write(inside.parse(text)),
    tripped: () => runInContext('tripped', world),
  };
}

const json = scriptJson();
const units = fc.string({
  unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
});
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    units,
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      units.filter((name) => name !== '__proto__'),
      tie('value'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).value;

test('the script reads back what the engine writes, whatever the texts', () => {
  fc.assert(
    fc.property(values, (value) => {
      assert.equal(json.read(asciiJson(value)), JSON.stringify(value));
    }),
    { numRuns: 300 },
  );
});

test('the engine reads back what the script writes, and it is ASCII', () => {
  fc.assert(
    fc.property(values, (value) => {
      const text = json.write(JSON.stringify(value));
      assert.match(text, /^[\x20-\x7e]*$/);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 300 },
  );
});

test('what the script takes is JSON, and means the same to it', () => {
  const mutated = fc
    .tuple(
      values.map(asciiJson),
      fc.nat(),
      fc.constantFrom('', ',', '"', '\\', '}', '[', '0', 'e', '-', ' ', '\u00e4', '\n'),
    )
    .map(([text, at, mark]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + mark + text.slice(place + (mark === '' ? 1 : 0));
    });
  fc.assert(
    fc.property(mutated, (text) => {
      const read = json.read(text);
      if (read !== undefined) assert.equal(read, JSON.stringify(JSON.parse(text)));
    }),
    { numRuns: 500 },
  );
});

test('the script refuses what is no JSON of ASCII characters', () => {
  const damaged = [
    '',
    ' ',
    'nul',
    '[1,]',
    '{"a":1,}',
    '{a:1}',
    "{'a':1}",
    '{"a":1 "b":2}',
    '{"a":1}{}',
    '{"a":1,"a":2}',
    '{"\\u0061":1,"a":2}',
    '{"__proto__":{}}',
    '"a',
    '"\\x41"',
    '"\\u00e"',
    '"\\u00eg"',
    '"\u00e4"',
    '"\n"',
    '"\u007f"',
    '01',
    '+1',
    '.5',
    '1.',
    '1e',
    '1e999',
    'NaN',
    'undefined',
    '-',
    `${'['.repeat(100)}${']'.repeat(100)}`,
    '[trip()]',
    '(trip())',
    '{"a":trip()}',
    'trip()',
  ];
  for (const text of damaged) assert.equal(json.read(text), undefined, text);
  assert.equal(json.tripped(), false);
});

test('a text of 300 000 escapes is read within a second', () => {
  const text = asciiJson('ä"\\'.repeat(100_000));
  const started = performance.now();
  assert.notEqual(json.read(text), undefined);
  assert.ok(performance.now() - started < 1000);
});
