/** How soon an idle agent starts what was submitted, and what thousands of beating agents cost. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunningCli } from '../helpers/cli.ts';
import { type Farm, mockTemplate, startFarm, UNLIMITED } from '../helpers/farm.ts';
import { LoadClient, percentile } from '../helpers/load-client.ts';
import { addNode, claimOnce, type NodeKey } from '../helpers/load-node.ts';
import { noPostgres, startPostgres } from '../helpers/postgres.ts';
import { cpuSeconds, round, rssMb } from './process-usage.ts';
import { JOB_REQUEST } from './queue.ts';

export interface LatencyFigures {
  readonly waitingAgents: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMb: number;
}

/** submit → the claim's answer has arrived at an agent, with this many agents waiting in a long-poll. */
export async function benchLatency(waiting: number, submits: number): Promise<LatencyFigures> {
  await using farm = await startFarm({ mode: 'built' });
  return await latencyOf(farm, farm, waiting, submits);
}

/** The agents wait at another control plane than the one that takes the submits. */
export async function benchReplicaLatency(waiting: number, submits: number): Promise<LatencyFigures | null> {
  await using shared = await startSharedFarm();
  return shared && (await latencyOf(shared.farm, shared.replica, waiting, submits));
}

async function latencyOf(
  farm: Farm,
  replica: { readonly url: string },
  waiting: number,
  submits: number,
): Promise<LatencyFigures> {
  const polls = new LoadClient(replica.url, farm.token, waiting + 8);
  try {
    await farm.pushTemplate(mockTemplate('bench', 0));
    const nodes: NodeKey[] = [];
    for (let n = 0; n < Math.min(waiting, 100); n += 1)
      nodes.push(await addNode(farm.client, `node-${n}`, 'mock'));
    let started: (() => void) | undefined;
    let ended = false;
    const poll = async (n: number): Promise<void> => {
      const node = nodes[n % nodes.length];
      while (!ended && node !== undefined) {
        if ((await claimOnce(polls, node, 60_000)) !== null) started?.();
      }
    };
    const all = Array.from({ length: waiting }, (_, n) => poll(n).catch(() => undefined));
    await delay(500 + waiting); // until the polls stand; not part of any figure
    const samples: number[] = [];
    for (let n = 0; n < submits; n += 1) {
      const taken = new Promise<void>((resolve) => {
        started = resolve;
      });
      const at = performance.now();
      await farm.client.call('POST', '/v1/jobs', JOB_REQUEST);
      await taken;
      samples.push(performance.now() - at);
    }
    const rss = rssMb(farm.control());
    ended = true;
    await polls.close();
    await Promise.all(all);
    return {
      waitingAgents: waiting,
      p50Ms: round(percentile(samples, 0.5)),
      p99Ms: round(percentile(samples, 0.99)),
      rssMb: rss,
    };
  } finally {
    await polls.close();
  }
}

export interface HeartbeatFigures {
  readonly agents: number;
  readonly everySeconds: number;
  readonly beatsPerSecond: number;
  /** CPU of the control planes as a share of one core. */
  readonly cpuShare: number;
  readonly rssMb: number;
}

/** `agents` nodes beating every `everySeconds`, for `seconds`. */
export async function benchHeartbeats(
  agents: number,
  everySeconds: number,
  seconds: number,
): Promise<HeartbeatFigures> {
  await using farm = await startFarm({ mode: 'built', settings: UNLIMITED });
  return await heartbeatsOf(farm, [farm.control()], agents, everySeconds, seconds);
}

/** On PostgreSQL: all beat at one of two control planes, and both are counted. */
export async function benchReplicaHeartbeats(
  agents: number,
  everySeconds: number,
  seconds: number,
): Promise<HeartbeatFigures | null> {
  await using shared = await startSharedFarm();
  if (shared === null) return null;
  const { farm, replica } = shared;
  return await heartbeatsOf(farm, [farm.control(), replica], agents, everySeconds, seconds);
}

async function heartbeatsOf(
  farm: Farm,
  controls: readonly RunningCli[],
  agents: number,
  everySeconds: number,
  seconds: number,
): Promise<HeartbeatFigures> {
  const client = new LoadClient(farm.url, farm.token, 64);
  const cpuOfAll = (): number => controls.reduce((sum, control) => sum + cpuSeconds(control), 0);
  try {
    const nodes: NodeKey[] = [];
    const create = async (n: number): Promise<void> => {
      nodes[n] = await addNode(client, `node-${n}`, 'mock');
    };
    for (let n = 0; n < agents; n += 50) {
      await Promise.all(Array.from({ length: Math.min(50, agents - n) }, (_, i) => create(n + i)));
    }
    await delay(1000);
    let beats = 0;
    const cpu = cpuOfAll();
    const startedAt = performance.now();
    const open = new Set<Promise<void>>();
    const total = Math.round((agents * seconds) / everySeconds);
    for (let n = 0; n < total; n += 1) {
      const due = startedAt + (n / total) * seconds * 1000;
      const early = due - performance.now();
      if (early > 2) await delay(early);
      const node = nodes[n % agents];
      if (node === undefined) continue;
      const beat = client
        .asNode(node, '/v1/agent/heartbeat', { leases: [], system: null })
        .then((answer) => {
          if (answer.status === 200) beats += 1;
        })
        .catch(() => undefined)
        .finally(() => open.delete(beat));
      open.add(beat);
    }
    await Promise.all(open);
    const elapsed = (performance.now() - startedAt) / 1000;
    const used = cpuOfAll() - cpu;
    return {
      agents,
      everySeconds,
      beatsPerSecond: Math.round(beats / elapsed),
      // Normalised to the wanted rate: the load generator shares the machine and may fall behind.
      cpuShare: round((used / beats) * (agents / everySeconds)),
      rssMb: rssMb(farm.control()),
    };
  } finally {
    await client.close();
  }
}

interface SharedTwo extends AsyncDisposable {
  readonly farm: Farm;
  readonly replica: RunningCli & { readonly url: string };
}

/** Two control planes on a PostgreSQL server that has everything on the disk before it acknowledges; null: there is none. */
async function startSharedFarm(): Promise<SharedTwo | null> {
  if (noPostgres !== false) return null;
  await using undo = new AsyncDisposableStack();
  const cluster = undo.use(await startPostgres({ durable: true }));
  const objects = await mkdtemp(join(tmpdir(), 'flatrender-bench-'));
  undo.defer(() => rm(objects, { recursive: true, force: true, maxRetries: 3 }));
  const { url } = await cluster.createDatabase();
  const settings = { ...UNLIMITED, store: url, 'objects.path': objects };
  const farm = undo.use(await startFarm({ mode: 'built', settings }));
  const replica = await farm.startReplica();
  const all = undo.move();
  return { farm, replica, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
