import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startTestControl, type TestControl } from '../helpers/control.ts';

/** Writes bytes to the server and returns everything it says until it closes the connection. */
function raw(
  farm: TestControl,
  text: string | Buffer,
  options: { keepOpen?: boolean } = {},
): Promise<string> {
  const { hostname, port } = new URL(farm.url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => {
      socket.write(text);
      if (!options.keepOpen) socket.end();
    });
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    // The server may cut a connection while the rest is being written; what it said before counts.
    socket.on('error', (error) => (answer === '' ? reject(error) : resolve(answer)));
    socket.on('close', () => resolve(answer));
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no end within 10 s; so far: ${answer}`)));
  });
}

function codeOf(answer: string): string {
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
  return `${/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]} ${JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1)).error.code}`;
}

test('hostile bodies are refused with a code, whatever they are, and the server lives on', async () => {
  await using farm = await startTestControl({ config: { limits: { bodyBytes: 100_000 } } });
  await farm.addTemplate();
  const post = async (body: string, type = 'application/json') => {
    const { status, body: answer } = await farm.call('POST', '/v1/jobs', body, { 'content-type': type });
    assert.equal('stack' in answer.error, false);
    assert.ok(!JSON.stringify(answer).includes('node_modules'));
    assert.ok(answer.error.requestId);
    return `${status} ${answer.error.code}`;
  };
  assert.equal(await post('['.repeat(90_000)), '400 REQUEST_TOO_DEEP');
  assert.equal(await post(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`), '400 REQUEST_TOO_DEEP');
  assert.equal(await post('x'.repeat(100_001)), '413 REQUEST_TOO_LARGE');
  assert.equal(await post('{"template":'), '400 REQUEST_INVALID');
  assert.equal(await post('{"template":"mock-template","__proto__":{"priority":1}}'), '400 REQUEST_INVALID');
  assert.equal(await post('null'), '400 REQUEST_INVALID');
  assert.equal(await post(''), '400 REQUEST_INVALID');
  assert.equal(await post('{"template":"mock-template","priority":1e999}'), '400 REQUEST_INVALID');
  assert.equal(await post('{"template":"mock-template","surprise":1}'), '400 REQUEST_INVALID');
  assert.equal(await post('{"template":"../etc"}'), '400 REQUEST_INVALID');
  assert.equal(
    await post('{"template":"mock-template","webhook":"file:///etc/passwd"}'),
    '400 REQUEST_INVALID',
  );
  assert.equal(await post('{"jobs":[]}'), '400 REQUEST_INVALID');
  assert.equal(await post('a=b', 'application/x-www-form-urlencoded'), '415 UNSUPPORTED_MEDIA_TYPE');
  assert.equal(await post('{}', 'text/plain'), '415 UNSUPPORTED_MEDIA_TYPE');
  assert.equal((await farm.call('GET', '/health')).status, 200);
});

