/** Every route with nearly valid requests: it answers with a code or does what was asked, and a refusal changes nothing. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import fc from 'fast-check';
import { ERROR_CODES } from '../../src/lib/errors.ts';
import { ROUTES, type RouteName } from '../../src/protocol/routes.ts';
import { claimBody, signed, startTestControl, type TestControl, type TestNode } from '../helpers/control.ts';
import { registration } from '../helpers/registration.ts';
import { mutated, oddValue } from './mutate.ts';

const sha256 = createHash('sha256').update('x').digest('hex');
const asset = { asset: sha256, name: 'logo.png', sizeBytes: 1 };
const result = {
  ...{ key: 'outputs/j/j.0-1/main.mp4', sha256, sizeBytes: 1, frames: 1, durationMs: 1 },
  ...{ width: 2, height: 2, codec: 'h264', renderMs: 1, overheadMs: 1 },
};
const error = { code: 'ENGINE_FAILED', message: 'x', hint: 'y', retryable: true, details: { a: 1 } };
const lines = [{ at: '2026-01-01T00:00:00Z', stream: 'engine', line: 'frame 1' }];
const job = {
  template: 'mock-template',
  inputs: { title: 'x', logo: asset },
  outputs: ['main'],
  priority: 5,
  tags: ['a'],
};

/** A valid request of each route; a route without one does not compile. */
export const VALID: Readonly<
  Record<RouteName, { readonly body?: unknown; readonly query?: Record<string, string> }>
> = {
  health: {},
  metrics: {},
  openapi: {},
  register: { body: registration('n1', ['mock']) },
  hello: {},
  claim: { body: claimBody() },
  heartbeat: {
    body: {
      leases: [{ taskId: 'j.0', epoch: 1, phase: 'render', frame: 1, frames: 10, fps: 1 }],
      system: null,
    },
  },
  preview: { body: '\xff\xd8\xff', query: { epoch: '1' } },
  taskLog: { body: { epoch: 1, lines } },
  taskUploads: { body: { epoch: 1, fileName: 'main.mp4', sizeBytes: 1, sha256, parts: true } },
  complete: { body: { epoch: 1, result } },
  fail: { body: { epoch: 1, error } },
  release: { body: { epoch: 1, reason: 'stopping' } },
  whoami: {},
  submit: { body: { jobs: [job, { template: 'mock-template', webhook: 'https://example.com/x' }] } },
  jobs: { query: { state: 'queued', limit: '10', before: 'j' } },
  job: {},
  cancelJob: {},
  retryJob: {},
  jobLog: { query: { after: '0' } },
  jobLogFiles: {},
  jobPreview: {},
  jobOutput: {},
  enrol: { body: { publicKey: 'A'.repeat(43) } },
  nodes: {},
  node: {},
  createNode: { body: { id: 'victim', name: 'Victim', rotate: true } },
  inviteNode: { body: {} },
  drainNode: {},
  resumeNode: {},
  removeNode: {},
  templates: {},
  template: { query: { version: '1.0.0' } },
  pushTemplate: { body: { sha256 } },
  removeTemplate: { query: { version: '1.0.0' } },
  uploads: { body: { kind: 'asset', sha256, sizeBytes: 1, parts: true } },
  tokens: {},
  createToken: { body: { name: 'x', role: 'read', expiresInSeconds: 60 } },
  revokeToken: {},
  webhooks: { query: { state: 'failed', limit: '10' } },
  webhookSecret: {},
  rotateWebhookSecret: { body: {} },
  testWebhook: { body: { url: 'http://127.0.0.1:9/' } },
  replayFailedWebhooks: { body: {} },
  webhook: {},
  replayWebhook: {},
  backup: {},
  audit: { query: { limit: '5', since: '2026-01-01T00:00:00Z', actor: 'test' } },
  hooks: {},
  createHook: { body: { name: 'n8n', template: 'mock-template', map: { title: 'title' } } },
  removeHook: {},
  testHook: { body: { title: 'x', logo: 'logo.png' } },
  runHook: { body: { title: 'x', logo: sha256 } },
  events: { query: { job: 'j' } },
  getObject: { query: { expires: '1', signature: 'x' } },
  putObject: { body: 'bytes', query: { expires: '1', signature: 'x' } },
};

/** A farm to attack, and what is worth keeping of it. */
export interface Target extends AsyncDisposable {
  readonly farm: TestControl;
  readonly node: TestNode;
  readonly ids: readonly string[];
}

