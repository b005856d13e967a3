/** Submits, claims, completions and cancels without pause while a farm breaks and heals; every acknowledgement goes into a ledger. */
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from '../helpers/load-client.ts';
import type { ClaimedTask, NodeKey } from '../helpers/load-node.ts';
import { FaultClient, refusalOf } from './fault-client.ts';
import type { FaultFarm } from './fault-farm.ts';
import { Ledger } from './ledger.ts';

export interface LoadOptions {
  /** Nodes that complete without rendering; default 3. */
  readonly nodes?: number;
  /** Submits a second, at most; default 60. */
  readonly perSecond?: number;
  /** Each so-many-th job is for real agents (tag `real`); 0: none. Default 25. */
  readonly realEvery?: number;
  /** Jobs that wait at most; default 150. */
  readonly backlog?: number;
}

interface Upload {
  readonly epoch: number;
  readonly key: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

const RESULT = {
  frames: 30,
  durationMs: 1000,
  width: 64,
  height: 64,
  codec: 'h264',
  renderMs: 1,
  overheadMs: 1,
};
const RETRY_MS = 25;
// Longer than any fault that is healed: whoever has not got an answer by then never will.
const PATIENCE_MS = 120_000;

/** Load that runs until it is stopped. */
export class Load implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly #farm: FaultFarm;
  readonly #client: FaultClient;
  readonly #options: Required<LoadOptions>;
  readonly #workers: Promise<void>[] = [];
  readonly #uploads = new Map<string, Upload>();
  readonly #probe: NodeKey;
  readonly #said = new Map<string, { readonly at: number; readonly what: string }>();
  #isSubmitting = true;
  #isWorking = true;
  #isGivenUp = false;
  #names = 0;

  /** Creates its nodes and begins. */
  static async start(farm: FaultFarm, options: LoadOptions = {}): Promise<Load> {
    const load = new Load(farm, options, await farm.addNode('probe', ['probe']));
    await load.#begin();
    return load;
  }

  private constructor(farm: FaultFarm, options: LoadOptions, probe: NodeKey) {
    this.#farm = farm;
    this.#options = { nodes: 3, perSecond: 60, realEvery: 25, backlog: 150, ...options };
    this.#client = new FaultClient(farm.url, farm.token);
    this.#probe = probe;
  }

