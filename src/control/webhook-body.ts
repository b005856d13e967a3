/** What a webhook says. */
import type { DeliveryRecord } from '../store/deliveries.ts';
import type { Store } from '../store/store.ts';
import type { Leases } from './leases.ts';
import { jobView } from './views.ts';

/** The body, or why there is nothing to say any more. */
export type WebhookBody = { readonly text: string } | { readonly gone: string };

/** `{ type, timestamp, data }`, as the Standard Webhooks specification wants it (section "Payload structure"). */
export function webhookBody(type: string, at: number, data: unknown): string {
  return JSON.stringify({ type, timestamp: new Date(at).toISOString(), data });
}

/** The body of a delivery: the one that was sent before, else `job.ended` with the job as it ended. */
export async function bodyOf(
  { id, type, jobId, body }: DeliveryRecord,
  store: Pick<Store, 'getJob'>,
  leases: Leases,
): Promise<WebhookBody> {
  if (body !== null) return { text: body };
  const found = jobId === null ? null : await store.getJob(jobId);
  if (found === null) return { gone: `job ${jobId} was removed before it could be told` };
  const { endedAt } = found.job;
  // Its next end has a delivery of its own: nobody needs to hear of a state that is no longer true.
  if (endedAt === null || !id.endsWith(`.${endedAt}`)) {
    return { gone: `job ${jobId} was started again before its end could be told` };
  }
  return { text: webhookBody(type, endedAt, { job: jobView(found.job, found.tasks, leases) }) };
}