export async function openTarget(): Promise<Target> {
  const limits = {
    nodeRequestsPerSecond: 0,
    nodeBytesPerSecond: 0,
    tokenRequestsPerSecond: 0,
    refusedPerSecond: 0,
  };
  // Nothing happens by itself: what changes was changed by a request.
  const leases = { suspectSeconds: 600, leaseSeconds: 3000, offlineSeconds: 3600 };
  const agents = { claimWaitSeconds: 0 };
  const farm = await startTestControl({ config: { limits, leases, agents } });
  await using undo = new AsyncDisposableStack();
  undo.use(farm);
  await farm.addTemplate();
  const node = await farm.addNode('n1');
  const victim = await farm.addNode('victim');
  await farm.call('POST', '/v1/hooks', { name: 'n8n', template: 'mock-template' });
  await farm.submit();
  const first = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body.task;
  await farm.submit();
  const foreign = (await farm.asNode(victim, '/v1/agent/claim', claimBody())).body.task;
  const queued = await farm.submit();
  const ids = [first.id, first.jobId, foreign.id, foreign.jobId, queued, 'victim', 'mock-template', 'n8n'];
  undo.move();
  return { farm, node, ids, [Symbol.asyncDispose]: () => farm[Symbol.asyncDispose]() };
}

/** One request as it goes out. */
export interface Attack {
  readonly param: string;
  readonly query: readonly (readonly [string, string])[];
  readonly body: unknown;
  readonly bytes: 'json' | 'truncated' | 'invalid-utf8' | 'bom' | 'twice' | 'empty';
  readonly contentType: string | null;
  readonly extra: readonly (readonly [string, string])[];
  readonly auth: 'right' | 'none' | 'wrong';
}

const text = fc.oneof(
  fc.constantFrom(
    '',
    '.',
    '..',
    '%00',
    '%2e%2e',
    '%zz',
    '%ff',
    'a/b',
    '__proto__',
    '*',
    'x'.repeat(500),
    '0',
    '-1',
    '99999999999999999999',
  ),
  oddValue
    .filter((value) => typeof value === 'string')
    .map((value) => encodeURIComponent((value as string).toWellFormed().slice(0, 400))),
);

const headerPair = fc.tuple(
  fc.constantFrom(
    'authorization',
    'content-encoding',
    'idempotency-key',
    'last-event-id',
    'range',
    'if-none-match',
    'if-range',
    'x-forwarded-for',
    'x-hook-token',
    'accept',
    'cookie',
    'traceparent',
    'expect',
    'x',
  ),
  fc.oneof(
    fc.constantFrom(
      '',
      'gzip',
      'bytes=0-',
      'bytes=-0',
      'bytes=5-1,2-3',
      '*',
      '0',
      '-1',
      '1e9',
      'é',
      '1:2:3',
      '9'.repeat(400),
      'Bearer fr_x',
      '100-continue',
      '::1, 10.0.0.1',
    ),
    fc.string({ maxLength: 30 }).map((value) => value.replace(/[^\x20-\x7e]/g, '')),
  ),
);

/** Nearly valid requests of a route. */
export function attacks(name: RouteName, ids: readonly string[]): fc.Arbitrary<Attack> {
  const valid = VALID[name];
  const pairs = Object.entries(valid.query ?? {});
  return fc.record({
    param: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...ids) }, { weight: 1, arbitrary: text }),
    query: fc.oneof(
      fc.constant(pairs),
      fc.array(
        fc.tuple(
          fc.oneof(
            fc.constantFrom('limit', 'before', 'after', 'state', 'token', ...pairs.map(([key]) => key)),
            text,
          ),
          text,
        ),
        { maxLength: 4 },
      ),
    ),
    body: mutated(valid.body ?? {}),
    bytes: fc.oneof(
      { weight: 12, arbitrary: fc.constant('json' as const) },
      {
        weight: 3,
        arbitrary: fc.constantFrom(
          'truncated' as const,
          'invalid-utf8' as const,
          'bom' as const,
          'twice' as const,
          'empty' as const,
        ),
      },
    ),
    contentType: fc.oneof(
      { weight: 12, arbitrary: fc.constant(name === 'preview' ? 'image/jpeg' : 'application/json') },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          'application/json; charset=utf-16',
          'text/plain',
          'multipart/form-data; boundary=x',
          'image/jpeg',
          'x',
          null,
        ),
      },
    ),
    extra: fc.array(headerPair, { maxLength: 2 }),
    auth: fc.oneof(
      { weight: 12, arbitrary: fc.constant('right' as const) },
      { weight: 1, arbitrary: fc.constantFrom('none' as const, 'wrong' as const) },
    ),
  });
}

