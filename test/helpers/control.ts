/** A control plane in this process, in a directory of its own, and signed requests to it. */
import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ControlConfigInput, ControlConfigSchema } from '../../src/config/control-schema.ts';
import { createFarmSecret, homePaths } from '../../src/config/home.ts';
import { makeToken } from '../../src/control/client-auth.ts';
import type { Control } from '../../src/control/context.ts';
import { type RunningControl, startControl } from '../../src/control/control.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { createLogger, type Logger } from '../../src/lib/logger.ts';
import type { Mesh } from '../../src/mesh/mesh.ts';
import type { EngineName } from '../../src/protocol/names.ts';
import { type SignatureHeaders, signRequest, verifyAnswer } from '../../src/protocol/signatures.ts';
import type { TokenRole } from '../../src/protocol/tokens.ts';
import type { Store } from '../../src/store/store.ts';
import { registration } from './registration.ts';

export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  // Tests look at what they know is there; a wrong guess fails them.
  // biome-ignore lint/suspicious/noExplicitAny: answers of every route
  readonly body: any;
}

export interface TestNode {
  readonly id: string;
  readonly secret: string;
}

export interface SignOptions {
  readonly method?: string;
  readonly query?: string;
  readonly secret?: string;
  readonly created?: number;
  readonly nonce?: string;
  /** Sent instead of what was signed. */
  readonly sentBody?: string;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

export interface TestControl extends AsyncDisposable {
  readonly directory: string;
  readonly clock: Clock;
  url: string;
  control: Control;
  /** An admin token. */
  readonly token: string;
  newToken(role: TokenRole, expiresAt?: number | null): Promise<{ token: string; id: string }>;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<TestAnswer>;
  addNode(id: string, engines?: EngineName[], more?: { tags?: string[] }): Promise<TestNode>;
  asNode(node: TestNode, path: string, body: unknown, options?: SignOptions): Promise<TestAnswer>;
  /** A template of the mock engine with a text and an image input. */
  addTemplate(name?: string, changes?: Record<string, unknown>): Promise<void>;
  submit(body?: Record<string, unknown>): Promise<string>;
  /** Closes it and starts it again on the same directory. */
  restart(): Promise<void>;
}

export interface TestControlOptions {
  readonly config?: ControlConfigInput;
  readonly clock?: Clock;
  readonly level?: 'silent' | 'debug';
  readonly logger?: Logger;
  readonly mesh?: Mesh;
  /** Opened anew for each start, instead of the configured one. */
  readonly openStore?: () => Store;
  /** The state directory of another control plane of the same farm: its farm secret is used. */
  readonly sameFarmAs?: string;
}

export async function startTestControl(options: TestControlOptions = {}): Promise<TestControl> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-control-'));
  const { sameFarmAs } = options;
  if (sameFarmAs === undefined) createFarmSecret(directory);
  else await copyFile(homePaths(sameFarmAs).farmSecret, homePaths(directory).farmSecret);
  const { gateway, ...rest } = options.config ?? {};
  const config = ControlConfigSchema.parse({ ...rest, gateway: { port: 0, ...gateway } });
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? createLogger({ level: options.level ?? 'silent' });
  const start = (): Promise<RunningControl> =>
    startControl({
      directory,
      config,
      clock,
      logger,
      mesh: options.mesh ?? null,
      store: options.openStore?.(),
    });
  let running = await start();
  const admin = makeToken({ name: 'test', role: 'admin', expiresAt: null }, clock.now());
  await running.control.store.createToken(admin.record);

