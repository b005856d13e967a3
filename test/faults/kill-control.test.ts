import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInTest } from './in-test.ts';
import { killControl } from './kill-control.ts';

test('a control plane killed at any moment, also while it starts, forgets nothing that it acknowledged', async () => {
  const report = await runInTest(killControl, 8);
  assert.ok(report.submits > 50, `${report.submits} submits were acknowledged`);
  assert.ok(report.completions > 50, `${report.completions} completions were acknowledged`);
});
