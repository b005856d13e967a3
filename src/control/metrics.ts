/** Prometheus metrics of the control plane. Gauges read the live state when they are scraped. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry as PromRegistry } from 'prom-client';
import type { Store } from '../store/store.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Events } from './events.ts';
import type { Leases } from './leases.ts';
import type { Registry } from './registry.ts';
import { nodeStatus } from './views.ts';

interface MetricSources {
  readonly store: Store;
  readonly registry: Registry;
  readonly leases: Leases;
  readonly dispatcher: Dispatcher;
  readonly events: Events;
}

const FAST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5, 10];
const RENDER_SECONDS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200];

/** Counts what happens. Each control plane has its own registry, so that several fit in one process. */
export class Metrics {
  readonly #registry = new PromRegistry();
  readonly #lag = monitorEventLoopDelay({ resolution: 20 });
  readonly #http: Histogram<'route' | 'status'>;
  readonly #claims: Counter<'result'>;
  readonly #submitted: Counter;
  readonly #finished: Counter<'outcome'>;
  readonly #render: Histogram<'template'>;
  readonly #wait: Histogram;
  readonly #refused: Counter;
  /** Children by label: resolving labels for every request costs more than counting. */
  readonly #httpChildren = new Map<string, Histogram.Internal<'route' | 'status'>>();

  constructor() {
    const registers = [this.#registry];
    this.#http = new Histogram({
      name: 'flatrender_http_seconds',
      help: 'Time to answer a request; long-polls and event streams are left out',
      labelNames: ['route', 'status'],
      buckets: FAST_SECONDS,
      registers,
    });
    this.#claims = new Counter({
      name: 'flatrender_claims_total',
      help: 'Answers to nodes that asked for work: task or empty',
      labelNames: ['result'],
      registers,
    });
    this.#submitted = new Counter({
      name: 'flatrender_jobs_submitted_total',
      help: 'Jobs accepted',
      registers,
    });
    this.#finished = new Counter({
      name: 'flatrender_attempts_finished_total',
      help: 'Ended attempts by outcome',
      labelNames: ['outcome'],
      registers,
    });
    this.#render = new Histogram({
      name: 'flatrender_render_seconds',
      help: 'Time in the engine of succeeded tasks',
      labelNames: ['template'],
      buckets: RENDER_SECONDS,
      registers,
    });
    this.#wait = new Histogram({
      name: 'flatrender_queue_wait_seconds',
      help: 'From submission (or the time a job was scheduled for) to its first claim',
      buckets: [...FAST_SECONDS, 60, 600, 3600],
      registers,
    });
    this.#refused = new Counter({
      name: 'flatrender_connections_refused_total',
      help: 'Connections from outside of gateway.allow',
      registers,
    });
    this.#lag.enable();
  }

  /** Adds the gauges of a running control plane. */
  watch(sources: MetricSources): void {
    const { store, registry, leases, dispatcher, events } = sources;
    const lag = this.#lag;
    const gauge = (name: string, help: string, read: () => number): void => {
      new Gauge({
        name,
        help,
        registers: [this.#registry],
        collect() {
          this.set(read());
        },
      });
    };
    const labelled = (
      name: string,
      help: string,
      label: string,
      read: () => Readonly<Record<string, number>>,
    ): void => {
      new Gauge({
        name,
        help,
        labelNames: [label],
        registers: [this.#registry],
        collect() {
          this.reset();
          for (const [value, count] of Object.entries(read())) this.set({ [label]: value }, count);
        },
      });
    };
    labelled('flatrender_jobs', 'Stored jobs by state', 'state', () => store.stats().jobs);
    labelled('flatrender_tasks', 'Stored tasks by state', 'state', () => store.stats().tasks);
    labelled('flatrender_nodes', 'Nodes by status', 'status', () => {
      const counts: Record<string, number> = {};
      for (const entry of registry.all()) {
        const status = nodeStatus(entry, leases.countOfNode(entry.id));
        counts[status] = (counts[status] ?? 0) + 1;
      }
      return counts;
    });
    gauge('flatrender_leases', 'Leases held by nodes', () => leases.size);
    gauge(
      'flatrender_waiting_claims',
      'Open long-polls of nodes that wait for work',
      () => dispatcher.waiting,
    );
    gauge('flatrender_event_clients', 'Programs that follow events', () => events.size);
    gauge('process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss());
    gauge('process_cpu_seconds_total', 'CPU time, user and system', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
    gauge(
      'nodejs_eventloop_lag_p99_seconds',
      'Event-loop delay since the last scrape, 99th percentile',
      () => {
        const seconds = lag.percentile(99) / 1e9;
        lag.reset();
        return seconds;
      },
    );
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

  waited(ms: number): void {
    this.#wait.observe(Math.max(0, ms) / 1000);
  }

  submitted(jobs: number): void {
    this.#submitted.inc(jobs);
  }

  attemptEnded(outcome: string): void {
    this.#finished.inc({ outcome });
  }

  rendered(template: string, ms: number): void {
    this.#render.observe({ template }, ms / 1000);
  }

  /** The exposition text and its content type. */
  async scrape(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  close(): void {
    this.#lag.disable();
  }
}
