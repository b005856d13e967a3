/** Gauges of a control plane: what is true at the moment they are scraped. */
import type { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge, type Registry as PromRegistry } from 'prom-client';
import type { Requirement } from '../jobs/requirements.ts';
import type { Store } from '../store/store.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Events } from './events.ts';
import type { Leases } from './leases.ts';
import type { Registry } from './registry.ts';
import type { Replicas } from './replicas.ts';
import { nodeStatus } from './views.ts';

/** What the gauges look at. */
export interface GaugeSources {
  readonly store: Store;
  readonly registry: Registry;
  readonly leases: Leases;
  readonly dispatcher: Dispatcher;
  readonly events: Events;
  readonly replicas: Replicas;
  readonly version: string;
  readonly now: () => number;
}

type Sample = readonly [Record<string, string>, number];

// Each kind of work is a time series of its own.
const QUEUES = 50;

/** Adds a gauge with labels: `read` is asked at each scrape. */
type AddGauge = (
  name: string,
  help: string,
  labelNames: string[],
  read: () => readonly Sample[] | Promise<readonly Sample[]>,
) => void;

/** Adds all gauges to a registry; `lag` is measured already. */
export function addGauges(
  registers: PromRegistry,
  lag: ReturnType<typeof monitorEventLoopDelay>,
  sources: GaugeSources,
): void {
  const labelled: AddGauge = (name, help, labelNames, read) => {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registers],
      async collect() {
        // A database that is away must not take the other figures with it.
        const samples = await Promise.resolve()
          .then(read)
          .catch(() => []);
        this.reset();
        for (const [labels, value] of samples) this.set(labels, value);
      },
    });
  };
  addFarmGauges(labelled, sources);
  addProcessGauges(labelled, lag);
}

function addFarmGauges(labelled: AddGauge, sources: GaugeSources): void {
  const { store, registry, leases, dispatcher, events, replicas, version, now } = sources;
  labelled('flatrender_build_info', 'Version of this control plane', ['version'], () => [[{ version }, 1]]);
  labelled('flatrender_jobs', 'Stored jobs by state', ['state'], () => byState(store.stats().jobs));
  labelled('flatrender_tasks', 'Stored tasks by state', ['state'], () => byState(store.stats().tasks));
  labelled('flatrender_nodes', 'Nodes by status', ['status'], () => {
    const counts: Record<string, number> = {};
    for (const entry of registry.all()) {
      const status = nodeStatus(entry, leases.countOfNode(entry.id));
      counts[status] = (counts[status] ?? 0) + 1;
    }
    return Object.entries(counts).map(([status, count]) => [{ status }, count]);
  });
  labelled(
    'flatrender_queue_oldest_seconds',
    `How long the longest waiting job of each kind of work has been claimable; the ${QUEUES} that wait longest`,
    ['template', 'engine', 'node', 'tags'],
    async () => {
      const ages = [...(await store.queueAges())].sort((a, b) => a.since - b.since).slice(0, QUEUES);
      const at = now();
      return ages.map(({ requirement, since }) => [queueLabels(requirement), Math.max(0, at - since) / 1000]);
    },
  );
  labelled('flatrender_nodes_online', 'Nodes heard of lately', [], () => [[{}, registry.onlineCount]]);
  labelled('flatrender_leases', 'Leases held by nodes', [], () => [[{}, leases.size]]);
  labelled('flatrender_waiting_claims', 'Open long-polls of nodes that wait for work', [], () => [
    [{}, dispatcher.waiting],
  ]);
  labelled('flatrender_leader', 'Whether this control plane does what is done once for the farm', [], () => [
    [{}, Number(replicas.isLeader)],
  ]);
  labelled(
    'flatrender_replicas',
    'Control planes on the same database, as this one sees them; none: it has the database for itself',
    ['replica', 'hostname', 'version', 'leader'],
    () =>
      replicas.all.map(({ id, hostname, version: of, isLeader }) => [
        { replica: id, hostname, version: of, leader: String(isLeader) },
        1,
      ]),
  );
  labelled('flatrender_database_up', 'Whether the database can be reached', [], () => [
    [{}, Number(store.failure() === null)],
  ]);
  labelled('flatrender_event_clients', 'Programs that follow events', [], () => [[{}, events.size]]);
}

function addProcessGauges(labelled: AddGauge, lag: ReturnType<typeof monitorEventLoopDelay>): void {
  labelled('process_resident_memory_bytes', 'Resident memory', [], () => [[{}, process.memoryUsage.rss()]]);
  labelled('process_cpu_seconds_total', 'CPU time, user and system', [], () => {
    const { user, system } = process.cpuUsage();
    return [[{}, (user + system) / 1e6]];
  });
  labelled('nodejs_eventloop_lag_seconds', 'Event-loop delay since the last scrape', ['quantile'], () => {
    const at = (quantile: string, ns: number): Sample => [{ quantile }, Number.isFinite(ns) ? ns / 1e9 : 0];
    const samples = [
      at('0.5', lag.percentile(50)),
      at('0.99', lag.percentile(99)),
      at('1', Math.max(0, lag.max)),
    ];
    lag.reset();
    return samples;
  });
}

function byState(counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([state, count]) => [{ state }, count]);
}

function queueLabels({ template, engines, node, tags }: Requirement): Record<string, string> {
  return { template, engine: engines.join('|'), node: node ?? '', tags: tags.join(',') };
}
