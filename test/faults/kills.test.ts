import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInTest } from './in-test.ts';
import { killAgent } from './kill-agent.ts';
import { killControl } from './kill-control.ts';
import { manyNodes } from './many-nodes.ts';

// They wait for each other's processes more than they compute.
describe('killed', { concurrency: 2 }, () => {
  test('a control plane killed at any moment, also while it starts, forgets nothing that it acknowledged', async () => {
    const report = await runInTest(killControl, 8);
    assert.ok(report.submits > 50, `${report.submits} submits were acknowledged`);
    assert.ok(report.completions > 50, `${report.completions} completions were acknowledged`);
  });

  test('an agent killed in the middle of renders loses none and leaves nothing behind', async () => {
    await runInTest(killAgent, 3);
  });

  const crowd = manyNodes(200);
  test('a control plane killed under 200 nodes has all of them back', async () => {
    await runInTest(crowd, 1, { lastsMs: 1000 });
  });
});