function bytesOf({ body, bytes }: Attack): Buffer {
  const json = Buffer.from(
    typeof body === 'string' ? body : (JSON.stringify(body) ?? ''),
    typeof body === 'string' ? 'latin1' : 'utf8',
  );
  if (bytes === 'truncated') return json.subarray(0, Math.floor(json.length / 2));
  if (bytes === 'invalid-utf8') return Buffer.concat([json, Buffer.from([0xff, 0xc0, 0x80])]);
  if (bytes === 'bom') return Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), json]);
  if (bytes === 'twice') return Buffer.concat([json, json]);
  return bytes === 'empty' ? Buffer.alloc(0) : json;
}

interface Reply {
  readonly status: number;
  readonly text: string;
}

/** Sends it and checks the answer; the reply for more checks. */
export async function attack(target: Target, name: RouteName, sent: Attack): Promise<Reply> {
  const { farm, node } = target;
  const { method, auth } = ROUTES[name];
  const path = ROUTES[name].path.replace(/:[a-z]+|\*/, sent.param);
  const query = sent.query.map(([key, value]) => `${key}=${value}`).join('&');
  const body = method === 'GET' || method === 'DELETE' ? Buffer.alloc(0) : bytesOf(sent);
  const headers: string[] = ['host', new URL(farm.url).host, 'connection', 'close'];
  if (sent.contentType !== null && body.length > 0) headers.push('content-type', sent.contentType);
  if (method !== 'GET') headers.push('content-length', String(body.length));
  const isSigned = auth === 'node' || auth === 'invitation';
  if (sent.auth !== 'none' && isSigned) {
    const by = sent.auth === 'wrong' ? { ...node, secret: randomBytes(32).toString('hex') } : node;
    headers.push(...Object.entries(signed(by, path, body, { method, query }, farm.clock)).flat());
  } else if (sent.auth !== 'none') {
    headers.push('authorization', `Bearer ${sent.auth === 'wrong' ? `fr_${'x'.repeat(43)}` : farm.token}`);
  }
  for (const pair of sent.extra) headers.push(...pair);
  const before = await stateOf(farm);
  const reply = await send(farm.url, {
    method,
    path: query === '' ? path : `${path}?${query}`,
    headers,
    body,
  });
  check(farm, reply);
  if (reply.status >= 400)
    assert.deepEqual(
      await stateOf(farm),
      before,
      `${name} was refused (${reply.status}) and changed something`,
    );
  return reply;
}

function check(farm: TestControl, { status, text: answer }: Reply): void {
  if (status === 0) return;
  assert.ok(status < 500 || status === 503 || status === 507, `${status} ${answer}`);
  assert.ok(
    !answer.includes(farm.directory) && !/node_modules|\n +at |\.ts:\d/.test(answer),
    answer.slice(0, 2000),
  );
  if (status < 400) return;
  const { error: refusal } = JSON.parse(answer) as { error: Record<string, unknown> };
  assert.ok(Object.hasOwn(ERROR_CODES, String(refusal.code)), answer);
  assert.equal(typeof refusal.message, 'string');
  assert.ok(answer.length < 20_000, `a refusal of ${answer.length} characters`);
}

/** What a refused request must leave as it is. */
async function stateOf(farm: TestControl): Promise<unknown> {
  const { store } = farm.control;
  const [jobs, nodes, tokens, templates, hooks] = await Promise.all([
    store.listJobs({ limit: 5 }),
    store.listNodes(),
    store.listTokens(),
    store.listTemplates(),
    farm.call('GET', '/v1/hooks').then(({ body }) => body.hooks.length),
  ]);
  return {
    jobs,
    nodes: nodes.map(({ id, intent, generation, quarantine }) => ({ id, intent, generation, quarantine })),
    tokens: tokens.map(({ id }) => id),
    templates,
    hooks,
  };
}

function send(
  base: string,
  { method, path, headers, body }: { method: string; path: string; headers: string[]; body: Buffer },
): Promise<Reply> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: hostname, port, method, path, headers, agent: false }, (answer) => {
      const status = answer.statusCode ?? 0;
      let received = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        received += chunk;
        // A stream that goes on: it began, that is all there is to see.
        if (status === 200 && (answer.headers['content-type'] ?? '').startsWith('text/event-stream'))
          outgoing.destroy();
      });
      answer.on('close', () => resolve({ status, text: received }));
    });
    outgoing.setTimeout(20_000, () =>
      outgoing.destroy(new Error(`no answer within 20 s: ${method} ${path}`)),
    );
    outgoing.on('error', (cause: NodeJS.ErrnoException) =>
      // Refused while the body was still being written.
      cause.code === 'ECONNRESET' || cause.code === 'EPIPE'
        ? resolve({ status: 0, text: '' })
        : reject(cause),
    );
    outgoing.end(body);
  });
}
