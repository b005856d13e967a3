/**
 * The control plane as an agent sees it, in memory: real HTTP on port 0, real signatures, objects with ranges; and
 * faults on demand, which a real one does not offer.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { AgentSettings, ClaimAnswer, HeartbeatRequest } from '../../src/protocol/agent.ts';
import type { OutputSpec, TaskError, TaskResult } from '../../src/protocol/jobs.ts';
import { ROUTES, type RouteName } from '../../src/protocol/routes.ts';
import {
  digestMatches,
  parseRequestSignature,
  requestSignatureMatches,
  signAnswer,
} from '../../src/protocol/signatures.ts';

/** A request that arrived, its signature checked. */
export interface FakeCall {
  /** null: an object or nothing of the contract. */
  readonly route: RouteName | null;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingMessage['headers'];
  readonly taskId: string | null;
  readonly bytes: Buffer;
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON came; tests look into it.
  readonly body: any;
}

/** Answers instead of the fake; returns whether it did. */
export type Fault = (call: FakeCall, response: ServerResponse) => boolean;

export interface FakeTask {
  readonly id: string;
  epoch: number;
  state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  claimId: string | null;
  result: TaskResult | null;
  error: TaskError | null;
  readonly claim: (epoch: number) => ClaimAnswer;
}

export interface FakeControl extends AsyncDisposable {
  readonly url: string;
  readonly nodeId: string;
  readonly secret: string;
  readonly calls: FakeCall[];
  readonly faults: Fault[];
  readonly objects: Map<string, Buffer>;
  readonly tasks: Map<string, FakeTask>;
  /** Sent with register; change it before the agent starts. */
  settings: AgentSettings;
  isDraining: boolean;
  /** Stores an object and returns where it is. */
  putObject(key: string, bytes: Buffer): { url: string; sha256: string; sizeBytes: number };
  addTask(task: NewFakeTask): FakeTask;
  callsOf(route: RouteName): FakeCall[];
  /** Resolves as soon as the condition holds; looked at after every call. */
  until<T>(what: string, condition: () => T | undefined | false | null, timeoutMs?: number): Promise<T>;
  /** Cuts every connection and refuses new ones. */
  goDown(): Promise<void>;
  /** Back on the same port. */
  comeBack(): Promise<void>;
}

export interface NewFakeTask {
  readonly id: string;
  readonly bundle: Buffer;
  readonly engine?: 'mock' | 'lottie' | 'ffmpeg';
  readonly inputs?: ClaimAnswer['task']['inputs'];
  readonly assets?: ClaimAnswer['assets'];
  readonly output?: Partial<OutputSpec>;
}

/** A small video, as most tests want it. */
export const SMALL_OUTPUT: OutputSpec = {
  name: 'small',
  container: 'mp4',
  width: 64,
  height: 36,
  fps: 10,
  durationSeconds: 1,
  durationFrom: null,
  atSeconds: null,
  fit: 'contain',
  background: '#000000',
  quality: 30,
};

/** Starts it; dispose to stop. */
export async function startFakeControl(): Promise<FakeControl> {
  const fake = new Fake();
  await fake.comeBack();
  return fake;
}

