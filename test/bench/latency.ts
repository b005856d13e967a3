/** How soon an idle agent starts what was submitted, and what thousands of beating agents cost. */
import { setTimeout as delay } from 'node:timers/promises';
import { mockTemplate, startFarm } from '../helpers/farm.ts';
import { LoadClient, percentile } from '../helpers/load-client.ts';
import { addNode, claimOnce, type NodeKey } from '../helpers/load-node.ts';
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
  const polls = new LoadClient(farm.url, farm.token, waiting + 8);
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
  /** CPU of the control plane as a share of one core. */
  readonly cpuShare: number;
  readonly rssMb: number;
}

/** `agents` nodes beating every `everySeconds`, for `seconds`. */
export async function benchHeartbeats(
  agents: number,
  everySeconds: number,
  seconds: number,
): Promise<HeartbeatFigures> {
  await using farm = await startFarm({ mode: 'built' });
  const client = new LoadClient(farm.url, farm.token, 64);
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
    const cpu = cpuSeconds(farm.control());
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
    const used = cpuSeconds(farm.control()) - cpu;
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
