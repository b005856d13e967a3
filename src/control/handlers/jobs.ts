/** Looking at jobs, cancelling and repeating them, fetching what they made. */
import { z } from 'zod';
import { FlatrenderError } from '../../lib/errors.ts';
import { objectKeys } from '../../objects/object-store.ts';
import { JobList, JobState, JobView, LogAnswer, LogFilesAnswer, OutputAnswer } from '../../protocol/jobs.ts';
import { Name } from '../../protocol/names.ts';
import type { JobWithTasks, TaskRecord } from '../../store/store.ts';
import { baseUrlFor } from '../base-url.ts';
import type { Control } from '../context.ts';
import { afterJobCommand } from '../effects.ts';
import type { Routes } from '../route.ts';
import { fullJobView, instant, jobView, outputFileName } from '../views.ts';
import { whyWaiting } from '../waiting.ts';

const JobParams = z.object({ id: z.string().min(1).max(64) });

/** `?state=a&state=b` or `?state=a,b`. */
const States = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(',') : value),
  z.array(JobState).max(16).optional(),
);

const ListQuery = z.object({
  state: States,
  template: Name.optional(),
  batch: z.string().max(64).optional(),
  before: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(50),
});

const LogQuery = z.object({
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(5000).default(1000),
});

const PreviewQuery = z.object({ task: z.string().max(64).optional() });

/** Registers the routes of jobs, except submission. */
export function jobRoutes(routes: Routes, control: Control): void {
  const { store, leases, clock, registry } = control;
  const why = ({ requirement }: TaskRecord): string | null => whyWaiting(registry, requirement);
  routes.add('jobs', {
    query: ListQuery,
    answers: { 200: JobList },
    async handle({ query }) {
      const { state, template, batch, before, limit } = query;
      const found = await store.listJobs({ states: state, template, batchId: batch, before, limit });
      const next = found.length === limit ? (found.at(-1)?.job.id ?? null) : null;
      return { jobs: found.map(({ job, tasks }) => jobView(job, tasks, leases)), next };
    },
  });
  routes.add('job', {
    params: JobParams,
    answers: { 200: JobView },
    async handle({ params }) {
      const { job, tasks } = await requireJob(control, params.id);
      return fullJobView(job, tasks, await store.listAttempts(job.id), leases, why);
    },
  });
  for (const name of ['cancelJob', 'retryJob'] as const) {
    routes.add(name, {
      params: JobParams,
      answers: { 200: JobView },
      async handle({ params, token }) {
        const changed = await store[name](params.id, clock.now());
        control.logger.info(name === 'cancelJob' ? 'job.cancelled' : 'job.retried', {
          jobId: params.id,
          by: token.name,
        });
        afterJobCommand(control, changed.job, changed.tasks);
        const { job, tasks } = await requireJob(control, params.id);
        return fullJobView(job, tasks, await store.listAttempts(job.id), leases, why);
      },
    });
  }
  filesOfJobs(routes, control);
  logFilesOfJobs(routes, control);
}

/** `outputs/<job>/<task>-<epoch>/<name>.log.gz`. */
const LOG_FILE = /\/([^/]+)-(\d+)\/([\w-]+\.log\.gz)$/;

function logFilesOfJobs(routes: Routes, control: Control): void {
  const { objects, config } = control;
  routes.add('jobLogFiles', {
    params: JobParams,
    answers: { 200: LogFilesAnswer },
    async handle({ params, request }) {
      const { job } = await requireJob(control, params.id);
      const ttlSeconds = config.objects.presignTtlSeconds;
      const sign = { ttlSeconds, baseUrl: baseUrlFor(control, request, 'client') };
      const logs: z.infer<typeof LogFilesAnswer>['logs'] = [];
      for await (const { key, sizeBytes, sha256 } of objects.list(objectKeys.outputsOfJob(job.id))) {
        const [, task, epoch, fileName] = LOG_FILE.exec(key) ?? [];
        if (!task || !fileName) continue;
        const digest = sha256 ?? (await digestOf(control, key));
        if (digest === null) continue;
        const url = await objects.presignGet(key, sign);
        logs.push({ task, epoch: Number(epoch), fileName, sizeBytes, sha256: digest, url });
      }
      logs.sort((a, b) => (a.task === b.task ? a.epoch - b.epoch : a.task < b.task ? -1 : 1));
      return { logs };
    },
  });
}

