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
import { portableJson } from '../portable-text.ts';
import type { AttemptRecord, JobRecord, TaskRecord } from '../store.ts';
import type { Classes } from './classes.ts';
import type { Row } from './database.ts';

/** A job as a record, with what its tasks' changes need. */
export interface StoredJob {
  readonly num: number;
  readonly tasks: number;
  readonly record: JobRecord;
}

/** A task as a record, with what its changes need. */
export interface StoredTask {
  readonly jobNum: number;
  readonly classId: number;
  readonly claimId: string | null;
  readonly readyAt: number | null;
  readonly record: TaskRecord;
}

const JOB_NAMES =
  `num id batch_id name template version bundle_sha256 bundle_bytes priority inputs run_at node webhook
  created_at created_by tasks state started_at ended_at error`.split(/\s+/);
const TASK_NAMES =
  `job_num idx class_id priority state ready_at epoch failures losses node_id claim_id lease_until phase
  frame frames fps started_at ended_at output result error`.split(/\s+/);

export const JOB_COLUMNS = JOB_NAMES.map((name) => `j.${name}`).join(', ');
export const TASK_COLUMNS = TASK_NAMES.map((name) => `t.${name}`).join(', ');

export function text(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

export function number(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/** For a json column. */
export function json(value: unknown): string | null {
  return value === null || value === undefined ? null : portableJson(value);
}

export function toJob(row: Row): StoredJob {
  const record: JobRecord = {
    id: String(row.id),
    batchId: text(row.batch_id),
    name: text(row.name),
    template: String(row.template),
    version: String(row.version),
    bundleSha256: String(row.bundle_sha256),
    bundleBytes: Number(row.bundle_bytes),
    priority: Number(row.priority),
    inputs: row.inputs as InputValues,
    runAt: number(row.run_at),
    node: text(row.node),
    webhook: text(row.webhook),
    createdAt: Number(row.created_at),
    createdBy: text(row.created_by),
    state: String(row.state) as JobState,
    startedAt: number(row.started_at),
    endedAt: number(row.ended_at),
    error: row.error as TaskError | null,
  };
  return { num: Number(row.num), tasks: Number(row.tasks), record };
}

/** The task's class must be loaded. */
export function toTask(row: Row, jobId: string, classes: Classes): StoredTask {
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
    requirement: classes.get(classId).requirement,
    output: row.output as OutputSpec,
    failures: Number(row.failures),
    losses: Number(row.losses),
    leaseUntil: number(row.lease_until),
    phase: text(row.phase) as TaskPhase | null,
    frame: Number(row.frame),
    frames: number(row.frames),
    fps: number(row.fps),
    result: row.result as TaskResult | null,
    error: row.error as TaskError | null,
    startedAt: number(row.started_at),
    endedAt: number(row.ended_at),
  };
  const readyAt = number(row.ready_at);
  return { jobNum: Number(row.job_num), classId, claimId: text(row.claim_id), readyAt, record };
}

export function toAttempt(row: Row, taskId: string): AttemptRecord {
  return {
    taskId,
    epoch: Number(row.epoch),
    nodeId: String(row.node_id),
    startedAt: Number(row.started_at),
    endedAt: number(row.ended_at),
    outcome: text(row.outcome) as AttemptOutcome | null,
    error: row.error as TaskError | null,
  };
}
