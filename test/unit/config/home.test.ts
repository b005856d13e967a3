import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createHome } from '../../../src/config/home.ts';

test('a state directory is its owner’s only, those made above it are not closed to others', {
  skip: process.platform === 'win32' ? 'Windows has no mode bits' : false,
}, () => {
  const root = mkdtempSync(join(tmpdir(), 'flatrender-home-'));
  const umask = process.umask(0o022);
  try {
    createHome(join(root, 'lib', 'control'));
    const modeOf = (path: string) => statSync(join(root, path)).mode & 0o777;
    assert.deepEqual([modeOf('lib'), modeOf('lib/control')], [0o755, 0o700]);
    createHome(join(root, 'lib', 'control'));
  } finally {
    process.umask(umask);
    rmSync(root, { recursive: true });
  }
});
