/** Health, metrics, the description of the API, events and previews. */
import { z } from 'zod';
import { FlatrenderError } from '../../lib/errors.ts';
import { HealthAnswer } from '../../protocol/tokens.ts';
import { backupStream } from '../../store/dump-file.ts';
import type { Control } from '../context.ts';
import { backupHeader } from '../copy-farm.ts';
import { requireLease } from '../lease-check.ts';
import { PREVIEW_BYTES, requireJpeg } from '../previews.ts';
import type { Routes } from '../route.ts';
import { instant } from '../views.ts';

const one = <T extends z.ZodType>(schema: T) =>
  z.preprocess(
    (value) => (value === undefined || Array.isArray(value) ? value : [value]),
    z.array(schema).max(100).optional(),
  );

const EventQuery = z.object({
  job: one(z.string().min(1).max(64)),
  nodes: z.enum(['0', '1', 'true', 'false']).optional(),
});

/** Registers what belongs to no resource. */
export function farmRoutes(routes: Routes, control: Control): void {
  const { metrics, events, previews } = control;
  routes.add('health', {
    answers: {
      200: HealthAnswer,
      503: { description: 'Nothing can be stored at the moment, or until a restart; the error says why' },
    },
    handle: () => health(control),
  });
  routes.add('metrics', {
    answers: { 200: { description: 'Prometheus text format', type: 'text/plain' } },
    async handle({ reply }) {
      const { contentType, text } = await metrics.scrape();
      return reply.header('content-type', contentType).send(text);
    },
  });
  routes.add('backup', {
    answers: { 200: { description: 'A backup: gzipped lines of JSON', type: 'application/gzip' } },
    handle({ reply }) {
      if (control.dump === null) throw new FlatrenderError('UNAVAILABLE', 'this database cannot be copied');
      const gone = new AbortController();
      const rows = control.dump.dump(gone.signal);
      const bytes = backupStream(backupHeader(control.config.farm.name, control.clock), rows);
      reply.raw.once('close', () => {
        gone.abort();
        bytes.destroy();
      });
      return reply.type('application/gzip').send(bytes);
    },
  });
  routes.add('openapi', {
    answers: { 200: { description: 'OpenAPI 3.1', type: 'application/json' } },
    handle: ({ request, reply }) =>
      reply.type('application/json; charset=utf-8').send(JSON.stringify(request.server.swagger())),
  });
  routes.add('events', {
    query: EventQuery,
    answers: { 200: { description: 'Events, until the client leaves', type: 'text/event-stream' } },
    handle({ query, request, reply }) {
      const jobs = query.job ? new Set(query.job) : null;
      const nodes = query.nodes === '1' || query.nodes === 'true';
      // Without a filter: everything. Only nodes asked for: no jobs.
      const filter =
        jobs === null && !nodes
          ? { jobs: null, nodes: query.nodes === undefined }
          : { jobs: jobs ?? new Set<string>(), nodes };
      const last = request.headers['last-event-id'];
      events.follow(reply.raw, filter, typeof last === 'string' ? last : undefined, () => reply.hijack());
    },
  });
  routes.add('preview', {
    params: z.object({ id: z.string().max(64) }),
    query: z.object({ epoch: z.coerce.number().int().positive() }),
    bodyLimit: PREVIEW_BYTES,
    answers: { 204: { description: 'Taken' } },
    async handle({ params, query, node, request, reply }) {
      const fence = { taskId: params.id, epoch: query.epoch, nodeId: node.entry.id };
      const isRunning = await requireLease(control, fence);
      if (!Buffer.isBuffer(request.body)) {
        throw new FlatrenderError('UNSUPPORTED_MEDIA_TYPE', 'a preview is a JPEG', {
          hint: 'send "Content-Type: image/jpeg"',
        });
      }
      requireJpeg(request.body);
      // A node that was cut off may send a picture before the heartbeat that takes its lease up again.
      if (isRunning) {
        previews.put(params.id, request.body);
        await shareThePreview(control, params.id, request.body);
      }
      return reply.code(204).send();
    },
  });
}

/** From memory, however the database is. */
function health(control: Control): HealthAnswer {
  const { store, registry, clock, config, version, startedAt, replicas, objectsWatch } = control;
  const failure = store.failure();
  if (failure) {
    const { code, message, hint } = failure;
    throw new FlatrenderError(code, message, { hint, cause: failure, details: { part: 'database' } });
  }
  const { tasks } = store.stats();
  const { problem, lack } = objectsWatch;
  return {
    status: problem === null && lack === null ? 'ok' : 'degraded',
    farm: config.farm.name,
    version,
    serverTime: instant(clock.now()),
    startedAt: instant(startedAt),
    nodes: { online: registry.onlineCount, known: registry.size },
    tasks: { queued: tasks.queued, running: tasks.running },
    objects: { ok: problem === null, message: problem ?? lack },
    replica: replicas.id === null ? null : { id: replicas.id, isLeader: replicas.isLeader },
    replicas: replicas.all.map(({ id, hostname, version: of, startedAt: since, seenAt, isLeader }) => ({
      ...{ id, hostname, version: of, isLeader },
      ...{ startedAt: instant(since), seenAt: instant(seenAt) },
    })),
  };
}

/** People may look through another control plane. Pictures are made anew all the time: one that is lost is no loss. */
async function shareThePreview({ store, replicas, clock, logger }: Control, taskId: string, jpeg: Buffer) {
  if (!store.shared || !replicas.hasOthers) return;
  await store.shared.savePreview(taskId, jpeg, clock.now()).catch((error: unknown) => {
    logger.debug('preview.not-shared', { taskId, error });
  });
}
