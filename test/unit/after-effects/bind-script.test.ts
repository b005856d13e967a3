import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'acorn';
import { bindScript, bindScriptFile } from '../../../bin/bind-script.ts';
import { bindScriptPath } from '../../../src/engines/aerender/bind/script-path.ts';
import { extendScriptTraps } from '../../after-effects/script-host/parse-script.ts';

const root = join(import.meta.dirname, '../../..');
const shipped = readFileSync(join(root, bindScriptFile), 'utf8');

test('the shipped script is made from the source as it is (npm run docs)', () => {
  assert.equal(shipped, bindScript());
});

test('the engine finds the shipped script', () => {
  assert.equal(bindScriptPath(), join(root, bindScriptFile));
});

test('the shipped script is ECMAScript 3 of ASCII characters', () => {
  assert.doesNotThrow(() => parse(shipped, { ecmaVersion: 3, sourceType: 'script' }));
  assert.doesNotMatch(shipped, /[^\n\x20-\x7e]/);
});

test('the shipped script evaluates no text and opens no dialog', () => {
  const code = shipped.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  assert.doesNotMatch(code, /\b(eval|Function|alert|confirm|prompt|scheduleTask|executeCommand|system)\s*\(/);
  assert.doesNotMatch(code, /WithDialog|openDlg|saveDlg|openDialog|saveDialog/);
});

test('the shipped script has nothing that ExtendScript is said to read differently', () => {
  assert.deepEqual(extendScriptTraps(shipped), []);
});
