/** Rows to records. */

import { taskIdOf } from '../../lib/ids.ts';
import type {
  AttemptOutcome,
  InputValues,
  JobState,
  OutputSpec,
  TaskError,
  TaskPhase,
  TaskResult,
  TaskState,
} from '../../protocol/jobs.ts';
import type { AttemptRecord, JobRecord, TaskRecord } from '../store.ts';
import type { Memory } from './memory.ts';
import type { Row } from './sql.ts';

type Value = Row[string] | undefined;

export function text(value: Value): string | null {
  return value === null || value === undefined ? null : String(value);
}

export function number(value: Value): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/** A JSON column; what is in there was checked before it was written. */
export function json<T>(value: Value): T | null {
  return value === null || value === undefined ? null : (JSON.parse(String(value)) as T);
}

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
  const bundle = memory.bundles.get(bundleId).body;
  const record: JobRecord = {
    id: String(row.id),
    batchId: text(row.batch_id),
    name: text(row.name),
    template: bundle.template,
    version: bundle.version,
    bundleSha256: bundle.sha256,
    bundleBytes: bundle.sizeBytes,
    priority: Number(row.priority),
    inputs: json<InputValues>(row.inputs) ?? {},
    runAt: number(row.run_at),
    node: text(row.node),
    webhook: text(row.webhook),
    createdAt: Number(row.created_at),
    createdBy: text(row.created_by),
    state: String(row.state) as JobState,
    startedAt: number(row.started_at),
    endedAt: number(row.ended_at),
    error: json<TaskError>(row.error),
  };
  return { num: Number(row.num), tasks: Number(row.tasks), bundleId, record };
}

/** A task as a record, with what its changes need. */
export interface StoredTask {
  readonly jobNum: number;
  readonly classId: number;
  readonly claimId: string | null;
  readonly readyAt: number | null;
  readonly record: TaskRecord;
}

export const TASK_COLUMNS = `job_num, idx, class_id, priority, state, ready_at, epoch, failures, losses, node_id, claim_id,
  lease_until, phase, frame, frames, fps, started_at, ended_at, output, result, error`;

export function toTask(row: Row, jobId: string, memory: Memory): StoredTask {
  const idx = Number(row.idx);
  const classId = Number(row.class_id);
  const record: TaskRecord = {
    id: taskIdOf(jobId, idx),
    jobId,
    index: idx,
    state: String(row.state) as TaskState,
    epoch: Number(row.epoch),
    nodeId: text(row.node_id),
    priority: Number(row.priority),
    requirement: memory.classes.get(classId).body,
    output: JSON.parse(String(row.output)) as OutputSpec,
    failures: Number(row.failures),
    losses: Number(row.losses),
    leaseUntil: number(row.lease_until),
    phase: text(row.phase) as TaskPhase | null,
    frame: Number(row.frame),
    frames: number(row.frames),
    fps: number(row.fps),
    result: json<TaskResult>(row.result),
    error: json<TaskError>(row.error),
    startedAt: number(row.started_at),
    endedAt: number(row.ended_at),
  };
  return {
    jobNum: Number(row.job_num),
    classId,
    claimId: text(row.claim_id),
    readyAt: number(row.ready_at),
    record,
  };
}

export function toAttempt(row: Row, taskId: string): AttemptRecord {
  return {
    taskId,
    epoch: Number(row.epoch),
    nodeId: String(row.node_id),
    startedAt: Number(row.started_at),
    endedAt: number(row.ended_at),
    outcome: text(row.outcome) as AttemptOutcome | null,
    error: json<TaskError>(row.error),
  };
}
