/** Who did what to the farm: written with every action of an operator, before it is answered. */
import type { FastifyRequest } from 'fastify';
import type { Clock } from '../lib/clock.ts';
import type { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { ROUTES, type RouteAuth, type RouteName } from '../protocol/routes.ts';
import type { AuditStore, NewAuditEntry } from '../store/audit.ts';
import type { Store } from '../store/store.ts';
import { AuditSeries } from './audit-series.ts';
import { Bucket } from './bucket.ts';

/** Who may do things to the farm, other than its nodes. */
const OPERATORS: ReadonlySet<RouteAuth> = new Set<RouteAuth>(['read', 'submit', 'admin', 'hook']);
/** Reading that gives away what is kept secret. */
const SENSITIVE: ReadonlySet<string> = new Set<RouteName>(['webhookSecret']);
/** Too many, and too small, for anybody to wait for: each job itself says who made it. */
const FREQUENT: ReadonlySet<string> = new Set<RouteName>(['submit', 'uploads', 'runHook']);
/** What commands on the machine of the control plane do without asking it. */
const LOCAL_ACTIONS = ['control init', 'control restore', 'control migrate'] as const;
/** Every action that an entry may have: a change, or a reading that was refused. */
export const AUDIT_ACTIONS: readonly string[] = [
  ...Object.entries(ROUTES)
    .filter(([, { auth }]) => OPERATORS.has(auth))
    .map(([name]) => name),
  ...LOCAL_ACTIONS,
];
/** Fields of bodies and answers that say what was done, and are no secret. */
const TELLING = [
  'template',
  'version',
  'name',
  'role',
  'url',
  'rotate',
  'replayed',
  'generation',
  'job',
] as const;

// Refused attempts per control plane: a burst is kept whole, a flood as one entry in ten seconds that counts the others.
const REFUSED_BURST = 100;
const REFUSED_PER_SECOND = 0.1;

interface AuditOptions {
  readonly store: AuditStore & Pick<Store, 'failure'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Writes the audit log of a control plane. */
export class Audit {
  readonly #options: AuditOptions;
  readonly #refused: Bucket;
  readonly #series: AuditSeries;
  #unwritten = 0;

  constructor(options: AuditOptions) {
    this.#options = options;
    this.#refused = new Bucket({ burst: REFUSED_BURST, perSecond: REFUSED_PER_SECOND, clock: options.clock });
    this.#series = new AuditSeries(options.clock, (entry) => this.#write(entry));
  }

  /**
   * Writes what a request did, when it was one of an operator that changes something, or was refused. `payload`: the answer.
   * null: there is nothing to wait for. Never throws: what was done is done, and the log says that it could not be written.
   */
  note(request: FastifyRequest, status: number, payload: unknown): Promise<void> | null {
    const name = request.routeOptions.config?.name;
    if (name === undefined || !OPERATORS.has(ROUTES[name].auth)) return null;
    // Too many with wrong credentials are answered with 429; with right ones that is no attempt at anything.
    const isUnknown = request.tokenRecord === null && request.hook === null;
    const isRefused = status === 401 || status === 403 || (status === 429 && isUnknown);
    const isChange = ROUTES[name].method !== 'GET' || SENSITIVE.has(name);
    if (!isRefused && !isChange) return null;
    const { clock } = this.#options;
    let more: Record<string, unknown> = {};
    if (status >= 400) {
      if (!this.#refused.take()) {
        this.#unwritten += 1;
        return null;
      }
      if (this.#unwritten > 0) more = { refusedBefore: this.#unwritten };
      this.#unwritten = 0;
    }
    const entry: NewAuditEntry = {
      at: clock.now(),
      actor: actorOf(request),
      action: name,
      subject: subjectOf(request, payload),
      outcome: String(status),
      from: addressOf(request),
      details: { ...detailsOf(request, payload), ...more },
    };
    // Nothing was done: whoever is refused need not wait.
    if (status >= 400) void this.#write(entry);
    else if (FREQUENT.has(name)) this.#series.add(entry);
    else return this.#write(entry);
    return null;
  }

  /** Writes what is still to be written. */
  close(): Promise<void> {
    return this.#series.close();
  }

  async #write(entry: NewAuditEntry): Promise<void> {
    try {
      await this.#options.store.appendAudit(entry);
    } catch (error) {
      const { action, actor, subject, outcome } = entry;
      // Refused because the database is away: nothing was done, and that it is away is in the log once.
      const isNothing = outcome === '503' && this.#options.store.failure()?.code === 'UNAVAILABLE';
      this.#options.logger[isNothing ? 'debug' : 'error']('audit.failed', {
        ...{ action, actor, subject, outcome, error },
      });
    }
  }
}

