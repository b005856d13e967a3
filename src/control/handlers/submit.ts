/** `POST /v1/jobs`: everything that can be refused is refused here, before any node hears of it. */
import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { checkInputs } from '../../bundle/inputs.ts';
import type { Manifest } from '../../bundle/manifest.ts';
import { defaultOutputs, resolveOutput } from '../../bundle/resolve-output.ts';
import type { Requirement } from '../../jobs/requirements.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { newId } from '../../lib/ids.ts';
import { objectKeys } from '../../objects/object-store.ts';
import { type AssetRef, JobRequest, type JobView, SubmitAnswer, SubmitRequest } from '../../protocol/jobs.ts';
import { EngineName } from '../../protocol/names.ts';
import type { NewJob, NewTask } from '../../store/store.ts';
import { isAging, keepingFiles } from '../aging-files.ts';
import type { Control } from '../context.ts';
import { jobChanged } from '../effects.ts';
import { invalidRequest, type Routes } from '../route.ts';
import { jobView } from '../views.ts';
import { needsOf, whoOnlyMocks, whyNoneOnline } from '../waiting.ts';
import { assetsOf } from './agent.ts';

/** Registers the submission of jobs. */
export function submitRoutes(routes: Routes, control: Control): void {
  routes.add('submit', {
    body: SubmitRequest,
    parseBody: parseSubmit,
    answers: { 201: SubmitAnswer, 200: SubmitAnswer },
    async handle({ body, request, reply, token }) {
      const { repeated, answer } = await submitJobs(
        control,
        body,
        token.id,
        idempotencyOf(request, token.id),
      );
      reply.code(repeated ? 200 : 201);
      return answer;
    },
  });
}

// The union of the two forms would only say "invalid input"; which form is meant is plain from the key.
function parseSubmit(body: unknown): SubmitRequest {
  const isBatch = typeof body === 'object' && body !== null && 'jobs' in body;
  const result = (isBatch ? SubmitRequest.options[1] : JobRequest).safeParse(body);
  if (result.success) return result.data;
  throw invalidRequest(result.error.issues, 'body');
}

function idempotencyOf(
  request: FastifyRequest,
  tokenId: string,
): { key: string; bodySha256: string } | undefined {
  const header = request.headers['idempotency-key'];
  if (header === undefined) return undefined;
  if (typeof header !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(header)) {
    throw new FlatrenderError(
      'REQUEST_INVALID',
      'the Idempotency-Key header wants 1 to 200 visible characters',
    );
  }
  const bodySha256 = createHash('sha256')
    .update(request.rawBody ?? '')
    .digest('hex');
  // Keys of different tokens have nothing to do with each other.
  return { key: `${tokenId}:${header}`, bodySha256 };
}

/** What would refuse a job, without submitting it. */
export async function checkJob(control: Control, request: JobRequest): Promise<void> {
  const [ready = request] = await withFiles(control, [request]);
  await newJob(control, ready, { now: control.clock.now(), batchId: null, tokenId: '', aging: [] });
}

