/** What follows from a change in the store: leases, waiters, events, webhooks, metrics. */
import { chooseEngine } from '../jobs/requirements.ts';
import type { JobRecord, JobWithTask, ReportOutcome, TaskChange, TaskRecord } from '../store/store.ts';
import type { Control } from './context.ts';
import { traceJob } from './job-trace.ts';
import type { NodeEntry } from './registry.ts';
import { jobView, nodeView } from './views.ts';

/** A report of a node was accepted (or had been before). */
export function afterReport(
  control: Control,
  outcome: ReportOutcome,
  kind: 'succeeded' | 'failed' | 'interrupted',
): void {
  if (outcome.node) {
    const entry = control.registry.put(outcome.node);
    if (outcome.node.quarantine) {
      control.logger.warn('node.quarantined', { nodeId: entry.id, reason: outcome.node.quarantine.reason });
    }
  }
  if (outcome.repeated) return;
  control.metrics.attemptEnded(kind);
  afterChange(control, outcome);
}

/** Counts a render that was accepted; `renderMs` is what the node says of its engine. */
export function rendered(
  { metrics, clock }: Control,
  { facts }: NodeEntry,
  { task, job }: ReportOutcome,
  renderMs: number,
): void {
  const engine = (facts && chooseEngine(task.requirement, facts)) ?? 'unknown';
  const allMs = clock.now() - (task.startedAt ?? clock.now());
  metrics.rendered({ template: job.template, engine }, renderMs, allMs - renderMs);
}

/** A task and with it its job changed. */
export function afterChange(control: Control, change: TaskChange): void {
  const { task, job, jobEnded } = change;
  if (task.state !== 'running') {
    const lease = control.leases.get(task.id);
    control.leases.drop(task.id, task.epoch);
    control.previews.drop(task.id);
    if (lease) nodeChanged(control, lease.nodeId);
  }
  if (task.state === 'queued') control.dispatcher.wake(task.requirement);
  // A task that ended may have let blocked ones of its job into the queue.
  else if (task.state === 'succeeded' && !jobEnded) control.dispatcher.sweep();
  jobChanged(control, job.id);
  if (jobEnded) jobEndedNow(control, job);
}

/** Tasks of a job were queued again or cancelled. */
export function afterJobCommand(control: Control, job: JobRecord, tasks: readonly TaskRecord[]): void {
  for (const task of tasks) {
    const lease = control.leases.get(task.id);
    control.leases.drop(task.id, task.epoch);
    control.previews.drop(task.id);
    if (lease) nodeChanged(control, lease.nodeId);
    if (task.state === 'queued') control.dispatcher.wake(task.requirement);
    // Tried again before its time: nobody waits for that time any more since it was cancelled.
    if (task.state === 'blocked' && job.runAt !== null) control.dispatcher.dueAt(job.runAt);
  }
  jobChanged(control, job.id);
  if (job.endedAt !== null) jobEndedNow(control, job);
}

/** A node went away while a task was being given to it: the task goes back at once, at no cost. */
export async function afterUndelivered(
  control: Control,
  { task }: JobWithTask,
  nodeId: string,
): Promise<void> {
  const { leases, store, clock, logger } = control;
  const fence = { taskId: task.id, epoch: task.epoch, nodeId };
  try {
    // The node may have asked another control plane again, and have got it there: that renewed the lease.
    const current = await store.getTask(task.id);
    if (current?.epoch !== task.epoch || current.leaseUntil !== task.leaseUntil) return;
    logger.warn('claim.undelivered', { taskId: task.id, nodeId });
    // Should handing it back fail, the lease runs out like any other.
    leases.hold(task, nodeId, task.leaseUntil ?? clock.now() + leases.leaseMs);
    const reason = `node "${nodeId}" hung up before it got the task`;
    afterReport(control, await store.release(fence, reason, clock.now()), 'interrupted');
  } catch (error) {
    logger.warn('claim.not-handed-back', { taskId: task.id, nodeId, error });
  }
}

/** Publishes the job's new state. Always read from the store: events of a job come in the order of its states. */
export function jobChanged(control: Control, jobId: string): void {
  const { events, leases, store } = control;
  if (!events.isActive) {
    events.skip();
    return;
  }
  events.publishLatest(`job ${jobId}`, async () => {
    const found = await store.getJob(jobId);
    return found && { type: 'job', job: jobView(found.job, found.tasks, leases) };
  });
}

/** Publishes progress of a job, at most four times a second. */
export function jobProgressed(control: Control, jobId: string): void {
  const { events, leases, store } = control;
  if (!events.isActive) return;
  events.publishThrottled(`job ${jobId}`, async () => {
    const found = await store.getJob(jobId);
    return found && { type: 'job', job: jobView(found.job, found.tasks, leases) };
  });
}

/** Publishes what people see of a node, at most four times a second. */
export function nodeChanged(control: Control, nodeId: string): void {
  const { events, registry, leases, clock } = control;
  if (!events.isActive) {
    events.skip();
    return;
  }
  events.publishThrottled(`node ${nodeId}`, async () => {
    const entry = registry.get(nodeId);
    return entry ? { type: 'node', node: nodeView(entry, leases, clock.now()) } : null;
  });
}

function jobEndedNow(control: Control, job: JobRecord): void {
  control.metrics.jobEnded(job.state);
  control.logger.debug('job.ended', { jobId: job.id, state: job.state });
  if (control.tracing.isOn) void traceJob(control, job.id);
  // Its delivery is in the store, in the transaction that ended the job.
  if (job.webhook !== null) control.webhooks.poke();
}
