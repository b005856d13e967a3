import { z } from 'zod';
import { InputValues, OutputSpec, TaskError, TaskPhase, TaskResult } from './jobs.ts';
import { EngineName, Instant, Role, Sha256 } from './names.ts';
import { Capabilities, NodeStatus, SystemInfo } from './nodes.ts';
import { MultipartField } from './uploads.ts';

/** `POST /v1/agent/register`: once at start and after the control plane forgot the node. */
export const RegisterRequest = z.object({
  hostname: z.string().max(255),
  roles: z.array(Role).min(1),
  hostIp: z.string().max(64),
  machineId: z.string().max(128),
  agentVersion: z.string().max(64),
  capabilities: Capabilities,
});
export type RegisterRequest = z.infer<typeof RegisterRequest>;

/** What the control plane wants of its agents. */
export const AgentSettings = z.object({
  serverTime: Instant,
  heartbeatMs: z.int().positive(),
  leaseMs: z.int().positive(),
  claimWaitMs: z.int().positive().describe('longest long-poll'),
  previewMs: z.int().positive().describe('shortest time between two previews of a task'),
  progressMs: z
    .int()
    .positive()
    .optional()
    .describe('heartbeat interval while frames are rendered; default: a fifth of heartbeatMs, at least 1 s'),
  keepRenderingMs: z.int().positive().describe('how long to go on rendering while cut off'),
});
export type AgentSettings = z.infer<typeof AgentSettings>;

/** `POST /v1/agent/claim`. A lost answer is asked for again with the same claimId: same task. */
export const ClaimRequest = z.object({
  claimId: z.string().min(8).max(64),
  freeSlots: z.int().min(1).max(64),
  waitMs: z.int().min(0).max(60_000),
});
export type ClaimRequest = z.infer<typeof ClaimRequest>;

/** One file the agent fetches, verified by size and sha256. */
export const RemoteFile = z.object({ url: z.string(), sha256: Sha256, sizeBytes: z.int().nonnegative() });
export type RemoteFile = z.infer<typeof RemoteFile>;

/** The task, its lease and what to fetch. 204 when nothing came within waitMs. */
export const ClaimAnswer = z.object({
  task: z.object({
    id: z.string(),
    jobId: z.string(),
    epoch: z.int().positive(),
    engine: EngineName,
    template: z.string(),
    version: z.string(),
    inputs: InputValues,
    output: OutputSpec,
  }),
  leaseUntil: Instant,
  bundle: RemoteFile,
  assets: z.array(RemoteFile),
});
export type ClaimAnswer = z.infer<typeof ClaimAnswer>;

/** `(taskId, epoch)`: the fencing token; the node is known from the signature. */
export const LeaseReport = z.object({
  taskId: z.string().max(64),
  epoch: z.int().positive(),
  phase: TaskPhase,
  frame: z.int().nonnegative(),
  frames: z.int().positive().nullable(),
  fps: z.number().nonnegative().nullable(),
});
export type LeaseReport = z.infer<typeof LeaseReport>;

/** `POST /v1/agent/heartbeat`: renews every lease named; re-attaches one that expired meanwhile. */
export const HeartbeatRequest = z.object({
  leases: z.array(LeaseReport).max(64),
  system: SystemInfo.nullable().describe('null: unchanged since the last beat'),
});
export type HeartbeatRequest = z.infer<typeof HeartbeatRequest>;

const Ref = z.object({ taskId: z.string(), epoch: z.int() });

export const HeartbeatAnswer = z.object({
  serverTime: Instant,
  nextMs: z.int().positive(),
  progressMs: z.int().positive().optional().describe('as in the settings'),
  cancel: z.array(Ref).describe('stop: an operator cancelled them'),
  lost: z.array(Ref).describe('stop and discard: another node has them, or they are over'),
  drain: z.boolean().describe('finish what runs, claim nothing'),
});
export type HeartbeatAnswer = z.infer<typeof HeartbeatAnswer>;

/** `POST /v1/agent/tasks/:id/log`. */
export const LogRequest = z.object({
  epoch: z.int().positive(),
  lines: z
    .array(z.object({ at: Instant, stream: z.enum(['agent', 'engine']), line: z.string().max(8192) }))
    .min(1)
    .max(1000),
});
export type LogRequest = z.infer<typeof LogRequest>;

/** `POST /v1/agent/tasks/:id/uploads`: where to put the output. */
export const UploadRequest = z.object({
  epoch: z.int().positive(),
  fileName: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/),
  sizeBytes: z.int().positive(),
  sha256: Sha256,
  parts: z.boolean().optional().describe('the node can send a file in parts'),
});
export type UploadRequest = z.infer<typeof UploadRequest>;
export const UploadAnswer = z.object({
  key: z.string(),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  ...MultipartField,
});
export type UploadAnswer = z.infer<typeof UploadAnswer>;

/** `POST …/complete`; sent twice: 200 with the stored result. */
export const CompleteRequest = z.object({ epoch: z.int().positive(), result: TaskResult });
export type CompleteRequest = z.infer<typeof CompleteRequest>;

/** `POST …/fail`: consumes the retry budget. */
export const FailRequest = z.object({ epoch: z.int().positive(), error: TaskError });
export type FailRequest = z.infer<typeof FailRequest>;

/** `POST …/release`: hands the lease back (shutdown, drain); costs no budget. */
export const ReleaseRequest = z.object({ epoch: z.int().positive(), reason: z.string().max(512) });
export type ReleaseRequest = z.infer<typeof ReleaseRequest>;

/** The state of the task after a report. */
export const ReportAnswer = z.object({ taskId: z.string(), state: z.string(), epoch: z.int() });
export type ReportAnswer = z.infer<typeof ReportAnswer>;

/** `GET /v1/agent/hello`: what "doctor" asks on a node. */
export const HelloAnswer = z.object({
  node: z.string(),
  status: NodeStatus,
  serverTime: Instant,
  version: z.string().max(64),
  /** A signed address of a file that is not there: 404 proves that files can be fetched where they are served. */
  probeUrl: z.string(),
});
export type HelloAnswer = z.infer<typeof HelloAnswer>;
