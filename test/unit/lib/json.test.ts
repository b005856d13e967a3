import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson } from '../../../src/lib/json.ts';

const parse = (text: string | Uint8Array, maxDepth = 32) =>
  parseJson(Buffer.from(text as string), { maxDepth });

test('any JSON of bearable depth is parsed like JSON.parse does', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      const text = JSON.stringify(value);
      if (text.includes('__proto__')) return;
      assert.deepEqual(parse(text), JSON.parse(text));
    }),
  );
});

test('depth counts brackets outside of strings only', () => {
  assert.deepEqual(parse('[[1]]', 2), [[1]]);
  assert.throws(() => parse('[[[1]]]', 2), { code: 'REQUEST_TOO_DEEP', message: /deeper than 2/ });
  assert.deepEqual(parse('{"a":"[[[[\\"[[[[\\\\"}', 1), { a: '[[[["[[[[\\' });
  assert.deepEqual(parse('[{},{},{},[]]', 2), [{}, {}, {}, []]);
});

test('a million brackets are refused at once, before anything is parsed', () => {
  const started = performance.now();
  assert.throws(() => parse('['.repeat(1_000_000)), { code: 'REQUEST_TOO_DEEP' });
  assert.throws(() => parse(`${'"'.repeat(1_000_000)}`), { code: 'REQUEST_INVALID' });
  assert.ok(performance.now() - started < 1000);
});

test('broken text is refused without repeating it', () => {
  for (const text of ['', '{', '{"secret":"abc', 'nope', '{"a":1}}', '[1,]', '\u0000']) {
    assert.throws(
      () => parse(text),
      (error: Error & { code?: string }) =>
        error.code === 'REQUEST_INVALID' && !error.message.includes('abc'),
      JSON.stringify(text),
    );
  }
  assert.throws(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22), { maxDepth: 2 }), /not valid UTF-8/);
});

test('a key named __proto__ is refused, also when it is escaped; as a value it is only text', () => {
  for (const text of [
    '{"__proto__":{}}',
    '[{"a":{"__proto__":1}}]',
    '{"\\u005f_proto__":1}',
    '{"__pr\\u006fto__":1}',
  ]) {
    assert.throws(() => parse(text), { code: 'REQUEST_INVALID', message: /__proto__/ }, text);
  }
  assert.deepEqual(parse('{"a":"__proto__"}'), { a: '__proto__' });
});
