/**
 * A POST to a job's `webhook` when the job is over: `{ "type": "job.ended", "timestamp": …, "job": … }`, signed as
 * Standard Webhooks say (headers webhook-id, webhook-timestamp, webhook-signature `v1,<base64>`; HMAC-SHA256 over
 * `id.timestamp.body`). Best effort: three more tries, none after a restart.
 */
import { createHmac, hkdfSync } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { request as http, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { request as https } from 'node:https';
import { BlockList, isIP } from 'node:net';
import { untilAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { sleep } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { JobView } from '../protocol/jobs.ts';

const RETRY_AFTER_MS = [1000, 5000, 30_000];
/** Deliveries under way at once; what is beyond waits in line, so that a slow receiver costs no memory per job. */
const PARALLEL = 8;
const QUEUE = 10_000;

interface WebhooksOptions {
  readonly farmSecret: Uint8Array;
  readonly allowPrivate: boolean;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The key webhooks of this farm are signed with, as receivers enter it: `whsec_` and base64. */
export function webhookSecret(farmSecret: Uint8Array): string {
  return `whsec_${keyOf(farmSecret).toString('base64')}`;
}

/** Calls the webhooks of jobs that ended. */
export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #key: Buffer;
  readonly #closing = new AbortController();
  readonly #queue: { url: string; job: JobView }[] = [];
  readonly #active = new Set<Promise<void>>();

  constructor(options: WebhooksOptions) {
    this.#options = options;
    this.#key = keyOf(options.farmSecret);
  }

  /** Returns at once; failures are only logged. */
  send(url: string, job: JobView): void {
    if (this.#closing.signal.aborted) return;
    if (this.#queue.length >= QUEUE) {
      this.#options.logger.error('webhook.dropped', { jobId: job.id, waiting: QUEUE });
      return;
    }
    this.#queue.push({ url, job });
    this.#next();
  }

  /** Gives up what is not delivered yet. */
  async close(): Promise<void> {
    const undelivered = this.#queue.length + this.#active.size;
    if (undelivered > 0) this.#options.logger.warn('webhook.abandoned', { count: undelivered });
    this.#queue.length = 0;
    this.#closing.abort();
    await Promise.allSettled(this.#active);
  }

  #next(): void {
    while (this.#active.size < PARALLEL) {
      const item = this.#queue.shift();
      if (!item) return;
      const delivery = this.#deliver(item.url, item.job).finally(() => {
        this.#active.delete(delivery);
        this.#next();
      });
      this.#active.add(delivery);
    }
  }

  async #deliver(url: string, job: JobView): Promise<void> {
    const { clock, logger } = this.#options;
    const at = clock.now();
    const body = JSON.stringify({ type: 'job.ended', timestamp: new Date(at).toISOString(), job });
    // Every try has the same id: the receiver recognises what it has seen.
    const id = `job.ended.${job.id}.${at}`;
    for (let attempt = 0; ; attempt += 1) {
      const failure = await this.#post(url, id, body);
      if (failure === null) return logger.debug('webhook.delivered', { jobId: job.id, attempt });
      const wait = RETRY_AFTER_MS[attempt];
      if (wait === undefined || failure.isFinal || this.#closing.signal.aborted) {
        return logger.warn('webhook.failed', { jobId: job.id, host: hostOf(url), reason: failure.reason });
      }
      await sleep(wait, clock, this.#closing.signal).catch(() => undefined);
    }
  }

  async #post(url: string, id: string, body: string): Promise<Failure | null> {
    const timestamp = String(Math.floor(this.#options.clock.now() / 1000));
    const signature = createHmac('sha256', this.#key).update(`${id}.${timestamp}.${body}`).digest('base64');
    try {
      const status = await postOnce(url, {
        body,
        allowPrivate: this.#options.allowPrivate,
        signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(this.#options.timeoutMs)]),
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'flatrender',
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          'webhook-signature': `v1,${signature}`,
        },
      });
      if (status >= 200 && status < 300) return null;
      // A redirect is not followed: it could lead anywhere, also into the farm's own network.
      const isFinal = status < 500 && ![408, 425, 429].includes(status);
      return { reason: `HTTP ${status}`, isFinal };
    } catch (error) {
      if (error instanceof PrivateAddress) return { reason: error.message, isFinal: true };
      return { reason: error instanceof Error ? error.message : String(error), isFinal: false };
    }
  }
}

interface Failure {
  readonly reason: string;
  /** Another try cannot help. */
  readonly isFinal: boolean;
}

class PrivateAddress extends Error {
  constructor(address: string) {
    super(`${address} is a private address; webhooks.allowPrivate in flatrender.yaml permits it`);
  }
}

interface PostOptions {
  readonly body: string;
  readonly allowPrivate: boolean;
  readonly headers: OutgoingHttpHeaders;
  readonly signal: AbortSignal;
}

/** Status of the answer. node:http rather than fetch: the address that was checked is the one that is connected to. */
async function postOnce(url: string, options: PostOptions): Promise<number> {
  const { protocol, hostname } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host)
    ? [{ address: host, family: isIP(host) }]
    : // A resolver that does not answer can be left waiting, but not interrupted.
      await untilAborted(lookup(host, { all: true }), options.signal);
  const refused = options.allowPrivate
    ? undefined
    : addresses.find(({ address }) => isPrivateAddress(address));
  if (refused) throw new PrivateAddress(refused.address);
  const [first] = addresses;
  const request = (protocol === 'https:' ? https : http)(url, {
    method: 'POST',
    headers: options.headers,
    signal: options.signal,
    agent: false,
    lookup: (_, { all }, callback) =>
      all ? callback(null, addresses) : callback(null, first?.address ?? '', first?.family ?? 4),
  });
  request.on('error', () => undefined); // also after the answer; `once` below reports what comes before it
  request.end(options.body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  // What it says does not matter; reading it would let the receiver keep us busy.
  response.destroy();
  return response.statusCode ?? 0;
}

// IANA special-purpose registries: loopback, private, shared (CGNAT), link-local (cloud metadata), documentation,
// multicast, reserved. Of IPv6 only 2000::/3 is public at all (RFC 4291, 2.4), less what embeds IPv4 or documents.
// One list each: a list takes an IPv4 address for its ::ffff: form, and looks for it in the subnets of IPv6 too.
const PRIVATE_4 = new BlockList();
const PRIVATE_6 = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  PRIVATE_4.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of [
  ['::', 3],
  ['4000::', 2],
  ['8000::', 1],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  PRIVATE_6.addSubnet(net, bits, 'ipv6');

/** Whether an IP address is not on the public internet. */
export function isPrivateAddress(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return PRIVATE_4.check(mapped, 'ipv4');
  if (/^::ffff:/i.test(address)) return true;
  return isIP(address) === 6 ? PRIVATE_6.check(address, 'ipv6') : PRIVATE_4.check(address, 'ipv4');
}

function keyOf(farmSecret: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', farmSecret, '', 'flatrender webhooks v1', 32));
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : '?';
}