/** Stores jobs and tells whom it concerns. `tokenId`: who submits them, for people. */
export async function submitJobs(
  control: Control,
  body: SubmitRequest,
  tokenId: string,
  idempotency: { key: string; bodySha256: string } | undefined,
): Promise<{ repeated: boolean; answer: SubmitAnswer }> {
  const now = control.clock.now();
  const isBatch = 'jobs' in body;
  const requests = await withFiles(control, isBatch ? body.jobs : [body]);
  const batchId = isBatch ? newId('b', now) : null;
  const jobs: NewJob[] = [];
  const aging: AssetRef[] = [];
  for (const [index, request] of requests.entries()) {
    try {
      const job = await newJob(control, request, { now, batchId, tokenId, aging });
      if (request.ifNoNode === 'refuse') refuseUnrenderable(control, job);
      jobs.push(job);
    } catch (error) {
      throw isBatch ? inBatch(error, index) : error;
    }
  }
  const store = () => control.store.submit(jobs, idempotency);
  const stored =
    aging.length === 0
      ? await store()
      : await keepingFiles(control, async () => {
          // What was there may be gone since: another control plane cleans up.
          await requireAssets(control, aging);
          return store();
        });
  const [first] = stored.jobs;
  const views: JobView[] = stored.jobs.map((job) => jobView(job, [], control.leases));
  if (stored.repeated) {
    // The first call may have ended between the commit and telling anybody.
    announce(
      control,
      jobs.map((job, i) => ({
        ...job,
        id: stored.jobs[i]?.id ?? job.id,
        runAt: stored.jobs[i]?.runAt ?? null,
      })),
    );
    return { repeated: true, answer: { jobs: views, batch: first?.batchId ?? null } };
  }
  control.metrics.submitted(jobs.length);
  announce(control, jobs);
  const warning = warningFor(control, jobs);
  return {
    repeated: false,
    answer: { jobs: views, batch: batchId, ...(warning === null ? {} : { warning }) },
  };
}

/** Tells whoever waits for work, and whoever follows events. */
function announce(control: Control, jobs: readonly NewJob[]): void {
  const now = control.clock.now();
  for (const job of jobs) {
    if (job.runAt !== null && job.runAt > now) control.dispatcher.dueAt(job.runAt);
    else for (const task of job.tasks) control.dispatcher.wake(task.requirement);
    jobChanged(control, job.id);
  }
}

const FETCHING_JOBS = 8;

/** The requests with the files of URLs in their inputs fetched; a batch fetches for some jobs at a time. */
async function withFiles(control: Control, requests: readonly JobRequest[]): Promise<readonly JobRequest[]> {
  if (!requests.some(({ inputs }) => mayHaveUrls(inputs))) return requests;
  const ready = [...requests];
  const waiting = requests.entries().filter(([, { inputs }]) => mayHaveUrls(inputs));
  let isOver = false;
  const work = async (): Promise<void> => {
    for (const [index, request] of waiting) {
      if (isOver) return;
      try {
        const { manifest } = await control.templates.require(request.template, request.version);
        ready[index] = { ...request, inputs: await control.inputUrls.replace(manifest, request.inputs) };
      } catch (error) {
        isOver = true;
        throw requests.length > 1 ? inBatch(error, index) : error;
      }
    }
  };
  await Promise.all(Array.from({ length: FETCHING_JOBS }, work));
  return ready;
}

