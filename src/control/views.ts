/** Records as the API shows them. Progress of running tasks comes from the lease table, which is ahead of the store. */
import { jobIdOf } from '../lib/ids.ts';
import type { InvitationView } from '../protocol/enrolment.ts';
import type { AttemptView, JobView, TaskView } from '../protocol/jobs.ts';
import type { NodeStatus, NodeView } from '../protocol/nodes.ts';
import type { TemplateView } from '../protocol/templates.ts';
import type { TokenView } from '../protocol/tokens.ts';
import type {
  AttemptRecord,
  InvitationRecord,
  JobRecord,
  TaskRecord,
  TemplateRecord,
  TokenRecord,
} from '../store/store.ts';
import type { Leases } from './leases.ts';
import type { NodeEntry } from './registry.ts';

/** Epoch milliseconds as the wire wants them. */
export function instant(ms: number): string {
  return new Date(ms).toISOString();
}

function instantOrNull(ms: number | null): string | null {
  return ms === null ? null : instant(ms);
}

/** A job without its tasks, as in lists and events. */
export function jobView(job: JobRecord, tasks: readonly TaskRecord[], leases: Leases): JobView {
  return {
    id: job.id,
    batch: job.batchId,
    name: job.name,
    template: job.template,
    version: job.version,
    state: job.state,
    priority: job.priority,
    progress: progressOf(job, tasks, leases),
    node: job.node,
    nodes: nodesOf(tasks),
    createdAt: instant(job.createdAt),
    runAt: instantOrNull(job.runAt),
    startedAt: instantOrNull(job.startedAt),
    endedAt: instantOrNull(job.endedAt),
    error: job.error,
  };
}

/** Whoever had a task that waits again is not rendering it. */
function nodesOf(tasks: readonly TaskRecord[]): string[] {
  const taken = tasks.filter(({ state }) => state !== 'queued' && state !== 'blocked');
  return [...new Set(taken.map(({ nodeId }) => nodeId))].filter((id) => id !== null);
}

/** A job with everything. */
export function fullJobView(
  job: JobRecord,
  tasks: readonly TaskRecord[],
  attempts: readonly AttemptRecord[],
  leases: Leases,
  whyWaiting: (task: TaskRecord) => string | null,
): JobView {
  return {
    ...jobView(job, tasks, leases),
    inputs: job.inputs,
    webhook: job.webhook,
    tasks: tasks.map((task) => ({
      ...taskView(task, leases),
      waiting: task.state === 'queued' ? whyWaiting(task) : null,
      attempts: attempts.filter((attempt) => attempt.taskId === task.id).map(attemptView),
    })),
  };
}

function taskView(task: TaskRecord, leases: Leases): TaskView {
  const { phase, frame, frames, fps } = liveOf(task, leases);
  return {
    id: task.id,
    output: task.output,
    state: task.state,
    epoch: task.epoch,
    engines: [...task.requirement.engines],
    node: task.nodeId,
    phase,
    frame,
    frames,
    fps,
    failures: task.failures,
    losses: task.losses,
    result: task.result,
    error: task.error,
    startedAt: instantOrNull(task.startedAt),
    endedAt: instantOrNull(task.endedAt),
  };
}

function attemptView(attempt: AttemptRecord): AttemptView {
  return {
    epoch: attempt.epoch,
    node: attempt.nodeId,
    startedAt: instant(attempt.startedAt),
    endedAt: instantOrNull(attempt.endedAt),
    outcome: attempt.outcome,
    error: attempt.error,
  };
}

function liveOf(task: TaskRecord, leases: Leases): Pick<TaskRecord, 'phase' | 'frame' | 'frames' | 'fps'> {
  const lease = task.state === 'running' ? leases.get(task.id) : undefined;
  if (lease?.epoch !== task.epoch) return task;
  // Renewed through another control plane: what that one wrote is newer than what this one knows.
  return (task.leaseUntil ?? 0) > lease.leaseUntil ? task : lease;
}