  const test: TestControl = {
    directory,
    clock,
    url: running.url,
    control: running.control,
    token: admin.token,
    async newToken(role, expiresAt = null) {
      const { token, record } = makeToken({ name: role, role, expiresAt }, clock.now());
      await running.control.store.createToken(record);
      return { token, id: record.id };
    },
    async call(method, path, body, headers = {}) {
      const answer = await fetch(test.url + path, {
        method,
        headers: {
          authorization: `Bearer ${admin.token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      return readAnswer(answer);
    },
    async addNode(id, engines = ['mock'], more = {}) {
      const { body } = await test.call('POST', '/v1/nodes', { id });
      const node = { id, secret: body.secret };
      const registered = await test.asNode(
        node,
        '/v1/agent/register',
        registration(id, engines, more.tags ?? []),
      );
      if (registered.status !== 200) throw new Error(`register: ${JSON.stringify(registered.body)}`);
      return node;
    },
    async asNode(node, path, body, sign = {}) {
      const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
      const nonce = sign.nonce ?? randomBytes(16).toString('base64url');
      const headers = signed(node, path, text, { ...sign, nonce }, clock);
      const answer = await fetch(test.url + path + (sign.query ? `?${sign.query}` : ''), {
        method: sign.method ?? 'POST',
        headers: { ...headers, 'content-type': sign.contentType ?? 'application/json' },
        ...(sign.method === 'GET' ? {} : { body: sign.sentBody ?? text }),
        signal: sign.signal ?? null,
      });
      const raw = Buffer.from(await answer.arrayBuffer());
      // Whatever is said to a node whose signature held is signed.
      if (answer.status !== 401) {
        const { status } = answer;
        verifyAnswer(
          { status, headers: Object.fromEntries(answer.headers), body: raw },
          { nonce, secret: node.secret },
        );
      }
      return {
        status: answer.status,
        headers: answer.headers,
        body: raw.length === 0 ? null : JSON.parse(raw.toString()),
      };
    },
    async addTemplate(name = 'mock-template', changes = {}) {
      await running.control.store.putTemplate({
        name,
        version: '1.0.0',
        sha256: 'b'.repeat(64),
        sizeBytes: 10,
        manifest: { ...manifestOf(name), ...changes },
        pushedAt: clock.now(),
      });
      running.control.templates.changed();
    },
    async submit(body = {}) {
      const answer = await test.call('POST', '/v1/jobs', { template: 'mock-template', ...body });
      if (answer.status !== 201) throw new Error(`submit: ${JSON.stringify(answer.body)}`);
      return answer.body.jobs[0].id;
    },
    async restart() {
      await running.close();
      running = await start();
      test.url = running.url;
      test.control = running.control;
    },
    async [Symbol.asyncDispose]() {
      await running.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return test;
}

/** A completion for a claimed task; its output is put into the store by {@link finish}. */
export async function finish(
  test: TestControl,
  node: TestNode,
  task: { id: string; epoch: number },
): Promise<TestAnswer> {
  const key = `outputs/${task.id.split('.')[0]}/${task.id}-${task.epoch}/main.mp4`;
  const info = await test.control.objects.put(key, Buffer.from('not really a film'));
  return test.asNode(node, `/v1/agent/tasks/${task.id}/complete`, {
    epoch: task.epoch,
    result: {
      key,
      sha256: info.sha256,
      sizeBytes: info.sizeBytes,
      frames: 10,
      durationMs: 1000,
      width: 64,
      height: 64,
      codec: 'h264',
      renderMs: 5,
      overheadMs: 5,
    },
  });
}

/** A claim body. */
export function claimBody(waitMs = 0, claimId = randomBytes(8).toString('hex')): Record<string, unknown> {
  return { claimId, freeSlots: 1, waitMs };
}

export function signed(
  node: TestNode,
  path: string,
  body: string | Uint8Array,
  options: SignOptions,
  clock: Clock,
): SignatureHeaders {
  return signRequest(
    { method: options.method ?? 'POST', path, query: options.query ?? '' },
    body,
    { keyId: node.id, secret: options.secret ?? node.secret },
    {
      created: options.created ?? Math.floor(clock.now() / 1000),
      nonce: options.nonce ?? randomBytes(16).toString('base64url'),
    },
  );
}

export function manifestOf(name: string): Record<string, unknown> {
  return {
    schema: 1,
    name,
    version: '1.0.0',
    composition: { width: 64, height: 64, fps: 10, duration: 1 },
    inputs: { title: { type: 'text', default: 'hello' }, logo: { type: 'image' } },
    engines: { mock: {} },
    outputs: [{ name: 'main', container: 'mp4' }],
  };
}

async function readAnswer(answer: Response): Promise<TestAnswer> {
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json') === true;
  return {
    status: answer.status,
    headers: answer.headers,
    body: text !== '' && isJson ? JSON.parse(text) : text,
  };
}

/** Waits until something holds; gives up after 5 s of real time. */
export async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`not within 5 s: ${check}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
