import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkNode } from '../../../src/cli/doctor/machine-checks.ts';
import { timeline } from '../../../src/cli/smoke-test.ts';
import { setEnvLines } from '../../../src/config/agent-env.ts';
import type { JobView, TaskView } from '../../../src/protocol/jobs.ts';

test('values replace their lines; comments, order and line ends stay', () => {
  const before = '# NODE_ID=example\r\nNODE_ID=old\r\n\r\nexport A=1 # one\r\n';
  assert.equal(
    setEnvLines(before, { NODE_ID: 'new', A: '2' }),
    '# NODE_ID=example\r\nNODE_ID=new\r\n\r\nA=2\r\n',
  );
});

test('keys that are not there are added before the end of the file', () => {
  assert.equal(setEnvLines('A=1\n', { B: '2', C: '3' }), 'A=1\nB=2\nC=3\n');
  assert.equal(setEnvLines('A=1', { B: '2' }), 'A=1\nB=2');
});

test('a key that is the end of another is left alone', () => {
  assert.equal(setEnvLines('MY_NODE_ID=a\nNODE_ID=b\n', { NODE_ID: 'c' }), 'MY_NODE_ID=a\nNODE_ID=c\n');
});

test('a value with signs that mean something to replace() arrives as it is', () => {
  assert.equal(setEnvLines('S=x\n', { S: '$&$1' }), 'S=$&$1\n');
});

test('doctor refuses old Node versions', () => {
  assert.equal(checkNode('24.0.0').status, 'ok');
  assert.equal(checkNode('22.17.0').status, 'failed');
});

test("the smoke test's timeline adds up to the attempt", () => {
  const job = { createdAt: '2026-01-01T00:00:00.000Z' } as JobView;
  const task = {
    result: { renderMs: 500, overheadMs: 300, frames: 10, width: 64, height: 64, sizeBytes: 2000 },
    attempts: [
      {
        node: 'a',
        outcome: 'lost',
        startedAt: '2026-01-01T00:00:00.010Z',
        endedAt: '2026-01-01T00:00:09.000Z',
      },
      {
        node: 'b',
        outcome: 'succeeded',
        startedAt: '2026-01-01T00:00:10.000Z',
        endedAt: '2026-01-01T00:00:10.850Z',
      },
    ],
  } as TaskView;
  assert.deepEqual(
    timeline(job, task, { ms: 100, text: 'template downloaded' }).map(({ name, ms }) => [name, ms]),
    [
      ['claim', 10_000],
      ['download', 100],
      ['render', 500],
      ['upload', 200],
      ['complete', 50],
    ],
  );
});
