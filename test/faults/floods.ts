/** Floods: logs, previews, submits, and followers of events that never read. The memory of the control plane stays bounded. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { signRequest } from '../../src/protocol/signatures.ts';
import type { ClaimedTask, NodeKey } from '../helpers/load-node.ts';
import { type Fault, type FaultOptions, type FaultReport, farmFor, Strikes } from './fault.ts';
import type { FaultFarm } from './fault-farm.ts';
import { Load } from './load.ts';
import { residentMb } from './process-facts.ts';

const LASTS_MS = 8000;
const AT_ONCE = 8;
const FOLLOWERS = 300;

type Flood = (farm: FaultFarm, flood: Flooder) => Promise<void>;

/** One flood of each kind and again; memory is looked at all the time. */
export const floods: Fault = {
  name: 'floods',
  summary:
    'floods of log lines, previews, submits, and event streams that nobody reads; memory is bounded, others are served',
  kills: 4,
  async run(options: FaultOptions): Promise<FaultReport> {
    const { lastsMs = LASTS_MS } = options;
    await using farm = await farmFor(options);
    await using load = await Load.start(farm, { perSecond: 30, realEvery: 0 });
    const strikes = new Strikes(farm, load);
    await load.more(20, 10);
    const kinds: readonly (readonly [string, Flood])[] = [
      ['log lines', floodLogs],
      ['previews', floodPreviews],
      ['submits', floodSubmits],
      ['event streams', floodFollowers],
    ];
    const flooder = await Flooder.start(farm);
    for (let n = 0; n < options.kills; n += 1) {
      const [what, flood] = kinds[n % kinds.length] ?? ['log lines', floodLogs];
      const before = residentMb(farm.control.pid);
      let most = before;
      flooder.begin();
      const flooding = flood(farm, flooder);
      const until = performance.now() + lastsMs;
      while (performance.now() < until) {
        most = Math.max(most, residentMb(farm.control.pid));
        await strikes.recovered(performance.now());
        await delay(100);
      }
      flooder.end();
      await flooding;
      await delay(1000);
      const after = residentMb(farm.control.pid);
      strikes.notes.push(
        `${what}: ${flooder.sent}; memory before / most / after ${before} / ${most} / ${after} MB`,
      );
      options.say(strikes.notes.at(-1) ?? '');
    }
    // The comparison wants nothing left to do.
    await farm.client.call('POST', `/v1/jobs/${flooder.task.jobId}/cancel`, {});
    return await strikes.report(floods.name, `${options.kills} × ${lastsMs / 1000} s`, options);
  },
};

/** A node with a task in hand, and counters. */
class Flooder {
  readonly node: NodeKey;
  readonly task: ClaimedTask;
  #isOn = false;
  #taken = 0;
  #refused = 0;
  #bytes = 0;

  static async start(farm: FaultFarm): Promise<Flooder> {
    const node = await farm.addNode('flooder', ['flood']);
    await farm.client.call('POST', '/v1/jobs', { template: 'quick', tags: ['flood'] });
    const claim = await farm.client.asNode(node, '/v1/agent/claim', {
      claimId: randomBytes(8).toString('hex'),
      freeSlots: 1,
      waitMs: 1000,
    });
    return new Flooder(node, claim.body?.task as ClaimedTask);
  }

  private constructor(node: NodeKey, task: ClaimedTask) {
    this.node = node;
    this.task = task;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  get sent(): string {
    return `${this.#taken} taken, ${this.#refused} refused, ${Math.round(this.#bytes / 1e6)} MB sent`;
  }

  begin(): void {
    this.#isOn = true;
    this.#taken = 0;
    this.#refused = 0;
    this.#bytes = 0;
  }

  end(): void {
    this.#isOn = false;
  }

  /** Sends, several at once, until it is ended. */
  async pour(send: () => Promise<{ readonly status: number; readonly bytes: number }>): Promise<void> {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (this.#isOn) {
          const sent = await send().catch(() => ({ status: 0, bytes: 0 }));
          if (sent.status >= 200 && sent.status < 300) this.#taken += 1;
          else this.#refused += 1;
          this.#bytes += sent.bytes;
          await delay(sent.status === 429 ? 5 : 0);
        }
      }),
    );
  }

  opened(count: number): void {
    this.#taken += count;
  }

  /** A signed request with any body. */
  async send(
    farm: FaultFarm,
    method: 'POST' | 'PUT',
    path: string,
    query: string,
    body: Buffer,
    type: string,
  ): Promise<{ status: number; bytes: number }> {
    const stamp = { created: Math.floor(Date.now() / 1000), nonce: randomBytes(16).toString('base64url') };
    const key = { keyId: this.node.id, secret: this.node.secret };
    const headers = { ...signRequest({ method, path, query }, body, key, stamp), 'content-type': type };
    const url = `${farm.url}${path}${query === '' ? '' : `?${query}`}`;
    const answer = await request(url, { method, headers, body, signal: AbortSignal.timeout(10_000) });
    await answer.body.dump();
    return { status: answer.statusCode, bytes: body.length };
  }
}

const floodLogs: Flood = async (farm, flooder) => {
  const { id, epoch } = flooder.task;
  const line = { at: new Date().toISOString(), stream: 'engine', line: 'x'.repeat(7000) };
  const body = Buffer.from(JSON.stringify({ epoch, lines: Array.from({ length: 1000 }, () => line) }));
  await flooder.pour(() =>
    flooder.send(farm, 'POST', `/v1/agent/tasks/${id}/log`, '', body, 'application/json'),
  );
};

const floodPreviews: Flood = async (farm, flooder) => {
  const { id, epoch } = flooder.task;
  const jpeg = Buffer.concat([
    Buffer.from([0xff, 0xd8, 0xff, 0xe0]),
    randomBytes(500_000),
    Buffer.from([0xff, 0xd9]),
  ]);
  await flooder.pour(() =>
    flooder.send(farm, 'PUT', `/v1/agent/tasks/${id}/preview`, `epoch=${epoch}`, jpeg, 'image/jpeg'),
  );
};

const floodSubmits: Flood = async (farm, flooder) => {
  // The largest jobs that there are, in the largest batches; for nobody, and with a template that is not there every time.
  const job = { template: 'not-there', inputs: { title: 'x'.repeat(5000) }, tags: ['nobody'] };
  const body = JSON.stringify({ jobs: Array.from({ length: 1000 }, () => job) });
  await flooder.pour(async () => {
    const answer = await request(`${farm.url}/v1/jobs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${farm.token}`, 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(10_000),
    });
    await answer.body.dump();
    return { status: answer.statusCode, bytes: body.length };
  });
};

const floodFollowers: Flood = async (farm, flooder) => {
  const { hostname, port } = new URL(farm.url);
  const open: Socket[] = [];
  for (let n = 0; n < FOLLOWERS; n += 1) {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    // Never read: what the server sends stays with it.
    socket.pause();
    socket.write(
      `GET /v1/events?log=true HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${farm.token}\r\naccept: text/event-stream\r\n\r\n`,
    );
    open.push(socket);
  }
  flooder.opened(open.length);
  while (flooder.isOn) await delay(50);
  for (const socket of open) socket.destroy();
};
