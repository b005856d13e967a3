import assert from 'node:assert/strict';
import { FlatrenderError } from '../../src/lib/errors.ts';

/** The FlatrenderError with which a promise rejects; the test fails when it does not, or with something else. */
export async function failureOf(promise: Promise<unknown>): Promise<FlatrenderError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof FlatrenderError, String(error));
    return error;
  }
  return assert.fail('should have failed');
}
