/** Fault tests in the test suite: few strikes, the same comparison. */
import assert from 'node:assert/strict';
import type { Fault, FaultOptions, FaultReport } from './fault.ts';
import { complaintsOf } from './verdict.ts';

/** Lets the fault strike so often and fails when anything was lost, stuck, accepted twice or is missing. */
export async function runInTest(
  fault: Fault,
  kills: number,
  { store = 'sqlite', objects = 'fs' }: Partial<Pick<FaultOptions, 'store' | 'objects'>> = {},
): Promise<FaultReport> {
  const report = await fault.run({ kills, store, objects, say: () => undefined });
  assert.deepEqual(complaintsOf(report), []);
  return report;
}
