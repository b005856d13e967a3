/** What nodes ask for: register, work, heartbeats, places for their files. */
import { chooseEngine } from '../../jobs/requirements.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { jobIdOf } from '../../lib/ids.ts';
import { objectKeys } from '../../objects/object-store.ts';
import {
  AgentSettings,
  ClaimAnswer,
  ClaimRequest,
  HeartbeatAnswer,
  HeartbeatRequest,
  HelloAnswer,
  RegisterRequest,
  UploadAnswer,
  UploadRequest,
} from '../../protocol/agent.ts';
import type { AssetRef } from '../../protocol/jobs.ts';
import type { Fence, JobWithTask } from '../../store/store.ts';
import { baseUrlFor } from '../base-url.ts';
import type { Control } from '../context.ts';
import { afterReport, jobChanged, jobProgressed, nodeChanged } from '../effects.ts';
import { requireLease } from '../lease-check.ts';
import type { NodeEntry } from '../registry.ts';
import type { Routes } from '../route.ts';
import { uploadPlace } from '../upload-place.ts';
import { instant, nodeView } from '../views.ts';
import { TaskParams } from './reports.ts';

/** The signed address in the answer to "hello" is tried at once. */
const PROBE_SECONDS = 300;

/** Registers the routes of nodes, except previews and logs. */
export function agentRoutes(routes: Routes, control: Control): void {
  routes.add('register', {
    body: RegisterRequest,
    answers: { 200: AgentSettings },
    handle: ({ body, node }) => register(control, node.entry, body),
  });
  routes.add('hello', {
    answers: { 200: HelloAnswer },
    async handle({ node, request }) {
      const { entry } = node;
      const sign = { ttlSeconds: PROBE_SECONDS, baseUrl: baseUrlFor(control, request, 'node') };
      return {
        node: entry.id,
        status: nodeView(entry, control.leases, control.clock.now()).status,
        serverTime: instant(control.clock.now()),
        version: control.version,
        probeUrl: await control.objects.presignGet(objectKeys.asset('0'.repeat(64)), sign),
      };
    },
  });
  routes.add('claim', {
    body: ClaimRequest,
    answers: { 200: ClaimAnswer, 204: { description: 'Nothing came within waitMs' } },
    async handle({ body, node, request, reply }) {
      const work = await control.dispatcher.claim(node.entry, {
        claimId: body.claimId,
        waitMs: Math.min(body.waitMs, control.config.agents.claimWaitSeconds * 1000),
        onGone: (callback) => reply.raw.once('close', callback),
      });
      control.metrics.claim(work !== null);
      if (work === null) return reply.code(204).send();
      return claimAnswer(control, node.entry, work, baseUrlFor(control, request, 'node'));
    },
  });
  routes.add('heartbeat', {
    body: HeartbeatRequest,
    answers: { 200: HeartbeatAnswer },
    handle: ({ body, node }) => heartbeat(control, node.entry, body),
  });
  routes.add('taskUploads', {
    body: UploadRequest,
    params: TaskParams,
    answers: { 200: UploadAnswer },
    async handle({ body, node, params, request }) {
      const { epoch, sizeBytes, sha256 } = body;
      await requireLease(control, { taskId: params.id, epoch, nodeId: node.entry.id });
      if (sizeBytes > control.config.limits.uploadBytes) {
        const limit = control.config.limits.uploadBytes;
        throw new FlatrenderError(
          'REQUEST_TOO_LARGE',
          `the output has ${sizeBytes} bytes; at most ${limit} are allowed`,
          {
            hint: 'raise limits.uploadBytes in flatrender.yaml',
          },
        );
      }
      control.attemptFiles.admit({ taskId: params.id, epoch }, body.fileName);
      const key = objectKeys.output(params.id, epoch, body.fileName);
      const baseUrl = baseUrlFor(control, request, 'node');
      return await uploadPlace(control, { key, sizeBytes, sha256, baseUrl, canParts: body.parts === true });
    },
  });
}

