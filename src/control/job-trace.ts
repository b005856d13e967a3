/** A job that is over as spans: the job, each wait in the queue, each attempt. Agents add the phases below their attempts. */
import { spanId } from '../lib/tracing.ts';
import type { AttemptRecord, JobRecord, TaskRecord } from '../store/store.ts';
import type { Control } from './context.ts';

/** Reads the job and records its spans; failures are only logged. */
export async function traceJob(control: Control, jobId: string): Promise<void> {
  const { store, logger } = control;
  try {
    const found = await store.getJob(jobId);
    if (found === null) return;
    const attempts = await store.listAttempts(jobId);
    recordJob(control, found.job);
    for (const task of found.tasks) {
      const own = attempts.filter(({ taskId }) => taskId === task.id).sort((a, b) => a.epoch - b.epoch);
      recordTask(control, found.job, task, own);
    }
  } catch (error) {
    logger.warn('tracing.job-not-read', { jobId, error });
  }
}

function recordJob({ tracing, config }: Control, job: JobRecord): void {
  tracing.record({
    jobId: job.id,
    name: `job ${job.template}`,
    id: spanId(job.id),
    startedAt: job.createdAt,
    endedAt: job.endedAt ?? job.createdAt,
    attributes: {
      'flatrender.farm': config.farm.name,
      'flatrender.template': job.template,
      'flatrender.version': job.version,
      'flatrender.state': job.state,
      'flatrender.priority': job.priority,
      'flatrender.batch': job.batchId,
    },
    error: job.state === 'failed' ? (job.error?.message ?? 'failed') : undefined,
  });
}

function recordTask(
  { tracing }: Control,
  job: JobRecord,
  task: TaskRecord,
  attempts: readonly AttemptRecord[],
): void {
  const parent = spanId(job.id);
  let waitingSince = Math.max(job.createdAt, job.runAt ?? 0);
  for (const { epoch, nodeId, startedAt, endedAt, outcome, error } of attempts) {
    const attributes = { 'flatrender.task': task.id, 'flatrender.epoch': epoch, 'flatrender.node': nodeId };
    tracing.record({
      jobId: job.id,
      name: 'queued',
      parent,
      startedAt: waitingSince,
      endedAt: startedAt,
      attributes,
    });
    const end = endedAt ?? job.endedAt ?? startedAt;
    tracing.record({
      jobId: job.id,
      name: `attempt on ${nodeId}`,
      id: spanId(`${task.id}#${epoch}`),
      parent,
      startedAt,
      endedAt: end,
      attributes: { ...attributes, 'flatrender.outcome': outcome },
      error: error ? `${error.code}: ${error.message}` : undefined,
    });
    waitingSince = end;
  }
}
