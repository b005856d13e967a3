/** Webhooks as people read them. */
import type { DeliveryView } from '../protocol/webhooks.ts';
import { facts, formatRelative, table } from './output.ts';
import { paint } from './paint.ts';

const STATE_PAINT = { waiting: 'warning', delivered: 'good', failed: 'error' } as const;

export function deliveryTable(deliveries: readonly DeliveryView[], now: number): string {
  return table(deliveries, [
    { title: 'id', value: (each) => each.id },
    {
      title: 'state',
      value: (each) => each.state,
      paint: (cell, each) => paint(STATE_PAINT[each.state], cell),
    },
    { title: 'tries', align: 'right', value: (each) => each.attempts },
    { title: 'made', value: (each) => formatRelative(each.createdAt, now) },
    { title: 'next', value: (each) => formatRelative(each.nextAttemptAt, now) },
    { title: 'answer', value: (each) => each.lastError ?? (each.lastStatus && `HTTP ${each.lastStatus}`) },
    { title: 'url', value: (each) => each.url },
  ]);
}

export function deliveryFacts(delivery: DeliveryView, now: number): string {
  return facts([
    ['id', delivery.id],
    ['type', delivery.type],
    ['job', delivery.job],
    ['url', delivery.url],
    ['state', delivery.state],
    ['tries', delivery.attempts],
    ['made', formatRelative(delivery.createdAt, now)],
    ['last try', delivery.lastAttemptAt && formatRelative(delivery.lastAttemptAt, now)],
    ['next try', delivery.nextAttemptAt && formatRelative(delivery.nextAttemptAt, now)],
    ['answer', delivery.lastError ?? (delivery.lastStatus && `HTTP ${delivery.lastStatus}`)],
  ]);
}
