import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type RunStep, runPlan } from '../../src/lib/plan.ts';
import { failureOf } from '../helpers/failure-of.ts';

test('a program whose manager is just starting is tried again, another failure is not', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-plan-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const count = join(directory, 'count');
  // Ends with 7 twice, then with 0; or with 9 at once.
  const step = (code: number): RunStep => ({
    kind: 'run',
    what: 'ask the manager',
    file: 'sh',
    args: ['-c', `echo x >> ${count}; [ "$(wc -l < ${count})" -ge 3 ] || exit ${code}`],
    again: [7],
  });
  assert.equal((await runPlan([step(7)], { signal: t.signal })).length, 1);
  assert.equal(readFileSync(count, 'utf8').length, 6);
  rmSync(count);
  const error = await failureOf(runPlan([step(9)], { signal: t.signal }));
  assert.match(error.message, /could not ask the manager: .* ended with exit code 9/);
  assert.equal(readFileSync(count, 'utf8').length, 2);
});