  async #begin(): Promise<void> {
    for (let n = 1; n <= this.#options.nodes; n += 1) {
      const node = await this.#farm.addNode(`load-${n}`, ['load']);
      this.#workers.push(this.#work(node));
    }
    for (let n = 0; n < 3; n += 1) this.#workers.push(this.#submit());
  }

  /** Resolves when so many more submits and completions were acknowledged. */
  async more(submits: number, completions = submits): Promise<void> {
    const { submitted, completed } = this.ledger;
    const wanted = [submitted.size + submits, completed.size + completions] as const;
    const giveUpAt = performance.now() + PATIENCE_MS;
    while (submitted.size < wanted[0] || completed.size < wanted[1]) {
      if (performance.now() > giveUpAt) throw new Error(`the farm acknowledges nothing any more`);
      await delay(5);
    }
  }

  /** Milliseconds from `since` (performance.now) until a new job was submitted, claimed, its output sent, and completed. */
  async recovered(since: number): Promise<number> {
    const giveUpAt = performance.now() + PATIENCE_MS;
    const name = this.#name();
    const until = async <T>(what: string, step: () => Promise<T | null>): Promise<T> => {
      let last: unknown;
      while (performance.now() < giveUpAt) {
        try {
          const value = await step();
          if (value !== null) return value;
        } catch (error) {
          last = error;
        }
        this.#refuseTheDead();
        await delay(10);
      }
      throw new Error(`no ${what} within ${PATIENCE_MS / 1000} s of the fault`, { cause: last });
    };
    await until('submit', () => this.#submitOnce(name, { template: 'quick', tags: ['probe'] }, 1000));
    const claimId = randomBytes(8).toString('hex');
    const task = await until('claim', () => this.#claimOnce(this.#probe, claimId, 400, 1000));
    await until('completion', async () => ((await this.#finish(this.#probe, task)) ? true : null));
    return performance.now() - since;
  }

  /** Milliseconds from `since` until a job for this very node, submitted after it, was rendered by the agent there. */
  async rendered(node: string, since: number, template: 'quick' | 'short' = 'quick'): Promise<number> {
    const name = this.#name();
    const giveUpAt = performance.now() + PATIENCE_MS;
    let id: string | null = null;
    let last: unknown;
    while (performance.now() < giveUpAt) {
      try {
        id ??= await this.#submitOnce(name, { template, node, fallback: false, priority: 100 });
        const job = id === null ? null : await this.#client.call('GET', `/v1/jobs/${id}`);
        last = job?.body;
        if (job?.body?.state === 'succeeded') return performance.now() - since;
      } catch (error) {
        last = error;
      }
      await delay(20);
    }
    throw new Error(
      `${node} rendered nothing within ${PATIENCE_MS / 1000} s of the fault: ${JSON.stringify(last)}`,
    );
  }

  /** Nobody starts a control plane that ended by itself: its last words are the error. */
  #refuseTheDead(): void {
    const { replicas } = this.#farm;
    if (replicas.some((replica) => replica.isRunning)) return;
    throw new Error(
      `it ended by itself:\n${replicas.map((replica) => replica.log().slice(-4000)).join('\n')}`,
    );
  }

  /** Submits nothing more; what was begun is brought to its end. The nodes go on until `close`. */
  async stop(): Promise<void> {
    this.#isSubmitting = false;
    await Promise.all(this.#workers.slice(this.#options.nodes));
  }

  /** Ends the nodes, too. */
  async close(): Promise<void> {
    await this.stop();
    this.#isWorking = false;
    await Promise.all(this.#workers);
    await this.#client.close();
  }

  /** What became of the last request of each node, for a farm that stands still. */
  nodesSaid(): string {
    const now = performance.now();
    return [...this.#said]
      .map(([id, { at, what }]) => `${id}: ${what}, ${Math.round(now - at)} ms ago`)
      .join('; ');
  }

  async #heard<T extends Answer>(node: NodeKey, what: string, asking: Promise<T>): Promise<T> {
    const note = (outcome: string): void => {
      this.#said.set(node.id, { at: performance.now(), what: `${what} → ${outcome}` });
    };
    try {
      const answer = await asking;
      note(refusalOf(answer));
      return answer;
    } catch (error) {
      note(String(error));
      throw error;
    }
  }

  /** Gives up whatever is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isGivenUp = true;
    // Before anything is waited for: a node that gives up each try at once would never let go of the event loop.
    this.#isWorking = false;
    await this.close();
  }

  #name(): string {
    this.#names += 1;
    return `job-${this.#names}`;
  }

  async #submit(): Promise<void> {
    const { perSecond, realEvery, backlog } = this.#options;
    const { ledger } = this;
    while (this.#isSubmitting) {
      const name = this.#name();
      const number = this.#names;
      const kind = number % 12 === 0 ? 'nobody' : realEvery > 0 && number % realEvery === 0 ? 'real' : 'load';
      const template = kind === 'real' ? 'short' : 'quick';
      const id = await this.#patiently(() => this.#submitOnce(name, { template, tags: [kind] }));
      if (id !== null && kind === 'nobody') await this.#cancel(id);
      await delay(3000 / perSecond);
      while (
        this.#isSubmitting &&
        ledger.submitted.size - ledger.completed.size - ledger.cancelled.size > backlog * 2
      )
        await delay(20);
    }
  }

  /** The job's id; null: not acknowledged. Each is submitted under a key, so that repeating it is harmless. */
  async #submitOnce(name: string, job: object, timeoutMs?: number): Promise<string | null> {
    const answer = await this.#client.call(
      'POST',
      '/v1/jobs',
      { ...job, name },
      { headers: { 'idempotency-key': name }, ...(timeoutMs === undefined ? {} : { timeoutMs }) },
    );
    const [accepted] = (answer.body?.jobs ?? []) as { id: string }[];
    if (answer.status >= 300 || accepted === undefined) return this.#refused('submit', answer);
    this.ledger.submit(accepted.id, name);
    return accepted.id;
  }

  async #cancel(id: string): Promise<void> {
    await this.#patiently(async () => {
      const answer = await this.#client.call('POST', `/v1/jobs/${id}/cancel`, {});
      // Over already: an earlier one arrived, whose answer was lost. No node takes these jobs.
      if (answer.status >= 300 && answer.status !== 409) return this.#refused('cancel', answer);
      this.ledger.cancel(id);
      return true;
    });
  }

  async #work(node: NodeKey): Promise<void> {
    while (this.#isWorking) {
      const claimId = randomBytes(8).toString('hex');
      // As agents do: the same claim again until there is an answer.
      let isAnswered = false;
      const task = await this.#patiently(
        async () => {
          const claimed = await this.#claimOnce(node, claimId, 200);
          isAnswered = claimed === null;
          return claimed;
        },
        () => isAnswered || !this.#isWorking,
      );
      if (task === null) continue;
      await this.#patiently(async () => ((await this.#finish(node, task)) ? true : null));
    }
  }

  async #claimOnce(
    node: NodeKey,
    claimId: string,
    waitMs: number,
    timeoutMs = waitMs + 2000,
  ): Promise<ClaimedTask | null> {
    const body = { claimId, freeSlots: 1, waitMs };
    const asking = this.#client.asNode(node, '/v1/agent/claim', body, { timeoutMs });
    const answer = await this.#heard(node, 'claim', asking);
    if (answer.status === 204) return null;
    if (answer.status !== 200) {
      this.#refused('claim', answer);
      throw new Error(refusalOf(answer));
    }
    return answer.body?.task as ClaimedTask;
  }

  /** Uploads and completes; false: not yet settled. A task that went elsewhere is settled, too. */
  async #finish(node: NodeKey, task: ClaimedTask): Promise<boolean> {
    const { id, jobId, epoch } = task;
    // What was uploaded stays so: after a lost answer only the report is repeated, as agents do.
    const result =
      this.#uploads.get(id)?.epoch === epoch ? this.#uploads.get(id) : await this.#upload(node, task);
    if (result === 'lost') return true;
    if (result === null || result === undefined) return false;
    this.#uploads.set(id, result);
    const { key, sha256, sizeBytes } = result;
    const report = { epoch, result: { ...RESULT, key, sha256, sizeBytes } };
    const asking = this.#client.asNode(node, `/v1/agent/tasks/${id}/complete`, report);
    const answer = await this.#heard(node, 'complete', asking);
    if (answer.status !== 200 && answer.status !== 409) return this.#refused('complete', answer) !== null;
    this.#uploads.delete(id);
    if (answer.status === 409) return this.#lost('complete', answer) === 'lost';
    this.ledger.complete({ taskId: id, jobId, epoch, node: node.id, key, sha256 });
    return true;
  }

  async #upload(node: NodeKey, task: ClaimedTask): Promise<Upload | 'lost' | null> {
    const body = Buffer.from(`output of ${task.id}, claim ${task.epoch}`);
    const sha256 = createHash('sha256').update(body).digest('hex');
    const place = await this.#client.asNode(node, `/v1/agent/tasks/${task.id}/uploads`, {
      epoch: task.epoch,
      fileName: 'main.mp4',
      sizeBytes: body.length,
      sha256,
    });
    if (place.status === 409) return this.#lost('upload', place);
    if (place.status !== 200) return this.#refused('upload', place);
    const { url, key, headers } = place.body as { url: string; key: string; headers: Record<string, string> };
    const put = await fetch(url, { method: 'PUT', headers, body, signal: AbortSignal.timeout(2000) });
    await put.arrayBuffer();
    if (!put.ok) return this.#refused('put', { status: put.status, body: null });
    return { epoch: task.epoch, key, sha256, sizeBytes: body.length };
  }

  #lost(what: string, answer: Answer): 'lost' {
    this.ledger.odd(`${what} ${refusalOf(answer)}`);
    return 'lost';
  }

  /** Refusals of a farm in trouble are its right (5xx, 429); others are odd. */
  #refused(what: string, answer: Answer): null {
    const isTrouble = answer.status === 429 || answer.status === 503 || answer.status === 507;
    if (!isTrouble) this.ledger.odd(`${what} ${refusalOf(answer)}`);
    return null;
  }

  /** Again until there is a value, or until it is over. */
  async #patiently<T>(step: () => Promise<T | null>, isOver = () => false): Promise<T | null> {
    const giveUpAt = performance.now() + PATIENCE_MS;
    while (performance.now() < giveUpAt && !this.#isGivenUp) {
      const value = await step().catch(() => null);
      if (value !== null || isOver()) return value;
      await delay(RETRY_MS);
    }
    return null;
  }
}