function progressOf(job: JobRecord, tasks: readonly TaskRecord[], leases: Leases): number {
  if (job.state === 'succeeded') return 1;
  if (tasks.length === 0) return 0;
  let done = 0;
  for (const task of tasks) {
    if (task.state === 'succeeded') done += 1;
    if (task.state !== 'running') continue;
    const { frame, frames } = liveOf(task, leases);
    if (frames !== null && frames > 0) done += Math.min(frame / frames, 1);
  }
  // Not 1 before the output is verified and stored.
  return Math.min(Math.round((done / tasks.length) * 10_000) / 10_000, 0.9999);
}

/** What people see of a node: the four axes in one word. */
export function nodeStatus(entry: NodeEntry, running: number): NodeStatus {
  const { record, liveness } = entry;
  if (liveness === 'never') return 'pending';
  if (liveness === 'offline') return 'offline';
  if (record.quarantine !== null) return 'quarantined';
  if (record.intent !== 'enabled') return running > 0 ? 'draining' : 'drained';
  if (liveness === 'suspect') return 'suspect';
  if (entry.facts === null) return 'pending';
  return running > 0 ? 'busy' : 'ready';
}

/** A node with its running tasks. */
export function nodeView(entry: NodeEntry, leases: Leases, now: number): NodeView {
  const { record } = entry;
  const capabilities =
    record.capabilities && entry.system
      ? { ...record.capabilities, system: entry.system }
      : record.capabilities;
  const running = [...leases.ofNode(entry.id)].map(({ taskId, phase, frame, frames }) => ({
    task: taskId,
    phase,
    frame,
    frames,
  }));
  return {
    id: entry.id,
    name: record.name,
    status: nodeStatus(entry, running.length),
    intent: record.intent,
    roles: [...record.roles],
    hostname: record.hostname,
    hostIp: record.hostIp,
    agentVersion: record.agentVersion,
    capabilities,
    running,
    quarantine: record.quarantine && {
      since: instant(record.quarantine.since),
      reason: record.quarantine.reason,
    },
    blockedTemplates: [...record.blockedTemplates],
    invitation: entry.invitation && invitationView(entry.invitation, now),
    lastSeenAt: instantOrNull(entry.lastSeenAt),
    createdAt: instant(record.createdAt),
  };
}

function invitationView({ expiresAt, usedAt, usedBy }: InvitationRecord, now: number): InvitationView {
  return {
    state: usedAt !== null ? 'used' : expiresAt <= now ? 'expired' : 'open',
    expiresAt: instant(expiresAt),
    usedAt: instantOrNull(usedAt),
    usedBy,
  };
}

/** A template; with its manifest when one is asked for. */
export function templateView(template: TemplateRecord, latest: boolean, withManifest = false): TemplateView {
  const { manifest } = template;
  const text = (key: string): string | null => (typeof manifest[key] === 'string' ? manifest[key] : null);
  const engines =
    typeof manifest.engines === 'object' && manifest.engines !== null ? Object.keys(manifest.engines) : [];
  return {
    name: template.name,
    version: template.version,
    title: text('title'),
    description: text('description'),
    engines,
    sha256: template.sha256,
    sizeBytes: template.sizeBytes,
    pushedAt: instant(template.pushedAt),
    latest,
    ...(withManifest ? { manifest } : {}),
  };
}

/** A token without its hash. */
export function tokenView(token: TokenRecord, lastUsedAt: number | null): TokenView {
  return {
    id: token.id,
    name: token.name,
    role: token.role,
    createdAt: instant(token.createdAt),
    expiresAt: instantOrNull(token.expiresAt),
    lastUsedAt: instantOrNull(lastUsedAt),
  };
}

/** The file name under which a person would keep an output. */
export function outputFileName(job: JobRecord, task: TaskRecord): string {
  const base = (job.name ?? job.template)
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}._ -]+/gu, '-')
    .replace(/^[.\s-]+|[.\s-]+$/g, '')
    .slice(0, 80);
  return `${base || jobIdOf(task.id)}-${task.output.name}.${task.output.container}`;
}
