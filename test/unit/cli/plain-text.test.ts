import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainText } from '../../../src/cli/plain-text.ts';

test('what a terminal would obey is taken out of strangers’ text; colours, line breaks and every script stay', () => {
  for (const [given, shown] of [
    ['plain\n\tÄÖ 日本 👩‍🚀', 'plain\n\tÄÖ 日本 👩‍🚀'],
    ['\x1b[31mred\x1b[0m', '\x1b[31mred\x1b[0m'],
    ['title \x1b]0;owned\x07end', 'title end'],
    ['link \x1b]8;;http://evil\x1b\\text\x1b]8;;\x1b\\', 'link text'],
    ['clear\x1b[2J\x1b[1;1Hfaked', 'clearfaked'],
    ['over\rwritten\b\x7f', 'overwritten'],
    ['c1 \x9b2J\x85', 'c1 2J'],
    ['unfinished \x1b', 'unfinished '],
    ['nul\0', 'nul'],
  ] as const)
    assert.equal(plainText(given), shown, JSON.stringify(given));
});
