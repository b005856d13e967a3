/** How often a task is tried again, and when a node is kept away from work. */
import { ERROR_CODES, isErrorCode } from '../lib/errors.ts';
import type { TaskError } from '../protocol/jobs.ts';

export interface RetryPolicy {
  /** Failed attempts after which a task fails for good. */
  readonly maxFailures: number;
  /** Lost leases after which a task fails with LOST_TOO_OFTEN. */
  readonly maxLosses: number;
  /** Failures in a row of one template after which a node is not offered it again. */
  readonly blockAfter: number;
  /** Different templates failed in a row after which a node is quarantined. */
  readonly quarantineAfter: number;
}

/** Whether another attempt can succeed: what the error says itself, else its code. An unknown code may be tried again. */
export function isRetryable(error: TaskError): boolean {
  return error.retryable ?? (isErrorCode(error.code) ? ERROR_CODES[error.code].retryable : true);
}

/** The error of a task that lost its lease too often. */
export function lostTooOften(losses: number, lastNode: string): TaskError {
  return {
    code: 'LOST_TOO_OFTEN',
    message: `${losses} nodes in turn stopped answering while they worked on this task, the last one was ${lastNode}`,
    hint: 'look at the machine: out of memory, sleep, network; then retry the job',
    retryable: false,
  };
}
