/** Rows to records. */
import { portableJson } from '../portable-text.ts';
import { type StoredTask, toJobRecord, toStoredTask } from '../records.ts';
import type { JobRecord } from '../store.ts';
import type { Classes } from './classes.ts';
import type { Row } from './database.ts';

/** A job as a record, with what its tasks' changes need. */
export interface StoredJob {
  readonly num: number;
  readonly tasks: number;
  readonly record: JobRecord;
}

const JOB_NAMES =
  `num id batch_id name template version bundle_sha256 bundle_bytes priority inputs run_at node webhook
  created_at created_by tasks state started_at ended_at error`.split(/\s+/);
const TASK_NAMES =
  `job_num idx class_id priority state ready_at epoch failures losses node_id claim_id lease_until phase
  frame frames fps started_at ended_at output result error`.split(/\s+/);

export const JOB_COLUMNS = JOB_NAMES.map((name) => `j.${name}`).join(', ');
export const TASK_COLUMNS = TASK_NAMES.map((name) => `t.${name}`).join(', ');

/** For a json column. */
export function jsonText(value: unknown): string | null {
  return value === null || value === undefined ? null : portableJson(value);
}

export function toJob(row: Row): StoredJob {
  const record = toJobRecord(row, {
    template: String(row.template),
    version: String(row.version),
    bundleSha256: String(row.bundle_sha256),
    bundleBytes: Number(row.bundle_bytes),
  });
  return { num: Number(row.num), tasks: Number(row.tasks), record };
}

/** The task's class must be loaded. */
export function toTask(row: Row, jobId: string, classes: Classes): StoredTask {
  return toStoredTask(row, jobId, (classId) => classes.get(classId).requirement);
}
