import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { farmEvents } from '../../../src/client/events.ts';

/** A server that answers the n-th connection with the n-th function. */
async function serve(
  t: TestContext,
  ...answers: ((response: ServerResponse, request: IncomingMessage) => void)[]
): Promise<{ url: string; lastIds: (string | undefined)[]; paths: (string | undefined)[] }> {
  const lastIds: (string | undefined)[] = [];
  const paths: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const answer = answers[Math.min(lastIds.length, answers.length - 1)];
    lastIds.push(request.headers['last-event-id'] as string | undefined);
    paths.push(request.url);
    answer?.(response, request);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, lastIds, paths };
}

const event = (id: string, data: unknown) => `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
const removed = (id: string) => ({ type: 'node.removed', id });
const open = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' });

test('the stream begins with reset and goes on where it was after a cut', async (t) => {
  const { url, lastIds, paths } = await serve(
    t,
    (response) => {
      open(response).write(`retry: 1\n\n${event('b-1', removed('n1'))}`);
      setImmediate(() => response.destroy());
    },
    (response) => void open(response).write(event('b-2', removed('n2'))),
  );
  const seen = [];
  const cuts: string[] = [];
  for await (const each of farmEvents(
    { url },
    { jobs: ['j1', 'j2'], nodes: true, onDisconnect: (error) => cuts.push(error.code) },
  )) {
    seen.push(each);
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, [{ type: 'reset', reason: 'connected' }, removed('n1'), removed('n2')]);
  assert.deepEqual(lastIds, [undefined, 'b-1']);
  assert.deepEqual(cuts, ['UNREACHABLE']);
  assert.equal(paths[0], '/v1/events?job=j1&job=j2&nodes=1');
});

test('an id without data is remembered too', async (t) => {
  const { url, lastIds } = await serve(
    t,
    (response) => {
      open(response).write('retry: 1\n\nid: b-7\n\n');
      setImmediate(() => response.destroy());
    },
    (response) => void open(response).write(event('b-8', removed('n'))),
  );
  for await (const each of farmEvents({ url })) if (each.type === 'node.removed') break;
  assert.deepEqual(lastIds, [undefined, 'b-7']);
});

test('a connection that falls silent is opened anew', async (t) => {
  const { url } = await serve(
    t,
    (response) => void open(response).write('retry: 1\n\nid: b-1\n\n'),
    (response) => void open(response).write(event('b-2', removed('n'))),
  );
  for await (const each of farmEvents({ url }, { silenceMs: 50 })) if (each.type === 'node.removed') return;
});

test('a refusal ends it, at first and after a cut', async (t) => {
  const refuse = (response: ServerResponse) =>
    void response
      .writeHead(401)
      .end(JSON.stringify({ error: { code: 'TOKEN_INVALID', message: 'revoked' } }));
  const first = await serve(t, refuse);
  await assert.rejects(farmEvents({ url: first.url }).next(), { code: 'TOKEN_INVALID' });
  const later = await serve(
    t,
    (response) => {
      open(response).write('retry: 1\n\n');
      setImmediate(() => response.destroy());
    },
    refuse,
  );
  await assert.rejects(
    async () => {
      for await (const _ of farmEvents({ url: later.url }));
    },
    { code: 'TOKEN_INVALID' },
  );
});

test('told to wait at first, it waits as long and goes on', async (t) => {
  const { url } = await serve(
    t,
    (response) =>
      void response
        .writeHead(429, { 'retry-after': '1' })
        .end(JSON.stringify({ error: { code: 'RATE_LIMITED', message: 'too much' } })),
    (response) => void open(response).write(event('b-1', removed('n'))),
  );
  const told: string[] = [];
  const started = performance.now();
  for await (const each of farmEvents({ url }, { onDisconnect: (error) => told.push(error.code) }))
    if (each.type === 'node.removed') break;
  assert.ok(performance.now() - started >= 990);
  assert.deepEqual(told, ['RATE_LIMITED']);
});

test('an abort ends it with its reason', async (t) => {
  const { url } = await serve(t, (response) => void open(response).write(': hello\n\n'));
  const controller = new AbortController();
  const reason = new Error('enough');
  await assert.rejects(async () => {
    for await (const each of farmEvents({ url }, { signal: controller.signal })) {
      if (each.type === 'reset') controller.abort(reason);
    }
  }, reason);
});
