import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ControlConfigInput } from '../../src/config/control-schema.ts';
import { startTestControl, type TestControl } from '../helpers/control.ts';

const png = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(100, 1)]);
let server: Server;
let base: string;
let farm: TestControl;
let asked: { url: string; headers: Record<string, unknown> }[] = [];

const answers: Record<string, RequestListener> = {
  '/logo.png': (_, response) => response.writeHead(200, { 'content-type': 'image/png' }).end(png),
  '/plain': (_, response) => response.writeHead(200, { 'content-type': 'image/png' }).end(png),
  '/once': (_, response) => response.writeHead(302, { location: '/logo.png' }).end(),
  '/loop': (_, response) => response.writeHead(302, { location: '/loop' }).end(),
  '/inside': (_, response) => response.writeHead(302, { location: 'http://10.66.0.1:8088/metrics' }).end(),
  '/metadata': (_, response) => response.writeHead(307, { location: 'http://169.254.169.254/latest' }).end(),
  '/mail': (_, response) => response.writeHead(301, { location: 'http://127.0.0.2:25/' }).end(),
  '/file': (_, response) => response.writeHead(301, { location: 'file:///etc/passwd' }).end(),
  '/zip.png': (_, response) =>
    response.writeHead(200).end(Buffer.from('PK\x03\x04, and then some more bytes')),
  '/page.png': (_, response) => response.writeHead(200).end('<!DOCTYPE html>'),
  '/empty.png': (_, response) => response.writeHead(200).end(),
  '/missing': (_, response) => response.writeHead(404).end('no'),
  '/packed': (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(png),
  '/announced.png': (_, response) => {
    response.writeHead(200, { 'content-length': 10_000_000 });
    response.write(png);
  },
  '/endless.png': (_, response) => {
    response.writeHead(200);
    response.write(png);
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more);
    more();
  },
  '/cut.png': (_, response) => {
    response.writeHead(200, { 'content-length': 1000 });
    response.write(png, () => response.destroy());
  },
  '/silent.png': () => undefined,
};

before(async () => {
  server = createServer((request, response) => {
    const url = request.url ?? '';
    asked.push({ url, headers: request.headers });
    answers[url.split('?')[0] ?? '']?.(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  farm = await start({ allowHosts: ['127.0.0.1'], maxBytes: 1_000_000, timeoutSeconds: 1 });
});

after(async () => {
  server.closeAllConnections();
  server.close();
  await farm[Symbol.asyncDispose]();
});

async function start(
  urls: NonNullable<NonNullable<ControlConfigInput['inputs']>['urls']>,
): Promise<TestControl> {
  const started = await startTestControl({
    config: { inputs: { urls }, gateway: { allow: ['10.66.0.0/24'] } },
  });
  await started.addTemplate();
  return started;
}

async function refusal(logo: string, at = farm): Promise<{ code: string; message: string; hint?: string }> {
  const { body, status } = await at.call('POST', '/v1/jobs', { template: 'mock-template', inputs: { logo } });
  assert.equal(status, 422, JSON.stringify(body));
  assert.equal(
    (await at.call('GET', '/v1/jobs')).body.jobs.filter((job: { inputs: unknown }) => job.inputs === logo)
      .length,
    0,
  );
  return body.error;
}

test('the file of an address becomes a file of the farm, fetched once for a batch', async () => {
  asked = [];
  const request = { template: 'mock-template', inputs: { logo: `${base}/logo.png?sig=secret#top` } };
  const { status, body } = await farm.call('POST', '/v1/jobs', { jobs: [request, request, request] });
  assert.equal(status, 201, JSON.stringify(body));
  assert.deepEqual(
    asked.map(({ url }) => url),
    ['/logo.png?sig=secret'],
  );
  const [sent] = asked;
  assert.equal(sent?.headers.authorization, undefined);
  assert.equal(sent?.headers.cookie, undefined);
  const { body: job } = await farm.call('GET', `/v1/jobs/${body.jobs[0].id}`);
  const { asset, name, sizeBytes } = job.inputs.logo;
  assert.deepEqual({ name, sizeBytes }, { name: 'logo.png', sizeBytes: png.length });
  const stored = await farm.control.objects.head(`assets/${asset}`);
  assert.equal(stored?.sizeBytes, png.length);
});

test('a file without an extension in its address gets that of its type; redirects are followed', async () => {
  const submit = async (path: string) => {
    const id = await farm.submit({ inputs: { logo: base + path } });
    return (await farm.call('GET', `/v1/jobs/${id}`)).body.inputs.logo.name;
  };
  assert.equal(await submit('/plain'), 'plain.png');
  assert.equal(await submit('/once'), 'logo.png');
});

test('each hop is checked: what leads inside is refused, with the address and the rule', async () => {
  const inside = await refusal(`${base}/inside`);
  assert.match(
    inside.message,
    /^input "logo": http:\/\/10\.66\.0\.1:8088\/metrics: 10\.66\.0\.1 is in the mesh$/,
  );
  assert.match(inside.hint ?? '', /inputs\.urls\.allowHosts: \[10\.66\.0\.1\] in flatrender\.yaml/);
  assert.match((await refusal(`${base}/metadata`)).message, /169\.254\.169\.254 is a private address/);
  assert.match((await refusal(`${base}/mail`)).message, /port 25/);
  assert.match((await refusal(`${base}/file`)).message, /file: is neither http: nor https:/);
  assert.match((await refusal(`${base}/loop`)).message, /redirects more than 5 times/);
});

test('what is no such file is refused, whatever the server says of it', async () => {
  assert.match((await refusal(`${base}/zip.png`)).message, /something else by its first bytes, not an image/);
  assert.match((await refusal(`${base}/page.png`)).message, /by its first bytes/);
  assert.match((await refusal(`${base}/empty.png`)).message, /is empty/);
  assert.match((await refusal(`${base}/missing?token=secret`)).message, /\/missing\?… answered 404/);
  assert.match((await refusal(`${base}/packed`)).message, /packed \(gzip\)/);
});

test('size and time are bounded, also against servers that lie or say nothing', async () => {
  assert.match((await refusal(`${base}/announced.png`)).message, /has 10000000 bytes; at most 1000000/);
  assert.match((await refusal(`${base}/endless.png`)).message, /has more; at most 1000000/);
  assert.match((await refusal(`${base}/cut.png`)).message, /\/cut\.png/);
  assert.match((await refusal(`${base}/silent.png`)).message, /did not arrive within 1 s/);
});

test('with the defaults nothing of this machine is called, and the switch turns all of it off', async () => {
  asked = [];
  await using defaults = await start({});
  assert.match((await refusal(`${base}/logo.png`, defaults)).message, /127\.0\.0\.1 is a private address/);
  assert.match((await refusal(`http://u:p@example.com/`, defaults)).message, /user name or password/);
  assert.match((await refusal('http://[', defaults)).message, /not a valid address/);
  await using off = await start({ enabled: false, allowHosts: ['127.0.0.1'] });
  assert.match((await refusal(`${base}/logo.png`, off)).message, /not fetched on this farm/);
  await delay(10);
  assert.deepEqual(asked, []);
});

test('an address in a text input is a text', async () => {
  const id = await farm.submit({ inputs: { title: `${base}/logo.png` } });
  assert.equal((await farm.call('GET', `/v1/jobs/${id}`)).body.inputs.title, `${base}/logo.png`);
});