test('bad UTF-8 is refused, not repaired', async () => {
  await using farm = await startTestControl();
  const body = Buffer.concat([Buffer.from('{"template":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
  const head = `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${farm.token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  assert.equal(codeOf(await raw(farm, Buffer.concat([Buffer.from(head), body]))), '400 REQUEST_INVALID');
});

test('what is not proper HTTP, and odd methods, get a 4xx with a code', async () => {
  await using farm = await startTestControl();
  const ask = async (head: string) => codeOf(await raw(farm, head));
  assert.equal(await ask('hello\r\n\r\n'), '400 REQUEST_INVALID');
  assert.equal(await ask('GET /health HTTP/1.1\r\n\r\n'), '400 REQUEST_INVALID');
  assert.equal(await ask('BREW /health HTTP/1.1\r\nHost: x\r\n\r\n'), '400 REQUEST_INVALID');
  assert.equal(
    await ask('PROPFIND /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
    '405 METHOD_NOT_ALLOWED',
  );
  assert.equal(
    await ask('TRACE /v1/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
    '405 METHOD_NOT_ALLOWED',
  );
  assert.equal(
    await ask('DELETE /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
    '405 METHOD_NOT_ALLOWED',
  );
  assert.equal(
    await ask(`GET /v1/jobs/${'a'.repeat(9000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    '400 REQUEST_INVALID',
  );
  assert.equal(await ask('GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), '400 REQUEST_INVALID');
  assert.equal(
    await ask(`GET /v1/jobs?x=${'a'.repeat(9000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    '413 REQUEST_TOO_LARGE',
  );
  assert.equal(
    await ask(`GET /health HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(70_000)}\r\n\r\n`),
    '413 REQUEST_TOO_LARGE',
  );
  assert.equal(
    await ask(
      'POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ),
    '400 REQUEST_INVALID',
  );
});

test('who expects the impossible, wants a tunnel or names two hosts is told so', async () => {
  await using farm = await startTestControl();
  const ask = async (head: string) => codeOf(await raw(farm, head, { keepOpen: true }));
  const host = 'Host: x\r\n';
  assert.equal(await ask(`CONNECT example.com:80 HTTP/1.1\r\n${host}\r\n`), '405 METHOD_NOT_ALLOWED');
  assert.equal(
    await ask(`POST /v1/jobs HTTP/1.1\r\n${host}Expect: 200-maybe\r\nContent-Length: 2\r\n\r\n{}`),
    '400 REQUEST_INVALID',
  );
  assert.equal(
    await ask(`GET /health HTTP/1.1\r\n${host}${host}Connection: close\r\n\r\n`),
    '400 REQUEST_INVALID',
  );
});

test('an error in the middle of a pipeline does not cut off what follows it', async () => {
  await using farm = await startTestControl();
  const ask = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
  const pipeline = ask('/health') + ask('/nothing-here') + ask('/health', 'Connection: close\r\n');
  const answer = await raw(farm, pipeline, { keepOpen: true });
  assert.deepEqual(
    [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]),
    ['200', '404', '200'],
  );
});

test('names that would command a terminal, dates beyond all time and outputs named twice are refused', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const ask = async (path: string, body: unknown) => (await farm.call('POST', path, body)).status;
  const evil = 'innocent\u001b]0;owned\u0007';
  assert.equal(await ask('/v1/jobs', { template: 'mock-template', name: evil }), 400);
  assert.equal(await ask('/v1/jobs', { template: 'mock-template', outputs: ['main', 'main'] }), 400);
  assert.equal(await ask('/v1/nodes', { id: 'a', name: evil }), 400);
  assert.equal(await ask('/v1/tokens', { name: evil, role: 'read' }), 400);
  assert.equal(await ask('/v1/tokens', { name: 'x', role: 'read', expiresInSeconds: 8.64e12 }), 400);
  assert.equal((await farm.call('GET', '/v1/tokens')).status, 200);
});

test('repeated headers that decide who asks are refused', async () => {
  await using farm = await startTestControl();
  const node = await farm.addNode('studio-1');
  const twice = `GET /v1/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${farm.token}\r\nAuthorization: Bearer other\r\nConnection: close\r\n\r\n`;
  assert.equal(codeOf(await raw(farm, twice)), '400 REQUEST_INVALID');
  const signature = 'sig1=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:';
  const signedTwice = `POST /v1/agent/claim HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nSignature: ${signature}\r\nSignature: ${signature}\r\nSignature-Input: sig1=()\r\nContent-Digest: x\r\nConnection: close\r\n\r\n`;
  assert.equal(codeOf(await raw(farm, signedTwice)), '401 SIGNATURE_INVALID');
  assert.equal((await farm.asNode(node, '/v1/agent/heartbeat', { leases: [], system: null })).status, 200);
});

test('a request that dribbles in is ended: its headers, and its body', async () => {
  await using farm = await startTestControl({
    config: { limits: { headerSeconds: 0.3, requestSeconds: 0.4 } },
  });
  const slowHead = await raw(farm, 'GET /health HTTP/1.1\r\nHost: x\r\n', { keepOpen: true });
  assert.equal(codeOf(slowHead), '408 REQUEST_TIMEOUT');
  const slowBody = await raw(
    farm,
    `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${farm.token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"te`,
    { keepOpen: true },
  );
  assert.equal(codeOf(slowBody), '408 REQUEST_TIMEOUT');
});

test('a stranger is refused before the body is read', async () => {
  await using farm = await startTestControl();
  const answer = await raw(
    farm,
    'POST /v1/agent/claim HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8000000\r\n\r\n{',
    { keepOpen: true },
  );
  assert.equal(codeOf(answer), '401 SIGNATURE_MISSING');
});

test('object paths lead nowhere but to the object that was signed', async () => {
  await using farm = await startTestControl();
  await farm.control.objects.put('assets/a', Buffer.from('secret'));
  const url = new URL(
    await farm.control.objects.presignGet('assets/a', { ttlSeconds: 60, baseUrl: farm.url }),
  );
  const ask = async (path: string) =>
    codeOf(await raw(farm, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));
  for (const path of [
    '/objects/../farm.secret',
    '/objects/..%2f..%2ffarm.secret',
    '/objects/%2e%2e/farm.secret',
    '/objects/assets/b',
    '/objects//etc/passwd',
    '/objects/assets/a%00',
    '/objects/C:%5cx',
  ]) {
    assert.match(await ask(`${path}${url.search}`), /^(400|403|404) [A-Z_]+$/, path);
  }
  assert.equal(await ask('/objects/assets/a'), '403 OBJECT_URL_INVALID');
  assert.equal(await ask(`/objects/assets/a${url.search.replace('GET', 'PUT')}`), '403 OBJECT_URL_INVALID');
});
