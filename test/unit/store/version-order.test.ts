import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareVersions, newestVersion } from '../../../src/store/version-order.ts';

test('versions are ordered as semver.org rule 11 says', () => {
  const ordered = [
    '0.9.12',
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0',
    '1.2.0',
    '1.10.0',
    '2.0.0-x-y.z',
    '2.0.0',
  ];
  for (const [i, a] of ordered.entries()) {
    for (const [k, b] of ordered.entries()) {
      assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - k), `${a} and ${b}`);
    }
  }
});

test('the newest version is the newest release, else the newest pre-release', () => {
  assert.equal(newestVersion(['1.0.0', '2.0.0-rc.1', '1.1.0']), '1.1.0');
  assert.equal(newestVersion(['1.0.0-rc.1', '1.0.0-rc.10', '1.0.0-rc.9']), '1.0.0-rc.10');
  assert.equal(newestVersion([]), undefined);
});
