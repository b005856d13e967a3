/** How much one caller may ask for: a node, a client token, and an address whose credentials are wrong. */
import { isIPv6 } from 'node:net';
import type { ControlConfig } from '../config/control-config.ts';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';

/** Who is limited; the label of the metric. */
export type RateLimited = 'node' | 'node-bytes' | 'token' | 'address';

interface RateLimitsOptions {
  readonly limits: ControlConfig['limits'];
  readonly clock: Clock;
  readonly metrics: { rateLimited(who: RateLimited): void };
}

// An agent that was cut off sends what it kept; a script lists, asks and submits in one go.
const BURST_SECONDS = 10;
const SWEEP_AT = 20_000;

/**
 * Each caller has one number: the time until which its allowance is used up (the generic cell rate algorithm). A request
 * costs a look into a map. Not @fastify/rate-limit: it counts before anybody is authenticated or again in a second hook,
 * in windows at whose edges twice as much passes, and only requests, no bytes.
 */
class Allowance {
  readonly #intervalMs: number;
  readonly #burstMs: number;
  readonly #usedUntil = new Map<string, number>();

  /** 0 per second: without limit. */
  constructor(perSecond: number) {
    this.#intervalMs = perSecond === 0 ? 0 : 1000 / perSecond;
    this.#burstMs = BURST_SECONDS * 1000;
  }

  /** 0: it may pass, and was counted; otherwise the milliseconds until it may. One that costs a whole burst passes alone. */
  take(key: string, now: number, cost = 1): number {
    if (this.#intervalMs === 0) return 0;
    const costMs = Math.min(this.#burstMs, cost * this.#intervalMs);
    const before = this.#usedUntil.get(key) ?? now;
    // Further ahead than it can get: the clock was set back.
    const used = before > now + this.#burstMs + 1 ? now : Math.max(before, now);
    if (used + costMs - now > this.#burstMs + 0.001) return used + costMs - now - this.#burstMs;
    this.#usedUntil.set(key, used + costMs);
    if (this.#usedUntil.size > SWEEP_AT) this.#sweep(now);
    return 0;
  }

  #sweep(now: number): void {
    for (const [key, until] of this.#usedUntil) if (until <= now) this.#usedUntil.delete(key);
    // Still too many: somebody has very many addresses. Whoever is forgotten starts anew.
    if (this.#usedUntil.size > SWEEP_AT) this.#usedUntil.clear();
  }
}

/** Refuses with RATE_LIMITED (`details.retryAfterMs`) what is more than limits.… allow. */
export class RateLimits {
  readonly #clock: Clock;
  readonly #metrics: RateLimitsOptions['metrics'];
  readonly #limits: ControlConfig['limits'];
  readonly #nodes: Allowance;
  readonly #nodeBytes: Allowance;
  readonly #tokens: Allowance;
  readonly #addresses: Allowance;

  constructor({ limits, clock, metrics }: RateLimitsOptions) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#limits = limits;
    this.#nodes = new Allowance(limits.nodeRequestsPerSecond);
    this.#nodeBytes = new Allowance(limits.nodeBytesPerSecond);
    this.#tokens = new Allowance(limits.tokenRequestsPerSecond);
    this.#addresses = new Allowance(limits.refusedPerSecond);
  }

  /** A request of a node whose signature holds. */
  node(id: string): void {
    const wait = this.#nodes.take(id, this.#clock.now());
    if (wait > 0) throw this.#limited('node', `node "${id}" asks`, wait, 'nodeRequestsPerSecond');
  }

  /** What a node sent: heartbeats, logs, previews. */
  nodeBytes(id: string, bytes: number): void {
    const wait = this.#nodeBytes.take(id, this.#clock.now(), bytes);
    if (wait > 0) throw this.#limited('node-bytes', `node "${id}" sends`, wait, 'nodeBytesPerSecond');
  }

  /** A request with a token, or a hook's key, that is right. */
  token(id: string, name: string): void {
    const wait = this.#tokens.take(id, this.#clock.now());
    if (wait > 0) throw this.#limited('token', `"${name}" asks`, wait, 'tokenRequestsPerSecond');
  }

  /**
   * Credentials from this address were wrong; the error to answer with. Right ones are never held up by it: behind a proxy
   * everybody has one address.
   */
  refused(error: unknown, address: string): unknown {
    if (!(error instanceof FlatrenderError) || error.status !== 401) return error;
    const wait = this.#addresses.take(networkOf(address), this.#clock.now());
    if (wait === 0) return error;
    const who = `credentials from ${address} were wrong, and it asks`;
    return this.#limited('address', who, wait, 'refusedPerSecond');
  }

  #limited(
    who: RateLimited,
    what: string,
    waitMs: number,
    option: 'nodeRequestsPerSecond' | 'nodeBytesPerSecond' | 'tokenRequestsPerSecond' | 'refusedPerSecond',
  ): FlatrenderError {
    this.#metrics.rateLimited(who);
    return new FlatrenderError(
      'RATE_LIMITED',
      `${what} for more than limits.${option} (${this.#limits[option]})`,
      {
        hint: `wait as long as Retry-After says; limits.${option} in flatrender.yaml changes it`,
        details: { retryAfterMs: Math.ceil(waitMs) },
      },
    );
  }
}

/** One machine can have all addresses of an IPv6 /64. */
function networkOf(address: string): string {
  return isIPv6(address) && !address.includes('.') ? address.split(':').slice(0, 4).join(':') : address;
}
