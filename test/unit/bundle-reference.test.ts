import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { manifestDocs } from '../../bin/docs.ts';
import { manifestJsonSchema, manifestReference } from '../../src/bundle/manifest-reference.ts';

const root = join(import.meta.dirname, '..', '..');

test('the description of template.yaml is current (npm run docs)', () => {
  for (const [file, text] of manifestDocs()) {
    assert.equal(text, readFileSync(join(root, file), 'utf8').replaceAll('\r\n', '\n'), file);
  }
});

test('every field of template.yaml is described', () => {
  const lacking: string[] = [];
  for (const row of manifestReference().split('\n')) {
    const field = /^\| `([A-Za-z]+)` \| (.*?) \| .*? \|\s*\|$/.exec(row);
    // What tells the kinds of an input or a binding apart is in their headings.
    if (field && !['type', 'to', 'input'].includes(field[1] ?? '')) lacking.push(row);
  }
  assert.deepEqual(lacking, []);
});

test('the schema for editors knows the presets and refuses fields it does not know', () => {
  const schema = JSON.stringify(manifestJsonSchema());
  assert.match(schema, /"enum":\["original","youtube-1080p"/);
  assert.equal(manifestJsonSchema().additionalProperties, false);
});
