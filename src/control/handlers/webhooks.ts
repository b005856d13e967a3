/** Webhooks as operators see them. */
import { z } from 'zod';
import { FlatrenderError } from '../../lib/errors.ts';
import { newId } from '../../lib/ids.ts';
import {
  DeliveryDetail,
  DeliveryList,
  DeliveryStateName,
  DeliveryView,
  WebhookRotateRequest,
  WebhookSecret,
  WebhooksReplayed,
  WebhookTestAnswer,
  WebhookTestRequest,
} from '../../protocol/webhooks.ts';
import type { DeliveryRecord, DeliveryStore } from '../../store/deliveries.ts';
import type { Control } from '../context.ts';
import type { Routes } from '../route.ts';
import { instant } from '../views.ts';
import { webhookBody } from '../webhook-body.ts';
import { rotateWebhookKey, type WebhookKeyState, webhookKeys, webhookSecret } from '../webhook-keys.ts';

const Params = z.object({ id: z.string().min(1).max(200) });

const ListQuery = z.object({
  state: DeliveryStateName.optional(),
  job: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(50),
});

/** As many failed ones are taken up again by one request. */
const REPLAYED_AT_ONCE = 1000;
const TEST_TYPE = 'webhook.test';
/** The test is tried here and now: nobody else may take it up meanwhile. */
const TEST_HIDDEN_MS = 10 * 60_000;

/** Registers the routes of webhooks. */
export function webhookRoutes(routes: Routes, control: Control): void {
  const { store, webhooks, clock, logger } = control;
  routes.add('webhooks', {
    query: ListQuery,
    answers: { 200: DeliveryList },
    async handle({ query }) {
      const { state, job, limit } = query;
      const found = await store.listDeliveries({ state, jobId: job, limit });
      return { deliveries: found.map(deliveryView) };
    },
  });
  routes.add('webhook', {
    params: Params,
    answers: { 200: DeliveryDetail },
    async handle({ params }) {
      const found = await store.getDelivery(params.id);
      if (found === null) {
        throw new FlatrenderError('DELIVERY_NOT_FOUND', `there is no webhook delivery ${params.id}`, {
          hint: 'run "flatrender webhook list"',
        });
      }
      return { ...deliveryView(found), body: found.body };
    },
  });
  routes.add('replayWebhook', {
    params: Params,
    answers: { 200: DeliveryView },
    async handle({ params, token }) {
      const replayed = await store.replayDelivery(params.id, clock.now());
      logger.info('webhook.replayed', { deliveryId: params.id, by: token.name });
      webhooks.poke();
      return deliveryView(replayed);
    },
  });
  routes.add('replayFailedWebhooks', {
    answers: { 200: WebhooksReplayed },
    async handle({ token }) {
      const failed = await failedOnes(store);
      for (const { id } of failed) await store.replayDelivery(id, clock.now());
      logger.info('webhook.replayed', { count: failed.length, by: token.name });
      webhooks.poke();
      return { replayed: failed.length };
    },
  });
  testRoute(routes, control);
  secretRoutes(routes, control);
}

/** What was given up, newest first. Not the tests: what they were to tell is known, and their time is over. */
async function failedOnes(store: DeliveryStore): Promise<readonly DeliveryRecord[]> {
  for (let limit = REPLAYED_AT_ONCE; ; limit *= 2) {
    const found = await store.listDeliveries({ state: 'failed', limit });
    const failed = found.filter(({ type }) => type !== TEST_TYPE);
    // Tests must not hide the others from the next request, which goes on while there are as many as fit in one.
    if (failed.length >= REPLAYED_AT_ONCE || found.length < limit) return failed.slice(0, REPLAYED_AT_ONCE);
  }
}

function testRoute(routes: Routes, { store, webhooks, clock, config }: Control): void {
  routes.add('testWebhook', {
    body: WebhookTestRequest,
    answers: { 200: WebhookTestAnswer },
    async handle({ body, request }) {
      const now = clock.now();
      const data = { message: 'This is a test.', farm: config.farm.name };
      const delivery = await store.addDelivery({
        id: newId('w', now),
        type: TEST_TYPE,
        jobId: null,
        url: body.url,
        body: webhookBody(TEST_TYPE, now, data),
        createdAt: now,
        dueAt: now + TEST_HIDDEN_MS,
      });
      const left = new AbortController();
      request.raw.once('close', () => left.abort());
      const { outcome, ms } = await webhooks.tryNow(delivery, true, left.signal);
      const { state, status, error } = outcome;
      const delivered = state === 'delivered';
      request.audited = { subject: delivery.id, details: { delivered, status, error } };
      return { id: delivery.id, url: body.url, delivered, status, error, ms };
    },
  });
}

function secretRoutes(routes: Routes, { store, clock, logger, farmSecret }: Control): void {
  const view = ({ generation, previousUntil }: WebhookKeyState): z.infer<typeof WebhookSecret> => ({
    secret: webhookSecret(farmSecret, generation),
    generation,
    previousUntil: previousUntil === null ? null : instant(previousUntil),
  });
  routes.add('webhookSecret', {
    answers: { 200: WebhookSecret },
    handle: async () => view(await webhookKeys(store, clock.now())),
  });
  routes.add('rotateWebhookSecret', {
    body: WebhookRotateRequest,
    answers: { 200: WebhookSecret },
    async handle({ body, token }) {
      const state = await rotateWebhookKey(store, body.overlapSeconds * 1000, clock.now());
      logger.warn('webhook.key-rotated', { generation: state.generation, by: token.name });
      return view(state);
    },
  });
}

function deliveryView(delivery: DeliveryRecord): z.infer<typeof DeliveryView> {
  const { id, type, url, state, attempts, lastStatus, lastError } = delivery;
  const orNull = (at: number | null): string | null => (at === null ? null : instant(at));
  return {
    id,
    type,
    job: delivery.jobId,
    url,
    state,
    attempts,
    createdAt: instant(delivery.createdAt),
    lastAttemptAt: orNull(delivery.lastAttemptAt),
    nextAttemptAt: state === 'waiting' ? instant(delivery.dueAt) : null,
    lastStatus,
    lastError,
    endedAt: orNull(delivery.endedAt),
  };
}