function mayHaveUrls(inputs: JobRequest['inputs']): boolean {
  return Object.values(inputs).some((value) => typeof value === 'string' && /^https?:\/\//i.test(value));
}

async function newJob(
  control: Control,
  request: JobRequest,
  about: {
    readonly now: number;
    readonly batchId: string | null;
    readonly tokenId: string;
    /** Gets the files that may be cleaned up before long. */
    readonly aging: AssetRef[];
  },
): Promise<NewJob> {
  const { record, manifest } = await control.templates.require(request.template, request.version);
  const inputs = checkInputs(manifest, request.inputs);
  about.aging.push(...(await requireAssets(control, assetsOf(inputs))));
  if (request.node !== undefined) control.registry.require(request.node);
  if (request.webhook !== undefined) control.checkWebhook(request.webhook);
  const outputs = request.outputs?.map((name) => resolveOutput(manifest, name)) ?? defaultOutputs(manifest);
  const requirement: Requirement = {
    role: 'render',
    engines: enginesOf(manifest),
    ...machineOf(manifest),
    template: record.name,
    tags: [...new Set([...request.tags, ...(manifest.requires?.tags ?? [])])].sort(),
    node: request.node ?? null,
    fallback: request.node === undefined || request.fallback,
    avoid: null,
  };
  const runAt = request.runAt === undefined ? null : Date.parse(request.runAt);
  return {
    id: newId('j', about.now),
    batchId: about.batchId,
    name: request.name ?? null,
    template: record.name,
    version: record.version,
    bundleSha256: record.sha256,
    bundleBytes: record.sizeBytes,
    priority: request.priority,
    inputs,
    runAt: runAt !== null && runAt > about.now ? runAt : null,
    node: request.node ?? null,
    webhook: request.webhook ?? null,
    createdAt: about.now,
    createdBy: about.tokenId,
    tasks: outputs.map((output): NewTask => ({ output, requirement })),
  };
}

// Best first: After Effects renders its own project truest, then the Lottie export, then the filter graph.
const ENGINE_ORDER = EngineName.options;

function enginesOf(manifest: Manifest): EngineName[] {
  const has = manifest.engines as Readonly<Record<string, unknown>>;
  return ENGINE_ORDER.filter((name) => has[name] !== undefined);
}

/** What the template asks of a machine; nothing is said where nothing is asked, so that classes stay few. */
function machineOf({ requires }: Manifest): Pick<Requirement, 'minVersions' | 'memoryMb' | 'vramMb'> {
  if (requires === undefined) return {};
  const { engines, memoryMb, vramMb } = requires;
  return { minVersions: engines, memoryMb, vramMb };
}

/** Refuses when one is not there; returns those that may be cleaned up before long. */
async function requireAssets(control: Control, files: readonly AssetRef[]): Promise<readonly AssetRef[]> {
  const aging: AssetRef[] = [];
  for (const file of files) {
    const { asset, name, sizeBytes } = file;
    // Noted first: from here on the clean-up leaves the file alone.
    control.recentObjects.note(asset);
    const info = await control.objects.head(objectKeys.asset(asset));
    if (info?.sizeBytes === sizeBytes) {
      if (isAging(control, info)) aging.push(file);
      continue;
    }
    const problem = info === null ? 'was not uploaded' : `has ${info.sizeBytes} bytes, not ${sizeBytes}`;
    throw new FlatrenderError('OBJECT_NOT_FOUND', `the input file "${name}" (sha256 ${asset}) ${problem}`, {
      hint: 'ask POST /v1/uploads where to put it, upload it, then submit again',
      details: { asset },
    });
  }
  return aging;
}

/** Refuses a job that no online node can render, saying what is missing where. A later start is no hurry. */
function refuseUnrenderable({ registry }: Control, { template, version, tasks, runAt }: NewJob): void {
  if (runAt !== null) return;
  for (const { requirement } of tasks) {
    const why = whyNoneOnline(registry, requirement);
    if (why === null) continue;
    throw new FlatrenderError(
      'NO_CAPABLE_NODE',
      `no online node can render ${template}@${version}: ${why.message}`,
      {
        hint: `${registry.size === 0 ? 'add one: "flatrender node add NAME"' : 'see "flatrender node list"'}; --anyway queues it all the same, until a node can`,
        details: { needs: needsOf(requirement), nodes: why.nodes.slice(0, 100) },
      },
    );
  }
}

/** What is worth saying although the job is taken: nobody can render it yet, or only mock mode. */
function warningFor(control: Control, jobs: readonly NewJob[]): string | null {
  if (control.registry.size === 0) return null;
  for (const job of jobs) {
    const requirement = job.tasks[0]?.requirement;
    if (!requirement) continue;
    const mocks = whoOnlyMocks(control.registry, requirement);
    if (mocks.length > 0) {
      return `${job.template} gets test pictures, no render: only nodes in mock mode are there for it (${mocks.join(', ')})`;
    }
    if (control.registry.isAnyCapable(requirement)) continue;
    return `no node can render ${job.template} (it needs ${needsOf(requirement)}): the job waits for one`;
  }
  return null;
}

function inBatch(error: unknown, index: number): unknown {
  if (!(error instanceof FlatrenderError)) return error;
  const { code, message, hint, details } = error;
  return new FlatrenderError(code, `jobs.${index}: ${message}`, {
    hint,
    cause: error,
    details: { ...details, index },
  });
}
