/** Rows to records, with what is kept in memory instead of in the row. */

import { type StoredTask, toJobRecord, toStoredTask } from '../records.ts';
import type { JobRecord } from '../store.ts';
import type { Memory } from './memory.ts';
import type { Row } from './sql.ts';

export function jsonText(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value);
}

/** A job as a record, with what its tasks' changes need. */
export interface StoredJob {
  readonly num: number;
  readonly tasks: number;
  readonly bundleId: number;
  readonly record: JobRecord;
}

export const JOB_COLUMNS = `num, id, batch_id, name, bundle_id, template, priority, inputs, run_at, node, webhook,
  created_at, created_by, tasks, state, started_at, ended_at, error`;

export function toJob(row: Row, memory: Memory): StoredJob {
  const bundleId = Number(row.bundle_id);
  const { template, version, sha256, sizeBytes } = memory.bundles.get(bundleId).body;
  const bundle = { template, version, bundleSha256: sha256, bundleBytes: sizeBytes };
  return { num: Number(row.num), tasks: Number(row.tasks), bundleId, record: toJobRecord(row, bundle) };
}

export const TASK_COLUMNS = `job_num, idx, class_id, priority, state, ready_at, epoch, failures, losses, node_id, claim_id,
  lease_until, phase, frame, frames, fps, started_at, ended_at, output, result, error`;

export function toTask(row: Row, jobId: string, { classes }: Memory): StoredTask {
  return toStoredTask(row, jobId, (classId) => classes.get(classId).body);
}
