/**
 * What the control plane remembers. The contract of every implementation is the suite in
 * `test/conformance/store.ts`; rows never leave an implementation, only the records below do.
 *
 * All times are epoch milliseconds and come from the caller. Every method that changes a state resolves only after
 * the change is durable, except the `save…` methods, which are write-behind.
 */

import type { Requirement } from '../jobs/requirements.ts';
import type { RetryPolicy } from '../jobs/retry-policy.ts';
import type { FlatrenderError } from '../lib/errors.ts';
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
import type { AuditStore } from './audit.ts';
import type { DeliveryStore } from './deliveries.ts';
import type { SettingStore } from './settings.ts';
import type { SharedStore } from './shared.ts';

export interface NewTask {
  readonly output: OutputSpec;
  readonly requirement: Requirement;
}

export interface NewJob {
  readonly id: string;
  readonly batchId: string | null;
  readonly name: string | null;
  readonly template: string;
  readonly version: string;
  readonly bundleSha256: string;
  readonly bundleBytes: number;
  readonly priority: number;
  readonly inputs: InputValues;
  /** Not before; null: at once. */
  readonly runAt: number | null;
  readonly node: string | null;
  readonly webhook: string | null;
  readonly createdAt: number;
  readonly createdBy: string | null;
  readonly tasks: readonly NewTask[];
}

/** A job as stored: what was submitted, and where it stands. */
export interface JobRecord extends Omit<NewJob, 'tasks'> {
  /** Derived from the tasks, stored for listing. */
  readonly state: JobState;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** The error of the first failed task. */
  readonly error: TaskError | null;
}

export interface TaskRecord {
  readonly id: string;
  readonly jobId: string;
  readonly index: number;
  readonly state: TaskState;
  /** Incremented by each claim; 0: never claimed. */
  readonly epoch: number;
  /** The node of the newest claim; kept after the lease expired, for re-attachment. */
  readonly nodeId: string | null;
  readonly priority: number;
  readonly requirement: Requirement;
  readonly output: OutputSpec;
  readonly failures: number;
  readonly losses: number;
  readonly leaseUntil: number | null;
  readonly phase: TaskPhase | null;
  readonly frame: number;
  readonly frames: number | null;
  readonly fps: number | null;
  readonly result: TaskResult | null;
  readonly error: TaskError | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
}

export interface AttemptRecord {
  readonly taskId: string;
  readonly epoch: number;
  readonly nodeId: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** null while it runs. */
  readonly outcome: AttemptOutcome | null;
  readonly error: TaskError | null;
}

export interface JobWithTasks {
  readonly job: JobRecord;
  /** By index. */
  readonly tasks: readonly TaskRecord[];
}

/** `(taskId, epoch)` is the token; the node is known from the request's signature. */
export interface Fence {
  readonly taskId: string;
  readonly epoch: number;
  readonly nodeId: string;
}

export type { RetryPolicy } from '../jobs/retry-policy.ts';

export interface ClaimInput {
  readonly nodeId: string;
  /** The same claimId again returns the same task as long as that attempt runs. */
  readonly claimId: string;
  /** Pure and fast; called once per class that has queued tasks. */
  readonly accepts: (requirement: Requirement) => boolean;
  readonly now: number;
  readonly leaseUntil: number;
}

/** What a change of one task changed with it; the caller tells waiters, events and webhooks. */
export interface TaskChange {
  readonly task: TaskRecord;
  readonly job: JobRecord;
  /** The job was not over before this change and is now. */
  readonly jobEnded: boolean;
}

export interface ReportOutcome extends TaskChange {
  /** The same report had been accepted before; nothing changed. */
  readonly repeated: boolean;
  /** The node after a failure or success, when its blocks or quarantine changed. */
  readonly node: NodeRecord | null;
}

/** A lease as the control plane holds it in memory between write-behinds. */
export interface LeaseState extends Fence {
  readonly leaseUntil: number;
  readonly phase: TaskPhase;
  readonly frame: number;
  readonly frames: number | null;
  readonly fps: number | null;
}

