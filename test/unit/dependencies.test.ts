import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('README says of every dependency what it is for, and under which licence it is', () => {
  const pkg = JSON.parse(read('package.json'));
  const declared = Object.keys({
    ...pkg.dependencies,
    ...pkg.optionalDependencies,
    ...pkg.devDependencies,
  }).sort();
  const chapter = /\n## What it is made of\n([\s\S]*?)\n## /.exec(read('README.md'))?.[1] ?? '';
  const told = new Map<string, string>();
  for (const [, names = '', licence = ''] of chapter.matchAll(/^\| (`.*`) \| ([^|]+) \| [^|]{5,} \|$/gm)) {
    for (const [, name = ''] of names.matchAll(/`([^`]+)`/g)) told.set(name, licence);
  }
  assert.deepEqual([...told.keys()].sort(), declared);
  for (const [name, licence] of told) {
    const manifest = join('node_modules', name, 'package.json');
    // node-av may be missing where it has no binaries.
    if (existsSync(join(root, manifest))) assert.equal(licence, JSON.parse(read(manifest)).license, name);
  }
});
