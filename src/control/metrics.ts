/** Prometheus metrics of the control plane. Gauges read the live state when they are scraped. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Histogram, Registry as PromRegistry } from 'prom-client';
import { ERROR_CODES } from '../lib/errors.ts';
import { addGauges, type GaugeSources } from './gauges.ts';
import type { RateLimited } from './rate-limits.ts';

/** What a finished render is counted under. */
export interface RenderKind {
  readonly template: string;
  readonly engine: string;
}

const FAST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5, 10];
const RENDER_SECONDS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200];
// Each value of a label is a time series of its own; farms have tens of templates, a mistake may make thousands.
const TEMPLATES = 200;

/** Counts what happens. Each control plane has its own registry, so that several fit in one process. */
export class Metrics {
  readonly #registry = new PromRegistry();
  readonly #lag = monitorEventLoopDelay({ resolution: 20 });
  readonly #http = this.#histogram(
    'flatrender_http_seconds',
    'Time to answer a request; long-polls and event streams are left out',
    ['route', 'status'],
    FAST_SECONDS,
  );
  readonly #claims = this.#counter(
    'flatrender_claims_total',
    'Answers to nodes that asked for work: task or empty',
    ['result'],
  );
  readonly #submitted = this.#counter('flatrender_jobs_submitted_total', 'Jobs accepted', []);
  readonly #ended = this.#counter('flatrender_jobs_ended_total', 'Jobs that are over, by their last state', [
    'state',
  ]);
  readonly #finished = this.#counter('flatrender_attempts_finished_total', 'Ended attempts by outcome', [
    'outcome',
  ]);
  readonly #failures = this.#counter(
    'flatrender_attempt_failures_total',
    'Failed attempts by code, and whether the task was queued again',
    ['code', 'retried'],
  );
  readonly #leases = this.#counter(
    'flatrender_lease_events_total',
    'Leases that ran out (expired), were taken up again (reattached), or that a node named without having them (refused)',
    ['event'],
  );
  readonly #render = this.#histogram(
    'flatrender_render_seconds',
    'Time in the engine of succeeded tasks',
    ['template', 'engine'],
    RENDER_SECONDS,
  );
  readonly #overhead = this.#histogram(
    'flatrender_overhead_seconds',
    'From claim to completion of succeeded tasks, less the time in the engine',
    ['template', 'engine'],
    RENDER_SECONDS,
  );
  readonly #wait = this.#histogram(
    'flatrender_queue_wait_seconds',
    'From submission (or the time a job was scheduled for) to its first claim',
    ['template', 'engine'],
    [...FAST_SECONDS, 60, 600, 3600],
  );
  readonly #store = this.#histogram(
    'flatrender_store_seconds',
    'Time of operations of the database, as a request waits for them',
    ['operation'],
    FAST_SECONDS,
  );
  readonly #storeErrors = this.#counter(
    'flatrender_store_errors_total',
    'Operations of the database that failed, without refusals that are the answer',
    ['operation', 'code'],
  );
  readonly #objectErrors = this.#counter(
    'flatrender_object_errors_total',
    'Operations of the object store that failed',
    ['operation', 'code'],
  );
  readonly #webhooks = this.#counter(
    'flatrender_webhook_calls_total',
    'Calls of webhooks: delivered, delayed (tried again later) or failed (given up)',
    ['outcome'],
  );
  readonly #refused = this.#counter(
    'flatrender_connections_refused_total',
    'Connections from outside of gateway.allow',
    [],
  );
  readonly #limited = this.#counter(
    'flatrender_rate_limited_total',
    'Requests refused because a node, a token or an address with wrong credentials asked for too much',
    ['who'],
  );
  /** Children by label: resolving labels for every request costs more than counting. */
  readonly #httpChildren = new Map<string, Histogram.Internal<'route' | 'status'>>();
  readonly #storeChildren = new Map<string, Histogram.Internal<'operation'>>();
  readonly #templates = new Set<string>();

  constructor() {
    this.#lag.enable();
  }

  /** Adds the gauges of a running control plane. */
  watch(sources: GaugeSources): void {
    addGauges(this.#registry, this.#lag, sources);
  }

  request(route: string, status: number, seconds: number): void {
    const key = `${route} ${status}`;
    let child = this.#httpChildren.get(key);
    if (!child) {
      child = this.#http.labels(route, String(status));
      this.#httpChildren.set(key, child);
    }
    child.observe(seconds);
  }

  claim(hasWork: boolean): void {
    this.#claims.inc({ result: hasWork ? 'task' : 'empty' });
  }

  /** A connection that gateway.allow does not let in. */
  refused(): void {
    this.#refused.inc();
  }

  /** A caller asked for more than limits.… allow. */
  rateLimited(who: RateLimited): void {
    this.#limited.inc({ who });
  }

  waited(kind: RenderKind, ms: number): void {
    this.#wait.observe(this.#labels(kind), Math.max(0, ms) / 1000);
  }

  submitted(jobs: number): void {
    this.#submitted.inc(jobs);
  }

  jobEnded(state: string): void {
    this.#ended.inc({ state });
  }

  attemptEnded(outcome: string): void {
    this.#finished.inc({ outcome });
  }

  attemptFailed(code: string, isRetried: boolean): void {
    // Codes come from nodes: only known ones become a label.
    this.#failures.inc({
      code: Object.hasOwn(ERROR_CODES, code) ? code : 'OTHER',
      retried: String(isRetried),
    });
  }

  lease(event: 'expired' | 'reattached' | 'refused', count = 1): void {
    if (count > 0) this.#leases.inc({ event }, count);
  }

  rendered(kind: RenderKind, renderMs: number, overheadMs: number): void {
    const labels = this.#labels(kind);
    this.#render.observe(labels, renderMs / 1000);
    this.#overhead.observe(labels, Math.max(0, overheadMs) / 1000);
  }

  /** An operation of the database; `code` when it failed and should not have. */
  stored(operation: string, seconds: number, code: string | null): void {
    let child = this.#storeChildren.get(operation);
    if (!child) {
      child = this.#store.labels(operation);
      this.#storeChildren.set(operation, child);
    }
    child.observe(seconds);
    if (code !== null) this.#storeErrors.inc({ operation, code });
  }

  webhookCalled(outcome: 'delivered' | 'delayed' | 'failed'): void {
    this.#webhooks.inc({ outcome });
  }

  objectFailed(operation: string, code: string): void {
    this.#objectErrors.inc({ operation, code });
  }

  /** The exposition text and its content type. */
  async scrape(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  close(): void {
    this.#lag.disable();
  }

  #counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #histogram<L extends string>(name: string, help: string, labelNames: L[], buckets: number[]): Histogram<L> {
    return new Histogram({ name, help, labelNames, buckets, registers: [this.#registry] });
  }

  #labels({ template, engine }: RenderKind): { template: string; engine: string } {
    if (this.#templates.size < TEMPLATES) this.#templates.add(template);
    return { template: this.#templates.has(template) ? template : 'other', engine };
  }
}