export interface NodeRecord {
  readonly id: string;
  readonly name: string;
  /** Of the secret; the previous one works until `retiredGeneration` reaches it. */
  readonly generation: number;
  /** Secrets up to this generation are dead. */
  readonly retiredGeneration: number;
  readonly intent: NodeIntent;
  readonly quarantine: { readonly since: number; readonly reason: string } | null;
  readonly blockedTemplates: readonly string[];
  readonly roles: readonly Role[];
  readonly hostname: string | null;
  readonly hostIp: string | null;
  readonly agentVersion: string | null;
  readonly capabilities: Capabilities | null;
  readonly lastSeenAt: number | null;
  readonly createdAt: number;
}

/** The newest invitation of a node. */
export interface InvitationRecord {
  readonly nodeId: string;
  /** Counts the invitations of the node. */
  readonly number: number;
  readonly expiresAt: number;
  /** Public half of the tunnel key in it; null: it has none. */
  readonly temporaryKey: string | null;
  readonly usedAt: number | null;
  /** Host name of the machine that used it. */
  readonly usedBy: string | null;
  /** That machine's own key. */
  readonly publicKey: string | null;
  /** Whether the mesh knows that key. */
  readonly isApplied: boolean;
  /** Of the secret that the machine got. */
  readonly generation: number | null;
}

/** Who uses an invitation. */
export interface InvitationUse {
  readonly number: number;
  readonly publicKey: string;
  readonly hostname: string;
}

export interface NodeRegistration {
  readonly roles: readonly Role[];
  readonly hostname: string;
  readonly hostIp: string;
  readonly agentVersion: string;
  readonly capabilities: Capabilities;
}

export interface TemplateRecord {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly manifest: Record<string, unknown>;
  readonly pushedAt: number;
}

export interface TokenRecord {
  readonly id: string;
  readonly name: string;
  readonly role: TokenRole;
  /** sha256 of the token, hex. */
  readonly hash: string;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly lastUsedAt: number | null;
}

export interface LogLine {
  readonly at: number;
  readonly stream: 'agent' | 'engine';
  readonly line: string;
}

export interface StoredLogLine extends LogLine {
  readonly taskId: string;
  readonly epoch: number;
}

export interface JobFilter {
  readonly states?: readonly JobState[] | undefined;
  readonly template?: string | undefined;
  readonly batchId?: string | undefined;
  /** Continue after this job id (newest first). */
  readonly before?: string | undefined;
  readonly limit: number;
}

export interface StoreStats {
  readonly jobs: Readonly<Record<JobState, number>>;
  readonly tasks: Readonly<Record<TaskState, number>>;
}

/** How long tasks of one requirement wait. */
export interface QueueAge {
  readonly requirement: Requirement;
  /** Since when the longest waiting job of it may be claimed, by order of submission; epoch ms. */
  readonly since: number;
}

export interface Store extends DeliveryStore, AuditStore, SettingStore {
  // jobs ---------------------------------------------------------------------------------------------------------
  /**
   * Stores jobs with their tasks, all or none. With an idempotency key that was used before: the jobs of that first
   * call (`repeated`), or IDEMPOTENCY_CONFLICT when its body was another one.
   */
  submit(
    jobs: readonly NewJob[],
    idempotency?: { readonly key: string; readonly bodySha256: string },
  ): Promise<{ readonly jobs: readonly JobRecord[]; readonly repeated: boolean }>;
  getJob(id: string): Promise<JobWithTasks | null>;
  /** Newest first. */
  listJobs(filter: JobFilter): Promise<readonly JobWithTasks[]>;
  getTask(id: string): Promise<TaskRecord | null>;
  listAttempts(jobId: string): Promise<readonly AttemptRecord[]>;
  /** Cancels what is not over; `tasks` are those that changed. JOB_NOT_FOUND; JOB_STATE when all is over. */
  cancelJob(
    id: string,
    now: number,
  ): Promise<{ readonly job: JobRecord; readonly tasks: readonly TaskRecord[] }>;
  /**
   * Queues failed and cancelled tasks again with a fresh budget, delayed ones not before their time. JOB_NOT_FOUND;
   * JOB_STATE when there are none.
   */
  retryJob(
    id: string,
    now: number,
  ): Promise<{ readonly job: JobRecord; readonly tasks: readonly TaskRecord[] }>;
  /** Moves delayed tasks whose time has come into the queue; returns how many, of which jobs, and when the next is due. */
  promoteDue(now: number): Promise<{
    readonly promoted: number;
    readonly jobIds: readonly string[];
    readonly nextAt: number | null;
  }>;

