/** As many nodes as a large farm has, each with its long-poll and its heartbeats, and a control plane that is killed under them. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'undici';
import { signRequest } from '../../src/protocol/signatures.ts';
import type { NodeKey } from '../helpers/load-node.ts';
import { type Fault, type FaultOptions, type FaultReport, farmFor, Strikes } from './fault.ts';
import type { FaultFarm } from './fault-farm.ts';
import { Load } from './load.ts';
import { cpuSeconds, residentMb } from './process-facts.ts';

const WATCH_MS = 20_000;
const POLL_MS = 30_000;
const PATIENCE_MS = POLL_MS + 15_000;
const PATIENT = {
  ...{ pipelining: 1, headersTimeout: PATIENCE_MS, bodyTimeout: PATIENCE_MS },
  connect: { timeout: 30_000 },
};
// Real agents have a connection for heartbeats each, which would be more open files than this machine gives one process.
const HEARTBEAT_CONNECTIONS = 500;

/** Strikes are kills of the control plane; the number of nodes can be set for small runs. */
export function manyNodes(count: number): Fault {
  return {
    name: 'many-nodes',
    summary: `${count} simulated nodes with long-polls and heartbeats, and SIGKILL of the control plane under them`,
    kills: 5,
    async run(options: FaultOptions): Promise<FaultReport> {
      const { lastsMs = WATCH_MS } = options;
      await using farm = await farmFor(options);
      await using load = await Load.start(farm, { perSecond: 20, realEvery: 0 });
      const strikes = new Strikes(farm, load);
      const before = residentMb(farm.control.pid);
      await using crowd = await Crowd.start(farm, count, options.say);
      await crowd.settled();
      const cpu = cpuSeconds(farm.control.pid);
      const beats = crowd.beats;
      await delay(lastsMs);
      const share = (cpuSeconds(farm.control.pid) - cpu) / (lastsMs / 1000);
      const rate = (crowd.beats - beats) / (lastsMs / 1000);
      const during = residentMb(farm.control.pid);
      strikes.notes.push(
        `${count} nodes: ${Math.round(rate)} heartbeats/s and ${crowd.polling} long-polls take ${Math.round(share * 100)} % of a core; ` +
          `memory ${before} → ${during} MB`,
      );
      options.say(strikes.notes.at(-1) ?? '');
      for (let kill = 1; kill <= options.kills; kill += 1) {
        const at = performance.now();
        await farm.control.stop('SIGKILL');
        await farm.control.start();
        const ms = await strikes.recovered(at);
        await crowd.settled();
        const all = Math.round(performance.now() - at);
        strikes.notes.push(
          `kill ${kill}: jobs after ${Math.round(ms)} ms, all ${count} nodes after ${all} ms, memory ${residentMb(farm.control.pid)} MB`,
        );
        options.say(strikes.notes.at(-1) ?? '');
      }
      return await strikes.report('many-nodes', `${count} nodes, ${options.kills} kills`, options);
    },
  };
}

/** Nodes that ask for work that never comes. */
class Crowd implements AsyncDisposable {
  // Each with its own clients: a pool looks for a free one among all of them, for every request.
  readonly #polls: Client[] = [];
  readonly #heartbeats: Client[] = [];
  readonly #sleeping = new Map<NodeJS.Timeout, () => void>();
  #isOver = false;
  readonly #nodes: NodeKey[] = [];
  readonly #loops: Promise<void>[] = [];
  /** When each was answered last. */
  readonly #heard = new Map<string, number>();
  /** What went wrong last with those that are not answered. */
  readonly #troubles = new Map<string, string>();
  beats = 0;
  polling = 0;

  static async start(farm: FaultFarm, count: number, say: (text: string) => void): Promise<Crowd> {
    const crowd = new Crowd();
    let next = 0;
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (next < count) {
          next += 1;
          crowd.#nodes.push(await farm.addNode(`crowd-${next}`, ['crowd']));
        }
      }),
    );
    say(`${count} nodes registered`);
    const client = (): Client => new Client(farm.url, PATIENT);
    crowd.#heartbeats.push(...Array.from({ length: Math.min(count, HEARTBEAT_CONNECTIONS) }, client));
    for (const [n, node] of crowd.#nodes.entries()) {
      const own = client();
      crowd.#polls.push(own);
      const shared = crowd.#heartbeats[n % crowd.#heartbeats.length] ?? own;
      crowd.#loops.push(crowd.#poll(node, own), crowd.#beat(node, shared));
    }
    return crowd;
  }

  /** Resolves when every node was answered a heartbeat since now. */
  async settled(): Promise<void> {
    const since = performance.now();
    const giveUpAt = since + 180_000;
    for (;;) {
      const late = this.#nodes.filter(({ id }) => (this.#heard.get(id) ?? 0) < since).length;
      if (late === 0) return;
      if (performance.now() > giveUpAt) {
        const whys = Object.entries(Object.groupBy(this.#troubles.values(), (why) => why));
        const told = whys.map(([why, same]) => `${same?.length} × ${why}`);
        throw new Error(`${late} nodes were not answered: ${told.join('; ')}`);
      }
      await delay(100);
    }
  }

  async #poll(node: NodeKey, client: Client): Promise<void> {
    await this.#sleep(Math.random() * 5000);
    while (!this.#isOver) {
      this.polling += 1;
      const body = { claimId: randomBytes(8).toString('hex'), freeSlots: 1, waitMs: POLL_MS };
      const status = await this.#send(client, node, '/v1/agent/claim', body).then(
        (answer) => answer.status,
        () => 0,
      );
      this.polling -= 1;
      // As agents do: not all at once.
      if (status !== 204) await this.#sleep(500 + Math.random() * 2000);
    }
  }

  async #beat(node: NodeKey, client: Client): Promise<void> {
    let nextMs = Math.random() * 5000;
    for (;;) {
      await this.#sleep(nextMs);
      if (this.#isOver) return;
      try {
        const { status, text } = await this.#send(client, node, '/v1/agent/heartbeat', {
          ...{ leases: [], system: null },
        });
        if (status !== 200) throw new Error(text);
        this.beats += 1;
        this.#heard.set(node.id, performance.now());
        this.#troubles.delete(node.id);
        nextMs = (JSON.parse(text) as { nextMs: number }).nextMs;
      } catch (error) {
        this.#troubles.set(node.id, String(error).slice(0, 120));
        nextMs = 500 + Math.random() * 2000;
      }
    }
  }

  /** Until then, or until it is over. */
  #sleep(ms: number): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#sleeping.delete(timer);
        resolve();
      }, ms);
      this.#sleeping.set(timer, resolve);
    });
  }

  async #send(
    client: Client,
    node: NodeKey,
    path: string,
    payload: object,
  ): Promise<{ status: number; text: string }> {
    const body = JSON.stringify(payload);
    const headers = signRequest(
      { method: 'POST', path, query: '' },
      body,
      { keyId: node.id, secret: node.secret },
      {
        created: Math.floor(Date.now() / 1000),
        nonce: randomBytes(16).toString('base64url'),
      },
    );
    const answer = await client.request({
      ...{ method: 'POST', path, body },
      headers: { ...headers, 'content-type': 'application/json' },
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    for (const [timer, resolve] of this.#sleeping) {
      clearTimeout(timer);
      resolve();
    }
    await Promise.all([...this.#polls, ...this.#heartbeats].map((client) => client.destroy()));
    await Promise.all(this.#loops);
  }
}