/** Of an object whose place in a list does not say it. null: it is gone. */
async function digestOf({ objects, verified }: Control, key: string): Promise<string | null> {
  const info = await objects.head(key);
  return info === null ? null : await verified.digestOf(info);
}

function filesOfJobs(routes: Routes, control: Control): void {
  const { store, objects, previews, config } = control;
  routes.add('jobLog', {
    params: JobParams,
    query: LogQuery,
    answers: { 200: LogAnswer },
    async handle({ params, query }) {
      // The state before the lines: "ended" must not hide lines that come between the two reads.
      const { job } = await requireJob(control, params.id);
      const { lines, next } = await store.readLog(params.id, query.after, query.limit);
      return {
        lines: lines.map(({ taskId, epoch, at, stream, line }) => ({
          task: taskId,
          epoch,
          at: instant(at),
          stream,
          line,
        })),
        next: String(next),
        ended: job.endedAt !== null && lines.length < query.limit,
      };
    },
  });
  routes.add('jobPreview', {
    params: JobParams,
    query: PreviewQuery,
    answers: { 200: { description: 'The newest frame', type: 'image/jpeg' } },
    async handle({ params, query, reply }) {
      const { tasks } = await requireJob(control, params.id);
      for (const task of tasks) {
        if (query.task !== undefined && query.task !== task.id) continue;
        if (task.state !== 'running') continue;
        // Where several control planes take them, this one's own may be an old one.
        const shared = await store.shared?.loadPreview(task.id).catch(() => null);
        const jpeg = shared ?? previews.get(task.id);
        if (jpeg) return reply.type('image/jpeg').header('cache-control', 'no-store').send(Buffer.from(jpeg));
      }
      throw new FlatrenderError('OBJECT_NOT_FOUND', `job ${params.id} has no preview at the moment`, {
        hint: 'previews exist while a task renders',
      });
    },
  });
  routes.add('jobOutput', {
    params: JobParams,
    answers: { 200: OutputAnswer },
    async handle({ params, request }) {
      const { job, tasks } = await requireJob(control, params.id);
      const finished = tasks.filter(hasResult);
      if (finished.length === 0) throw noOutput(job.id, `is ${job.state} and has no output`);
      const sign = {
        ttlSeconds: config.objects.presignTtlSeconds,
        baseUrl: baseUrlFor(control, request, 'client'),
      };
      const outputs = [];
      for (const task of finished) {
        const { result } = task;
        if ((await objects.head(result.key)) === null) continue;
        const url = await objects.presignGet(result.key, sign);
        outputs.push({
          ...result,
          task: task.id,
          name: task.output.name,
          fileName: outputFileName(job, task),
          url,
        });
      }
      if (outputs.length === 0) throw noOutput(job.id, 'has outputs no longer: they were cleaned up');
      return { outputs };
    },
  });
}

/** The job, or JOB_NOT_FOUND. */
async function requireJob(control: Control, id: string): Promise<JobWithTasks> {
  const found = await control.store.getJob(id);
  if (found) return found;
  throw new FlatrenderError('JOB_NOT_FOUND', `there is no job "${id}"`, {
    hint: 'run "flatrender job list"',
  });
}

function hasResult(
  task: TaskRecord,
): task is TaskRecord & { readonly result: NonNullable<TaskRecord['result']> } {
  return task.state === 'succeeded' && task.result !== null;
}

function noOutput(id: string, why: string): FlatrenderError {
  return new FlatrenderError('OUTPUT_MISSING', `job ${id} ${why}`, {
    hint: `see "flatrender job show ${id}"; retention.keepOutputsDays says how long outputs are kept`,
  });
}