  /** Of each requirement with queued tasks; cheap however many there are. */
  queueAges(): Promise<readonly QueueAge[]>;

  // leases -------------------------------------------------------------------------------------------------------
  /**
   * The best queued task whose requirement is accepted: highest priority, then oldest. One atomic step. Renews the lease
   * when the claim is a repeated one. NODE_NOT_FOUND, also for a node removed while it waited.
   */
  claim(input: ClaimInput): Promise<JobWithTask | null>;
  /** LEASE_LOST (details: state, epoch) when the fence does not hold; TASK_NOT_FOUND. */
  complete(fence: Fence, result: TaskResult, policy: RetryPolicy, now: number): Promise<ReportOutcome>;
  fail(fence: Fence, error: TaskError, policy: RetryPolicy, now: number): Promise<ReportOutcome>;
  /** Hands back without cost; the task is queued again at its old place. */
  release(fence: Fence, reason: string, now: number): Promise<ReportOutcome>;
  /** Takes up an expired lease again, or confirms one that holds; null when another node has it or it is over. */
  reattach(fence: Fence, leaseUntil: number, now: number): Promise<TaskRecord | null>;
  /** Write-behind of renewals and progress; rows whose fence no longer holds are left alone: their task ids come back. */
  saveLeases(leases: readonly LeaseState[]): Promise<readonly string[]>;
  /**
   * Queues tasks whose lease ended before `now` again, epoch unchanged; with the loss number `maxLosses` they fail. Goes by
   * the leases that were saved: `saveLeases` with the renewals in memory first.
   */
  expireLeases(now: number, policy: RetryPolicy): Promise<readonly TaskChange[]>;
  /** Every running task. */
  listRunning(): Promise<readonly TaskRecord[]>;

  // nodes --------------------------------------------------------------------------------------------------------
  /** A new node, generation 1 (or one past a removed node of that id). NODE_EXISTS. */
  createNode(node: { readonly id: string; readonly name: string }, now: number): Promise<NodeRecord>;
  /** The next generation of its secret; the one before works until the new one is used. NODE_NOT_FOUND. */
  rotateNode(id: string): Promise<NodeRecord>;
  /** Kills secrets below this generation. */
  retireGenerations(id: string, below: number): Promise<NodeRecord>;
  registerNode(id: string, registration: NodeRegistration, now: number): Promise<NodeRecord>;
  setIntent(id: string, intent: NodeIntent): Promise<NodeRecord>;
  /** Lifts quarantine and template blocks and enables it. */
  resumeNode(id: string): Promise<NodeRecord>;
  /** Its running tasks are queued again as interrupted. NODE_NOT_FOUND. */
  removeNode(id: string, now: number): Promise<readonly TaskChange[]>;
  getNode(id: string): Promise<NodeRecord | null>;
  listNodes(): Promise<readonly NodeRecord[]>;
  /** Write-behind. */
  saveBeats(beats: readonly { readonly nodeId: string; readonly at: number }[]): Promise<void>;

