/** Delivers the webhooks that wait in the store: one control plane of the farm does it, and goes on after a restart. */
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { type DeliveryOutcome, type DeliveryRecord, deliveryHost } from '../store/deliveries.ts';
import type { Store } from '../store/store.ts';
import type { WebhookBody } from './webhook-body.ts';
import { signWebhook, webhookKeys } from './webhook-keys.ts';
import type { PostAnswer, PostWebhook } from './webhook-post.ts';
import { nextDelay, retryAfterMs } from './webhook-schedule.ts';

/** Calls under way at once, and to one receiver: four that answer nobody leave the others their turn. */
const PARALLEL = 32;
const PER_HOST = 4;
/** How long after a failure of the store it is asked again. */
const STORE_RETRY_MS = 5000;
/** At least this often it is looked what is due: with several control planes, a hint may get lost. */
const POLL_MS = 15_000;
/** Of `webhook-timestamp` and of what people see of an error. */
const SECOND_MS = 1000;
const ERROR_LENGTH = 500;

export interface WebhookDelivererOptions {
  readonly store: Store;
  readonly farmSecret: Uint8Array;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly post: PostWebhook;
  readonly bodyOf: (delivery: DeliveryRecord) => Promise<WebhookBody>;
  /** Counts tries. */
  readonly onTry: (outcome: 'delivered' | 'delayed' | 'failed') => void;
  /** 0 to 1. */
  readonly random: () => number;
}

/** What one try brought, for people. */
export interface WebhookTry {
  readonly outcome: DeliveryOutcome;
  readonly ms: number;
}

/** Calls the receivers of deliveries that are due. */
export class WebhookDeliverer {
  readonly #options: WebhookDelivererOptions;
  readonly #closing = new AbortController();
  readonly #active = new Set<Promise<void>>();
  readonly #hosts = new Map<string, number>();
  #cancelTimer = (): void => undefined;
  #taking: Promise<void> | null = null;
  #again = false;

  constructor(options: WebhookDelivererOptions) {
    this.#options = options;
  }

  /** Something may be due, or this control plane may be the one that delivers now. Returns at once. */
  poke(): void {
    if (this.#closing.signal.aborted) return;
    if (this.#taking !== null) {
      this.#again = true;
      return;
    }
    this.#taking = this.#take().finally(() => {
      this.#taking = null;
      if (!this.#again) return;
      this.#again = false;
      this.poke();
    });
  }

  /** Ends what is under way; what is not delivered stays in the store, and is due again soon. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancelTimer();
    await this.#taking;
    await Promise.allSettled(this.#active);
  }

  /** Tries one delivery now, once, and remembers what came of it; never throws for the receiver's sake. */
  async tryNow(delivery: DeliveryRecord, isLast: boolean, signal: AbortSignal): Promise<WebhookTry> {
    const { clock, store } = this.#options;
    const started = clock.now();
    const outcome = await this.#call(delivery, isLast, AbortSignal.any([signal, this.#closing.signal]));
    await store.settleDelivery(delivery.id, outcome);
    return { outcome, ms: clock.now() - started };
  }