/** Writes what a command did to the farm on the machine of the control plane, without asking it. */
export async function auditLocal(
  store: AuditStore,
  entry: Pick<NewAuditEntry, 'at' | 'subject' | 'details'> & { action: (typeof LOCAL_ACTIONS)[number] },
): Promise<void> {
  const { userInfo } = await import('node:os');
  await store.appendAudit({ ...entry, actor: `local ${userInfo().username}`, outcome: 'ok', from: null });
}

function actorOf({ tokenRecord, hook, refusal }: FastifyRequest): string {
  if (tokenRecord) return tokenRecord.name;
  if (hook) return `hook ${hook.name}`;
  const known = refusal?.details?.token;
  return typeof known === 'string' ? known : 'unknown';
}

/**
 * The address of the connection; behind a proxy on this machine or in a private network also whom that one names, which is
 * as trustworthy as the proxy.
 */
function addressOf({ ip, headers }: FastifyRequest): string {
  const forwarded = headers['x-forwarded-for'];
  if (typeof forwarded !== 'string' || !/^[0-9A-Fa-f:., ]{1,200}$/.test(forwarded)) return ip;
  return `${forwarded.split(',')[0]?.trim()} via ${ip}`;
}

function subjectOf(request: FastifyRequest, payload: unknown): string | null {
  if (request.audited !== null) return request.audited.subject;
  const { id, name } = request.params as { id?: unknown; name?: unknown };
  const given = id ?? name;
  if (typeof given === 'string') return given.slice(0, 200);
  // An answer may be megabytes (a batch of a thousand jobs): its first id is near the beginning.
  const made = typeof payload === 'string' ? /"id":"([^"]{1,100})"/.exec(payload.slice(0, 2000))?.[1] : null;
  const { body } = request as { body?: { id?: unknown; name?: unknown } | null };
  const asked = body?.id ?? body?.name;
  return made ?? (typeof asked === 'string' ? asked.slice(0, 200) : null);
}

function detailsOf(request: FastifyRequest, payload: unknown): Record<string, unknown> {
  const { body, query, refusal, tokenRecord } = request;
  // Names may be given twice.
  const details: Record<string, unknown> = tokenRecord ? { token: tokenRecord.id } : {};
  const answer = typeof payload === 'string' && payload.length < 2000 ? parsed(payload) : null;
  for (const source of [query, body, answer]) {
    if (typeof source !== 'object' || source === null) continue;
    for (const key of TELLING) {
      const value = (source as Record<string, unknown>)[key];
      if (['string', 'number', 'boolean'].includes(typeof value)) details[key] ??= shown(key, value);
    }
    if ('jobs' in source && Array.isArray(source.jobs)) details.jobs ??= source.jobs.length;
  }
  if (refusal) details.code = refusal.code;
  return { ...details, ...request.audited?.details };
}

function shown(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  // What a receiver wants to be called with may carry a token of its own.
  if (key === 'url' && URL.canParse(value)) return new URL(value).origin;
  return value.slice(0, 200);
}

function parsed(payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch {
    return null;
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Why it is refused; set as soon as that is known. */
    refusal: FlatrenderError | null;
    /** What was done to what, where neither the request nor the beginning of the answer says it. */
    audited: { readonly subject: string; readonly details: Readonly<Record<string, unknown>> } | null;
  }
}