  // invitations --------------------------------------------------------------------------------------------------
  /** The node's next invitation; the ones before are dead. NODE_NOT_FOUND. */
  issueInvitation(
    nodeId: string,
    invitation: { readonly expiresAt: number; readonly temporaryKey: string | null },
    now: number,
  ): Promise<InvitationRecord>;
  /**
   * Binds the invitation to a machine's key, and gives the node its next secret generation, both or neither. The same key
   * again: the same answer, until that secret was used once. INVITATION_REPLACED, INVITATION_USED, INVITATION_EXPIRED, NODE_NOT_FOUND.
   */
  useInvitation(
    nodeId: string,
    use: InvitationUse,
    now: number,
  ): Promise<{ readonly invitation: InvitationRecord; readonly node: NodeRecord }>;
  /** The mesh knows the machine's key now; nothing when there is a newer invitation. */
  setInvitationApplied(nodeId: string, number: number): Promise<void>;
  /** The newest of each node. */
  listInvitations(): Promise<readonly InvitationRecord[]>;

  // templates ----------------------------------------------------------------------------------------------------
  /** TEMPLATE_VERSION_EXISTS when that version has other content; the same content again: `already`. */
  putTemplate(
    template: TemplateRecord,
  ): Promise<{ readonly template: TemplateRecord; readonly already: boolean }>;
  /** That version, or the newest one by semantic version (releases before pre-releases). */
  getTemplate(name: string, version?: string): Promise<TemplateRecord | null>;
  listTemplates(): Promise<readonly TemplateRecord[]>;
  /** TEMPLATE_NOT_FOUND; TEMPLATE_IN_USE (details: jobs) while unfinished jobs need it. Returns what was removed. */
  removeTemplate(name: string, version?: string): Promise<readonly TemplateRecord[]>;

  // tokens -------------------------------------------------------------------------------------------------------
  createToken(token: TokenRecord): Promise<void>;
  findToken(hash: string): Promise<TokenRecord | null>;
  listTokens(): Promise<readonly TokenRecord[]>;
  /** TOKEN_NOT_FOUND. */
  revokeToken(id: string): Promise<void>;
  /** Write-behind. */
  saveTokenUse(uses: readonly { readonly id: string; readonly at: number }[]): Promise<void>;

  // logs ---------------------------------------------------------------------------------------------------------
  /** Appends at most `maxBytes` per attempt in all, then one line that says so, then nothing. TASK_NOT_FOUND. */
  appendLog(taskId: string, epoch: number, lines: readonly LogLine[], maxBytes: number): Promise<void>;
  readLog(
    jobId: string,
    after: number,
    limit: number,
  ): Promise<{ readonly lines: readonly StoredLogLine[]; readonly next: number }>;

  // retention ----------------------------------------------------------------------------------------------------
  /** Deletes finished jobs that ended before, or beyond the newest `keep`, at most `limit`; returns their ids. */
  purgeJobs(options: {
    readonly endedBefore: number;
    readonly keep: number;
    readonly limit: number;
  }): Promise<readonly string[]>;
  /** Of these asset digests, those that a stored job still refers to. */
  assetsInUse(sha256s: readonly string[]): Promise<ReadonlySet<string>>;
  /** Of these bundle digests, those that a template or an unfinished job refers to. */
  bundlesInUse(sha256s: readonly string[]): Promise<ReadonlySet<string>>;
  /** Forgets idempotency keys used before `before`. */
  purgeIdempotency(before: number): Promise<number>;

  // itself -------------------------------------------------------------------------------------------------------
  /** What several control planes on it share; null: this process has it for itself. */
  readonly shared: SharedStore | null;
  /** From memory: never scans. May be seconds old when several control planes share it. */
  stats(): StoreStats;
  /**
   * Why nothing can be written: until a restart, or (UNAVAILABLE) until the database can be reached again, which needs none.
   * null while all is well. From memory.
   */
  failure(): FlatrenderError | null;
  /** Writes what is still behind and closes. */
  close(): Promise<void>;
}

export interface JobWithTask {
  readonly job: JobRecord;
  readonly task: TaskRecord;
}