class Fake implements FakeControl {
  readonly nodeId = 'studio-1';
  readonly secret = 'c2VjcmV0LW9mLXRoZS1ub2RlLWluLXRlc3Rz';
  readonly calls: FakeCall[] = [];
  readonly faults: Fault[] = [];
  readonly objects = new Map<string, Buffer>();
  readonly tasks = new Map<string, FakeTask>();
  isDraining = false;
  settings: AgentSettings = {
    serverTime: new Date().toISOString(),
    heartbeatMs: 200,
    leaseMs: 60_000,
    claimWaitMs: 5_000,
    previewMs: 50,
    keepRenderingMs: 900_000,
  };
  #server: Server | undefined;
  #port = 0;
  readonly #nonces = new Set<string>();
  readonly #watchers = new Set<() => void>();

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  putObject(key: string, bytes: Buffer) {
    this.objects.set(key, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { url: `${this.url}/objects/${key}?sig=secret-of-${key.length}`, sha256, sizeBytes: bytes.length };
  }

  addTask(task: NewFakeTask): FakeTask {
    const sha256 = createHash('sha256').update(task.bundle).digest('hex');
    const bundle = this.putObject(`bundles/${sha256}.zip`, task.bundle);
    const added: FakeTask = {
      id: task.id,
      epoch: 0,
      state: 'queued',
      claimId: null,
      result: null,
      error: null,
      claim: (epoch) => ({
        task: {
          id: task.id,
          jobId: task.id.split('.')[0] ?? '',
          epoch,
          engine: task.engine ?? 'mock',
          template: 'test-card',
          version: '1.0.0',
          inputs: task.inputs ?? {},
          output: { ...SMALL_OUTPUT, ...task.output },
        },
        leaseUntil: new Date(Date.now() + 60_000).toISOString(),
        bundle,
        assets: task.assets ?? [],
      }),
    };
    this.tasks.set(task.id, added);
    this.#changed();
    return added;
  }

  callsOf(route: RouteName): FakeCall[] {
    return this.calls.filter((call) => call.route === route);
  }

  async until<T>(
    what: string,
    condition: () => T | undefined | false | null,
    timeoutMs = 20_000,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const check = () => {
      const value = condition();
      if (value) resolve(value);
    };
    const timer = setTimeout(() => {
      const seen = this.calls
        .slice(-15)
        .map((call) => `${call.method} ${call.path} ${call.bytes.toString().slice(0, 300)}`);
      reject(new Error(`not within ${timeoutMs} ms: ${what}\n${seen.join('\n')}`));
    }, timeoutMs);
    this.#watchers.add(check);
    check();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(check);
    }
  }

