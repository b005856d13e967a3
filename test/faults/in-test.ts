/** Fault tests in the test suite: few strikes, the same comparison. */
import assert from 'node:assert/strict';
import type { BackendKinds } from './backends.ts';
import { type Fault, type FaultOptions, type FaultReport, obstacleTo } from './fault.ts';
import { complaintsOf } from './verdict.ts';

/** For the skip option of a test: why it cannot run here; false: it can. */
export function unless(
  fault: Fault,
  { store = 'sqlite', objects = 'fs' }: Partial<BackendKinds> = {},
): string | false {
  return obstacleTo(fault, { store, objects }) ?? false;
}

/** Lets the fault strike so often and fails when anything was lost, stuck, accepted twice or is missing. */
export async function runInTest(
  fault: Fault,
  kills: number,
  more: Partial<Omit<FaultOptions, 'kills'>> = {},
): Promise<FaultReport> {
  const options = { store: 'sqlite', objects: 'fs', say: () => undefined, ...more } as const;
  const report = await fault.run({ ...options, kills });
  assert.deepEqual(complaintsOf(report), []);
  return report;
}
