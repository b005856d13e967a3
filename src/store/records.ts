/**
 * Rows of either database as records. Columns have the same names in both; SQLite gives JSON as text and booleans as numbers,
 * PostgreSQL parses them. What is in a row was checked before it was written.
 */
import { NO_STREAKS, type NodeStreaks } from '../jobs/node-streaks.ts';
import type { Requirement } from '../jobs/requirements.ts';
import { taskIdOf } from '../lib/ids.ts';
import type {
  AttemptOutcome,
  InputValues,
  JobState,
  OutputSpec,
  TaskError,
  TaskPhase,
  TaskResult,
  TaskState,
} from '../protocol/jobs.ts';
import type { Role } from '../protocol/names.ts';
import type { Capabilities, NodeIntent } from '../protocol/nodes.ts';
import type { TokenRole } from '../protocol/tokens.ts';
import type { AuditEntry } from './audit.ts';
import type { DeliveryRecord, DeliveryState } from './deliveries.ts';
import type {
  AttemptRecord,
  InvitationRecord,
  JobRecord,
  NodeRecord,
  TaskRecord,
  TemplateRecord,
  TokenRecord,
} from './store.ts';

type Row = Readonly<Record<string, unknown>>;

export function text(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

export function number(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/** A JSON column: objects and lists, never a bare text. */
export function json<T>(value: unknown): T | null {
  if (value === null || value === undefined) return null;
  return (typeof value === 'string' ? JSON.parse(value) : value) as T;
}

type OfBundle = 'template' | 'version' | 'bundleSha256' | 'bundleBytes';

/** The bundle is in the row, or somewhere else. */
export function toJobRecord(row: Row, bundle: Pick<JobRecord, OfBundle>): JobRecord {
  const { template, version, bundleSha256, bundleBytes } = bundle;
  return {
    id: String(row.id),
    batchId: text(row.batch_id),
    name: text(row.name),
    template,
    version,
    bundleSha256,
    bundleBytes,
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
}

/** A task as a record, with what its changes need. */
export interface StoredTask {
  readonly jobNum: number;
  readonly classId: number;
  readonly claimId: string | null;
  readonly readyAt: number | null;
  readonly record: TaskRecord;
}

/** `requirementOf` knows the task's class. */
export function toStoredTask(
  row: Row,
  jobId: string,
  requirementOf: (classId: number) => Requirement,
): StoredTask {
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
    requirement: requirementOf(classId),
    output: json<OutputSpec>(row.output) as OutputSpec,
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
    error: json<TaskError>(row.error),
  };
}

export function toNode(row: Row): NodeRecord {
  const since = number(row.quarantined_at);
  return {
    id: String(row.id),
    name: String(row.name),
    generation: Number(row.generation),
    retiredGeneration: Number(row.retired_generation),
    intent: String(row.intent) as NodeIntent,
    quarantine: since === null ? null : { since, reason: text(row.quarantine_reason) ?? '' },
    blockedTemplates: json<string[]>(row.blocked_templates) ?? [],
    roles: json<Role[]>(row.roles) ?? [],
    hostname: text(row.hostname),
    hostIp: text(row.host_ip),
    agentVersion: text(row.agent_version),
    capabilities: json<Capabilities>(row.capabilities),
    lastSeenAt: number(row.last_seen_at),
    createdAt: Number(row.created_at),
  };
}

/** What a node failed since its last success; only kept while there is something. */
export function streaksOf(row: Row): NodeStreaks {
  return json<NodeStreaks>(row.streaks) ?? NO_STREAKS;
}

export function toInvitation(row: Row): InvitationRecord {
  return {
    nodeId: String(row.node_id),
    number: Number(row.number),
    expiresAt: Number(row.expires_at),
    temporaryKey: text(row.temporary_key),
    usedAt: number(row.used_at),
    usedBy: text(row.used_by),
    publicKey: text(row.public_key),
    isApplied: Number(row.applied) === 1,
    generation: number(row.generation),
  };
}

export function toTemplate(row: Row): TemplateRecord {
  return {
    name: String(row.name),
    version: String(row.version),
    sha256: String(row.sha256),
    sizeBytes: Number(row.size_bytes),
    manifest: json<Record<string, unknown>>(row.manifest) ?? {},
    pushedAt: Number(row.pushed_at),
  };
}

export function toToken(row: Row): TokenRecord {
  return {
    id: String(row.id),
    name: String(row.name),
    role: String(row.role) as TokenRole,
    hash: String(row.hash),
    createdAt: Number(row.created_at),
    expiresAt: number(row.expires_at),
    lastUsedAt: number(row.last_used_at),
  };
}

export function toDelivery(row: Row): DeliveryRecord {
  return {
    id: String(row.id),
    type: String(row.type),
    jobId: text(row.job_id),
    url: String(row.url),
    body: text(row.body),
    createdAt: Number(row.created_at),
    dueAt: Number(row.due_at),
    state: String(row.state) as DeliveryState,
    attempts: Number(row.attempts),
    lastAttemptAt: number(row.last_attempt_at),
    lastStatus: number(row.last_status),
    lastError: text(row.last_error),
    endedAt: number(row.ended_at),
  };
}

export function toAuditEntry(row: Row): AuditEntry {
  return {
    seq: Number(row.seq),
    at: Number(row.at),
    actor: String(row.actor),
    action: String(row.action),
    subject: text(row.subject),
    outcome: String(row.outcome),
    from: text(row.from),
    details: json<Record<string, unknown>>(row.details) ?? {},
  };
}