  async goDown(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  async comeBack(): Promise<void> {
    if (this.#server) return;
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500).end(String(error));
      });
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.goDown();
  }

  #changed(): void {
    for (const check of [...this.#watchers]) check();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const method = request.method ?? '';
    const route = routeOf(method, path);
    const taskId = /^\/v1\/agent\/tasks\/([^/]+)\//.exec(path)?.[1] ?? null;
    const body = request.headers['content-type'] === 'application/json' ? JSON.parse(bytes.toString()) : null;
    const call: FakeCall = { route, method, path, query, headers: request.headers, taskId, bytes, body };
    this.calls.push(call);
    try {
      if (this.faults.some((fault) => fault(call, response))) return;
      if (path.startsWith('/objects/')) return this.#object(call, response);
      const nonce = this.#authenticate(call);
      await this.#agentRoute(call, response, nonce);
    } finally {
      this.#changed();
    }
  }

  #authenticate(call: FakeCall): string {
    const { method, path, query, headers, bytes } = call;
    const { nonce, keyId } = parseRequestSignature(headers);
    if (keyId !== this.nodeId || this.#nonces.has(nonce)) throw new Error('unknown node or replayed nonce');
    if (!requestSignatureMatches({ method, path, query }, headers, this.secret))
      throw new Error('wrong signature');
    if (!digestMatches(bytes, headers)) throw new Error('wrong digest');
    this.#nonces.add(nonce);
    return nonce;
  }

  async #agentRoute(call: FakeCall, response: ServerResponse, nonce: string): Promise<void> {
    const send = (status: number, value?: unknown) => this.answer(response, nonce, status, value);
    try {
      if (call.route === 'claim') {
        const task = await this.#claim(call.body, response);
        return task ? send(200, task.claim(task.epoch)) : send(204);
      }
      const value = this.#handle(call);
      return value === undefined ? send(204) : send(200, value);
    } catch (error) {
      if (!(error instanceof FlatrenderError)) throw error;
      return send(error.status, { error: error.toBody() });
    }
  }

  /** Writes a signed answer. */
  answer(response: ServerResponse, nonce: string, status: number, value?: unknown): void {
    const body = value === undefined ? '' : JSON.stringify(value);
    const key = { keyId: this.nodeId, secret: this.secret };
    const signed = signAnswer(status, body, key, { created: Math.floor(Date.now() / 1000), nonce });
    response.writeHead(status, { ...signed, 'content-type': 'application/json' }).end(body);
  }

  async #claim(
    body: { claimId: string; waitMs: number },
    response: ServerResponse,
  ): Promise<FakeTask | null> {
    const find = (): FakeTask | undefined => {
      const all = [...this.tasks.values()];
      const again = all.find((task) => task.state === 'running' && task.claimId === body.claimId);
      if (again || response.destroyed) return again;
      const task = all.find((candidate) => candidate.state === 'queued');
      if (!task) return undefined;
      task.state = 'running';
      task.epoch += 1;
      task.claimId = body.claimId;
      return task;
    };
    return await this.until(
      'a task',
      () => find() ?? (response.destroyed ? (null as never) : undefined),
      Math.max(1, body.waitMs),
    ).catch(() => null);
  }

  #handle(call: FakeCall): unknown {
    const { route, body } = call;
    const now = new Date().toISOString();
    if (route === 'register') return { ...this.settings, serverTime: now };
    if (route === 'heartbeat') return this.#heartbeat(body, now);
    const epoch = route === 'preview' ? Number(new URLSearchParams(call.query).get('epoch')) : body.epoch;
    const task = this.#held(call.taskId ?? '', epoch);
    const report = { taskId: task.id, state: task.state, epoch: task.epoch };
    switch (route) {
      case 'taskUploads': {
        const key = `outputs/${task.id}-${epoch}/${body.fileName}`;
        return { key, url: `${this.url}/objects/${key}?sig=secret`, headers: { 'x-sha256': body.sha256 } };
      }
      case 'complete':
        if (!this.objects.has(body.result.key))
          throw new FlatrenderError('OUTPUT_INVALID', 'the output is not there');
        task.state = 'succeeded';
        task.result = body.result;
        return { ...report, state: task.state };
      case 'fail':
        task.state = 'failed';
        task.error = body.error;
        return { ...report, state: task.state };
      case 'release':
        task.state = 'queued';
        return { ...report, state: task.state };
      default:
        return undefined;
    }
  }

  #heartbeat(body: HeartbeatRequest, now: string): unknown {
    const cancel: { taskId: string; epoch: number }[] = [];
    const lost: { taskId: string; epoch: number }[] = [];
    for (const { taskId, epoch } of body.leases) {
      const task = this.tasks.get(taskId);
      if (task?.state === 'cancelled') cancel.push({ taskId, epoch });
      else if (task?.epoch !== epoch || task.state === 'failed') lost.push({ taskId, epoch });
      else if (task.state === 'queued') task.state = 'running';
    }
    return { serverTime: now, nextMs: this.settings.heartbeatMs, cancel, lost, drain: this.isDraining };
  }

  #held(id: string, epoch: number): FakeTask {
    const task = this.tasks.get(id);
    if (!task) throw new FlatrenderError('TASK_NOT_FOUND', `there is no task ${id}`);
    if (task.epoch === epoch && task.state !== 'cancelled' && task.state !== 'failed') return task;
    throw new FlatrenderError('LEASE_LOST', `${id} is ${task.state}`, {
      details: { state: task.state, epoch: task.epoch },
    });
  }

  #object(call: FakeCall, response: ServerResponse): void {
    const key = call.path.slice('/objects/'.length);
    if (call.method === 'PUT') {
      this.objects.set(key, call.bytes);
      response.writeHead(200).end();
      return;
    }
    const bytes = this.objects.get(key);
    if (!bytes) {
      const error = new FlatrenderError('OBJECT_NOT_FOUND', `there is no object ${key}`);
      response
        .writeHead(404, { 'content-type': 'application/json' })
        .end(JSON.stringify({ error: error.toBody() }));
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(call.headers.range ?? '')?.[1] ?? 0);
    const part = bytes.subarray(from);
    const range = from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': part.length, ...range }).end(part);
  }
}

function routeOf(method: string, path: string): RouteName | null {
  for (const [name, route] of Object.entries(ROUTES)) {
    const pattern = new RegExp(`^${route.path.replace(/:[a-z]+/g, '[^/]+').replace('*', '.+')}$`);
    if (route.method === method && pattern.test(path)) return name as RouteName;
  }
  return null;
}
