import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createApi } from '../../../src/client/api.ts';
import { callJson } from '../../../src/client/http.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const errorBody = (code: string, message: string, extra = {}) =>
  JSON.stringify({ error: { code, message, ...extra } });

test('a call carries the token, the query and JSON, and returns the answer', async (t) => {
  const seen: unknown[] = [];
  const url = await serve(t, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { authorization, 'content-type': type } = request.headers;
    seen.push([request.method, request.url, authorization, type, body]);
    response.end('{"ok":true}');
  });
  const answer = await callJson(
    { url, token: 'fr_x' },
    { method: 'POST', path: '/v1/x', query: { a: ['1', '2'], b: undefined, c: 'ä&' }, body: { n: 1 } },
  );
  assert.deepEqual(answer, { ok: true });
  assert.deepEqual(seen, [
    ['POST', '/v1/x?a=1&a=2&c=%C3%A4%26', 'Bearer fr_x', 'application/json', '{"n":1}'],
  ]);
});

test('an empty answer is undefined', async (t) => {
  const url = await serve(t, (_request, response) => response.writeHead(204).end());
  assert.equal(await callJson({ url }, { method: 'DELETE', path: '/' }), undefined);
});

test("the control plane's error arrives with code, hint and details", async (t) => {
  const url = await serve(t, (_request, response) =>
    response
      .writeHead(404)
      .end(errorBody('JOB_NOT_FOUND', 'there is no job x', { hint: 'look', details: { id: 'x' } })),
  );
  await assert.rejects(createApi({ url }).getJob('x'), {
    code: 'JOB_NOT_FOUND',
    message: 'there is no job x',
    hint: 'look',
    details: { id: 'x' },
    exit: 1,
  });
});

test('a refused token says how to log in', async (t) => {
  const url = await serve(t, (_request, response) =>
    response.writeHead(401).end(errorBody('TOKEN_INVALID', 'no such token')),
  );
  await assert.rejects(createApi({ url }).whoami(), {
    code: 'TOKEN_INVALID',
    hint: /flatrender login/,
    exit: 2,
  });
});

test('a server that is no control plane is called that', async (t) => {
  const url = await serve(t, (_request, response) => response.end('<html>'));
  await assert.rejects(createApi({ url }).whoami(), {
    code: 'UNREACHABLE',
    message: /is not a flatrender control plane/,
  });
  const other = await serve(t, (_request, response) => response.writeHead(404).end('not found'));
  await assert.rejects(createApi({ url: other }).whoami(), {
    message: /is not a flatrender control plane: it answered 404/,
  });
});

test('an answer of another server, or none, is told from one of a control plane', async (t) => {
  const answers: RequestListener[] = [
    (_request, response) => response.writeHead(204).end(),
    (_request, response) => response.end('{"status":"ok"}'),
    (_request, response) => response.end('null'),
    (_request, response) => response.end('[]'),
  ];
  for (const listener of answers) {
    const api = createApi({ url: await serve(t, listener) });
    const calls = [
      () => api.health(),
      () => api.whoami(),
      () => api.listJobs(),
      () => api.getJob('j1'),
      () => api.cancelJob('j1'),
      () => api.jobPreview('j1'),
      () => api.listNodes(),
      () => api.listTemplates(),
      () => api.submit({ template: 'x' }),
      () => api.webhookSecret(),
      () => api.audit({ limit: 1 }),
      () => api.backup(),
    ];
    for (const call of calls)
      await assert.rejects(call(), {
        code: 'UNREACHABLE',
        message: /is not a flatrender control plane: it/,
        exit: 1,
      });
  }
  // Nothing is the right answer to these: who gave it is asked.
  for (const listener of answers.slice(0, 2)) {
    const api = createApi({ url: await serve(t, listener) });
    for (const call of [() => api.revokeToken('t'), () => api.removeHook('h'), () => api.removeNode('n')])
      await assert.rejects(call(), { message: /is not a flatrender control plane: it answered/ });
  }
});

test('a call that was one too many waits its turn, however often it is told to', async (t) => {
  let requests = 0;
  const url = await serve(t, (_request, response) => {
    requests += 1;
    if (requests < 7)
      return void response.writeHead(429, { 'retry-after': '0' }).end(errorBody('RATE_LIMITED', 'too much'));
    response.end('{"id":"j1","state":"cancelled"}');
  });
  t.mock.method(Math, 'random', () => 0);
  assert.equal((await createApi({ url }).cancelJob('j1')).state, 'cancelled');
  assert.equal(requests, 7);
});

test('nobody listening: UNREACHABLE at once, with the address and what to do', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise((resolve) => server.close(resolve));
  const started = performance.now();
  await assert.rejects(createApi({ url }).whoami(), {
    code: 'UNREACHABLE',
    message: `cannot reach the control plane at ${url}: nothing listens there`,
    hint: 'run "flatrender doctor"',
  });
  assert.ok(performance.now() - started < 400);
  t.diagnostic('no retries');
});

test('idempotent calls are tried again, others are not', async (t) => {
  let requests = 0;
  const url = await serve(t, (request, response) => {
    requests += 1;
    if (requests % 2 === 1) return void request.socket.destroy();
    response.end('{"jobs":[],"next":null}');
  });
  await createApi({ url }).listJobs();
  assert.equal(requests, 2);
  await assert.rejects(createApi({ url }).cancelJob('x'), { code: 'UNREACHABLE' });
  assert.equal(requests, 3);
});

test('submit is tried again with the same idempotency key', async (t) => {
  const keys: unknown[] = [];
  const url = await serve(t, (request, response) => {
    keys.push(request.headers['idempotency-key']);
    if (keys.length === 1) return void request.socket.destroy();
    response.end('{"jobs":[],"batch":null}');
  });
  await createApi({ url }).submit({ template: 'x' });
  assert.equal(keys.length, 2);
  assert.ok(keys[0]);
  assert.equal(keys[0], keys[1]);
});

test('an answer that never comes ends after the time limit', async (t) => {
  const url = await serve(t, () => {});
  await assert.rejects(callJson({ url }, { method: 'POST', path: '/', timeoutMs: 50 }), {
    code: 'UNREACHABLE',
    message: /no answer within 0.05 s/,
  });
});

test("an abort ends a call with the signal's reason", async (t) => {
  const controller = new AbortController();
  const reason = new FlatrenderError('ABORTED', 'stopped');
  const url = await serve(t, () => controller.abort(reason));
  await assert.rejects(callJson({ url, signal: controller.signal }, { method: 'GET', path: '/' }), reason);
});