async function register(control: Control, { id }: NodeEntry, body: RegisterRequest): Promise<AgentSettings> {
  const { store, registry, clock, config, dispatcher, logger } = control;
  const record = await store.registerNode(id, body, clock.now());
  const entry = registry.put(record);
  registry.touch(entry, body.capabilities.system);
  dispatcher.nodeChanged(entry);
  const engines = entry.facts?.engines ?? {};
  logger.info('node.registered', {
    nodeId: id,
    hostname: body.hostname,
    agentVersion: body.agentVersion,
    engines,
  });
  return {
    serverTime: instant(clock.now()),
    heartbeatMs: registry.heartbeatMs,
    progressMs: registry.progressMs,
    leaseMs: config.leases.leaseSeconds * 1000,
    claimWaitMs: Math.max(1, config.agents.claimWaitSeconds * 1000),
    previewMs: config.agents.previewSeconds * 1000,
    keepRenderingMs: Math.max(1, config.agents.keepRenderingSeconds * 1000),
  };
}

async function heartbeat(
  control: Control,
  entry: NodeEntry,
  body: HeartbeatRequest,
): Promise<HeartbeatAnswer> {
  const { registry, leases, clock, metrics, replicas } = control;
  replicas.requireWritten();
  registry.touch(entry, body.system);
  const outcome = await leases.beat(entry.id, body.leases);
  metrics.lease('reattached', outcome.reattached.length);
  metrics.lease('refused', outcome.lost.length);
  for (const lease of outcome.moved) jobProgressed(control, jobIdOf(lease.taskId));
  for (const task of outcome.reattached) jobChanged(control, task.jobId);
  if (body.system !== null || outcome.moved.length > 0) nodeChanged(control, entry.id);
  return {
    serverTime: instant(clock.now()),
    nextMs: registry.heartbeatMs,
    progressMs: registry.progressMs,
    cancel: [...outcome.cancel],
    lost: [...outcome.lost],
    drain: entry.record.intent !== 'enabled' || entry.record.quarantine !== null,
  };
}

/** The task with everything the node needs; the lease is noted. */
async function claimAnswer(
  control: Control,
  entry: NodeEntry,
  { job, task }: JobWithTask,
  baseUrl: string,
): Promise<ClaimAnswer> {
  const { clock, leases, metrics, objects, config } = control;
  const now = clock.now();
  const leaseUntil = task.leaseUntil ?? now + leases.leaseMs;
  leases.hold(task, entry.id, leaseUntil);
  jobChanged(control, job.id);
  nodeChanged(control, entry.id);
  const engine = entry.facts && chooseEngine(task.requirement, entry.facts);
  if (!engine) {
    // It registered with fewer engines while this was under way.
    const fence: Fence = { taskId: task.id, epoch: task.epoch, nodeId: entry.id };
    afterReport(control, await control.store.release(fence, 'the node lost the engine', now), 'interrupted');
    throw new FlatrenderError('UNAVAILABLE', `node "${entry.id}" has no engine for ${task.id} any more`);
  }
  if (task.epoch === 1)
    metrics.waited({ template: job.template, engine }, now - Math.max(job.createdAt, job.runAt ?? 0));
  const sign = { ttlSeconds: config.objects.presignTtlSeconds, baseUrl };
  return {
    task: {
      id: task.id,
      jobId: job.id,
      epoch: task.epoch,
      engine,
      template: job.template,
      version: job.version,
      inputs: job.inputs,
      output: task.output,
    },
    leaseUntil: instant(leaseUntil),
    bundle: {
      url: await objects.presignGet(objectKeys.bundle(job.bundleSha256), sign),
      sha256: job.bundleSha256,
      sizeBytes: job.bundleBytes,
    },
    assets: await Promise.all(
      assetsOf(job.inputs).map(async ({ asset, sizeBytes }) => ({
        url: await objects.presignGet(objectKeys.asset(asset), sign),
        sha256: asset,
        sizeBytes,
      })),
    ),
  };
}

/** The files among a job's inputs, each once. */
export function assetsOf(inputs: JobWithTask['job']['inputs']): AssetRef[] {
  const files = new Map<string, AssetRef>();
  for (const value of Object.values(inputs)) if (typeof value === 'object') files.set(value.asset, value);
  return [...files.values()];
}
