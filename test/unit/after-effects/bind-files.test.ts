import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BindData, BindFailed, BindResult } from '../../../src/engines/aerender/bind/bind-data.ts';
import {
  asciiJson,
  bindFailure,
  readBindResult,
  writeBindFiles,
} from '../../../src/engines/aerender/bind/bind-files.ts';
import { bindScriptPath } from '../../../src/engines/aerender/bind/script-path.ts';
import { failureOf } from '../../helpers/failure-of.ts';
import { temporaryDirectory } from '../../helpers/render-request.ts';

const data: BindData = {
  format: 1,
  project: '/b/ü.aep',
  saveTo: '/w/bound.aep',
  footageFolders: ['/b'],
  composition: 'Main\u2028',
  durationSeconds: null,
  missingFonts: 'refuse',
  missingFootage: 'refuse',
  operations: [],
  scripts: [],
  inputs: { title: '\ud83d' },
};

const done = {
  format: 1,
  ok: true,
  version: '24.2x1',
  language: 'en_US',
  warnings: [],
  renderSettings: ['Best Settings'],
  outputModules: ['Lossless'],
  composition: {
    name: 'Main',
    width: 320,
    height: 180,
    fps: 25,
    frames: 50,
    startFrame: 0,
    dropFrame: false,
    hasAudio: false,
    background: [0, 0, 0],
  },
  missingFootage: [],
  missingFonts: [],
  fonts: ['Inter'],
} as const;

function failed(error: Partial<BindFailed['error']>): BindResult & BindFailed {
  return {
    format: 1,
    ok: false,
    version: '24.2x1',
    language: 'en_US',
    warnings: [],
    renderSettings: [],
    outputModules: [],
    error: {
      code: 'AE_SCRIPT_ERROR',
      message: 'it broke',
      at: null,
      file: null,
      line: null,
      candidates: [],
      missingFootage: [],
      missingFonts: [],
      ...error,
    },
  };
}

test('the data is written as ASCII beside a copy of the script', async (context) => {
  const directory = temporaryDirectory(context);
  const script = await writeBindFiles(directory, data);
  const text = readFileSync(join(directory, 'data.json'), 'latin1');
  assert.match(text, /^[\x20-\x7e]*$/);
  assert.deepEqual(JSON.parse(text), data);
  assert.equal(script, join(directory, 'bind.jsx'));
  assert.deepEqual(readFileSync(script), readFileSync(bindScriptPath()));
});

test('ASCII JSON holds any value unchanged, halves of surrogate pairs too', () => {
  const strings = fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
  });
  fc.assert(
    fc.property(fc.array(strings), (value) => {
      const text = asciiJson(value);
      assert.match(text, /^[\x20-\x7e]*$/);
      assert.deepEqual(JSON.parse(text), value);
    }),
  );
});

test('a result is read as the script wrote it', async (context) => {
  const directory = temporaryDirectory(context);
  for (const result of [done, failed({ at: 'bind[0]', candidates: ['A'] })]) {
    writeFileSync(join(directory, 'result.json'), JSON.stringify(result));
    assert.deepEqual(await readBindResult(directory), result);
  }
});

test('a result that is missing, damaged or huge is an error that may be tried again', async (context) => {
  const directory = temporaryDirectory(context);
  const path = join(directory, 'result.json');
  const missing = await failureOf(readBindResult(directory));
  assert.equal(missing.code, 'AE_SCRIPT_ERROR');
  assert.equal(missing.retryable, true);
  const damaged = [
    '',
    '{',
    '[]',
    JSON.stringify({ ...done, format: 2 }),
    JSON.stringify({ ...done, composition: { ...done.composition, frames: 0 } }),
    JSON.stringify({ ...failed({}), error: { code: 'INTERNAL' } }),
    `"${'x'.repeat(5_000_000)}"`,
  ];
  for (const text of damaged) {
    writeFileSync(path, text);
    const error = await failureOf(readBindResult(directory));
    assert.equal(error.code, 'AE_SCRIPT_ERROR', text.slice(0, 40));
    assert.ok(error.message.includes(path));
  }
});

test('a failure says where, what and what there is instead', () => {
  const error = bindFailure(
    failed({
      code: 'AE_LAYER_NOT_FOUND',
      message: 'there is no layer "Titel" in "Main"',
      at: 'bind[2] (input "title")',
      candidates: ['Title', 'Subtitle'],
    }),
  );
  assert.equal(error.code, 'AE_LAYER_NOT_FOUND');
  assert.equal(error.message, 'bind[2] (input "title"): there is no layer "Titel" in "Main"');
  assert.match(error.hint ?? '', /there are: Title, Subtitle$/);
  assert.deepEqual(error.details, {
    at: 'bind[2] (input "title")',
    candidates: ['Title', 'Subtitle'],
    version: '24.2x1',
  });
  assert.equal(error.retryable, false);
});

test('an error of a script of the template names its file and line', () => {
  const error = bindFailure(failed({ message: 'x is undefined', file: '/b/after.jsx', line: 7 }));
  assert.equal(error.message, 'x is undefined (/b/after.jsx:7)');
  assert.equal(error.details?.line, 7);
  assert.match(error.hint ?? '', /run the script in After Effects/);
  const ours = bindFailure(failed({ message: 'After Effects error: no', file: 'C:\\w\\bind.jsx', line: 7 }));
  assert.match(ours.hint ?? '', /see the log/);
});

test('what another node may have is tried again, what the bundle lacks is not', () => {
  const retryable = (error: Partial<BindFailed['error']>) =>
    bindFailure(failed(error), 'C:\\Bundle').retryable;
  const footage = (path: string) => [{ name: 'a', path }];
  assert.equal(retryable({ code: 'AE_MISSING_FONT', missingFonts: ['Bebas'] }), true);
  assert.equal(
    retryable({ code: 'AE_MISSING_FOOTAGE', missingFootage: footage('c:/bundle/assets/a.mov') }),
    false,
  );
  assert.equal(retryable({ code: 'AE_MISSING_FOOTAGE', missingFootage: footage('D:\\stock\\a.mov') }), true);
  assert.equal(
    retryable({ code: 'AE_MISSING_FOOTAGE', missingFootage: footage('C:\\BundleOther\\a.mov') }),
    true,
  );
  assert.equal(retryable({ code: 'AE_OTHER_INSTANCE' }), true);
  assert.equal(retryable({ code: 'AE_SCRIPT_ERROR' }), false);
});