  async #take(): Promise<void> {
    const { store, clock, logger } = this.#options;
    this.#cancelTimer();
    if (!(store.shared?.isLeader ?? true)) return;
    let nextMs: number | null = POLL_MS;
    try {
      while (this.#active.size < PARALLEL && !this.#closing.signal.aborted) {
        const now = clock.now();
        const full = [...this.#hosts].filter(([, count]) => count >= PER_HOST).map(([host]) => host);
        // A round brings one receiver a few more at most: it never gets all the places.
        const limit = Math.min(PER_HOST, PARALLEL - this.#active.size);
        const { deliveries, nextAt } = await store.takeDeliveries(now, this.#hiddenUntil(now), limit, full);
        for (const delivery of deliveries) this.#start(delivery);
        if (deliveries.length > 0) continue;
        if (nextAt !== null && nextAt > now) nextMs = Math.min(POLL_MS, nextAt - now);
        // Nobody else adds anything here, and what this one adds it is told of.
        else if (nextAt === null && store.shared === null) nextMs = null;
        break;
      }
    } catch (error) {
      logger.warn('webhook.store-failed', { error });
      nextMs = STORE_RETRY_MS;
    }
    if (this.#closing.signal.aborted) return;
    if (nextMs !== null) this.#cancelTimer = clock.after(nextMs, () => this.poke());
  }

  /** A call and the store's answer fit in; then somebody else may try, should this one be gone. */
  #hiddenUntil(now: number): number {
    return now + 2 * this.#options.timeoutMs + 30_000;
  }

  #start(delivery: DeliveryRecord): void {
    const { logger } = this.#options;
    const host = deliveryHost(delivery.url);
    this.#hosts.set(host, (this.#hosts.get(host) ?? 0) + 1);
    const work = this.#deliver(delivery)
      .catch((error: unknown) => {
        // It is due again when its time is up.
        logger.warn('webhook.not-settled', { deliveryId: delivery.id, error });
      })
      .finally(() => {
        this.#active.delete(work);
        const left = (this.#hosts.get(host) ?? 1) - 1;
        if (left > 0) this.#hosts.set(host, left);
        else this.#hosts.delete(host);
        this.poke();
      });
    this.#active.add(work);
  }

  async #deliver(delivery: DeliveryRecord): Promise<void> {
    const { clock, logger, store } = this.#options;
    const outcome = await this.#call(delivery, false, this.#closing.signal);
    if (this.#closing.signal.aborted && outcome.state !== 'delivered') {
      // Cut short by this end, not by the receiver: no try is spent; it is due again when its time is up.
      return;
    }
    await store.settleDelivery(delivery.id, outcome);
    this.#options.onTry(outcome.state === 'waiting' ? 'delayed' : outcome.state);
    const about = {
      deliveryId: delivery.id,
      jobId: delivery.jobId,
      host: deliveryHost(delivery.url),
      attempt: delivery.attempts + 1,
      status: outcome.status,
    };
    if (outcome.state === 'delivered') return logger.debug('webhook.delivered', about);
    const nextSeconds = outcome.dueAt === null ? null : Math.round((outcome.dueAt - clock.now()) / SECOND_MS);
    logger.warn(outcome.state === 'failed' ? 'webhook.failed' : 'webhook.delayed', {
      ...about,
      reason: outcome.error,
      ...(nextSeconds === null ? {} : { nextSeconds }),
    });
  }

  /** One call; what follows from it. */
  async #call(delivery: DeliveryRecord, isLast: boolean, signal: AbortSignal): Promise<DeliveryOutcome> {
    const { bodyOf, clock, farmSecret, post, store, timeoutMs } = this.#options;
    const { id, url } = delivery;
    const body = await bodyOf(delivery);
    const at = clock.now();
    if ('gone' in body) return { ...over('failed', at, null, body.gone), body: null };
    const timestamp = Math.floor(at / SECOND_MS);
    const signature = signWebhook(farmSecret, await webhookKeys(store, at), {
      id,
      timestamp,
      body: body.text,
    });
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'flatrender',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signature,
    };
    let answer: PostAnswer;
    try {
      answer = await post({ url, body: body.text, headers, timeoutMs, signal });
    } catch (error) {
      // The address is refused, not the receiver away: nothing that time would change.
      if (error instanceof FlatrenderError) {
        const what = error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
        return this.#failed(delivery, null, what, true, null, body.text);
      }
      const reason = error instanceof Error ? error.message || error.name : String(error);
      return this.#failed(delivery, null, reason, isLast, null, body.text);
    }
    const { status } = answer;
    if (status >= 200 && status < 300) {
      return { ...over('delivered', clock.now(), status, null), body: body.text };
    }
    const wait = retryAfterMs(answer.retryAfter, clock.now());
    return this.#failed(delivery, status, reasonOf(status), isLast || status === 410, wait, body.text);
  }

  #failed(
    delivery: DeliveryRecord,
    status: number | null,
    reason: string,
    isFinal: boolean,
    waitMs: number | null,
    body: string,
  ): DeliveryOutcome {
    const { clock, random } = this.#options;
    const at = clock.now();
    const error = reason.slice(0, ERROR_LENGTH);
    const delay = isFinal ? null : nextDelay(delivery.attempts + 1, waitMs, random());
    if (delay === null) return { ...over('failed', at, status, error), body };
    return { state: 'waiting', at, status, error, dueAt: at + delay, body };
  }
}

function over(
  state: 'delivered' | 'failed',
  at: number,
  status: number | null,
  error: string | null,
): Omit<DeliveryOutcome, 'body'> {
  return { state, at, status, error, dueAt: null };
}

/** What an answer other than 2xx means (Standard Webhooks specification, "Delivery success and failure"). */
function reasonOf(status: number): string {
  if (status === 410) return 'HTTP 410: the receiver wants no more of these';
  if (status >= 300 && status < 400)
    return `HTTP ${status}: redirects are not followed, give the new address`;
  return `HTTP ${status}`;
}
