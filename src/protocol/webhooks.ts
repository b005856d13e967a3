/** Calls that the farm makes: what waits, what was delivered, what failed. */
import { z } from 'zod';
import { Instant } from './names.ts';

export const DeliveryStateName = z.enum(['waiting', 'delivered', 'failed']);
export type DeliveryStateName = z.infer<typeof DeliveryStateName>;

/** An address that may be called. */
const WebhookUrl = z
  .url({ protocol: /^https?$/, error: 'must be an address such as https://example.com/done' })
  .max(2048);

export const DeliveryView = z.object({
  id: z.string().describe('`webhook-id` of every try'),
  type: z.string().describe('such as job.ended'),
  job: z.string().nullable(),
  url: z.string(),
  state: DeliveryStateName,
  attempts: z.int(),
  createdAt: Instant,
  lastAttemptAt: Instant.nullable(),
  nextAttemptAt: Instant.nullable().describe('of a waiting one'),
  lastStatus: z.int().nullable().describe('HTTP status of the last answer'),
  lastError: z.string().nullable(),
  endedAt: Instant.nullable(),
});
export type DeliveryView = z.infer<typeof DeliveryView>;
export const DeliveryList = z.object({ deliveries: z.array(DeliveryView) });
export const DeliveryDetail = DeliveryView.extend({ body: z.string().nullable() });
export type DeliveryDetail = z.infer<typeof DeliveryDetail>;

export const WebhookTestRequest = z.object({ url: WebhookUrl }).strict();
export const WebhookTestAnswer = z.object({
  id: z.string(),
  url: z.string(),
  delivered: z.boolean(),
  status: z.int().nullable(),
  error: z.string().nullable(),
  ms: z.int().describe('how long the receiver took'),
});
export type WebhookTestAnswer = z.infer<typeof WebhookTestAnswer>;

export const WebhooksReplayed = z.object({ replayed: z.int() });
export type WebhooksReplayed = z.infer<typeof WebhooksReplayed>;

export const WebhookSecret = z.object({
  secret: z.string().describe('whsec_…, as the libraries of Standard Webhooks take it'),
  generation: z.int(),
  previousUntil: Instant.nullable().describe('until then calls carry a signature of the key before, too'),
});
export type WebhookSecret = z.infer<typeof WebhookSecret>;
export const WebhookRotateRequest = z
  .object({
    overlapSeconds: z
      .int()
      .min(0)
      .max(90 * 86_400)
      .default(7 * 86_400),
  })
  .strict();
