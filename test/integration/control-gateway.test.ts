import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { ControlConfigSchema } from '../../src/config/control-schema.ts';
import { createFarmSecret } from '../../src/config/home.ts';
import { startControl } from '../../src/control/control.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { startTestControl } from '../helpers/control.ts';

const lan = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

/** Whether an HTTP answer comes to a request that leaves from a given address of this machine. */
function answers(host: string, port: number, localAddress: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, localAddress }, () => {
      socket.write('GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    });
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', () => undefined).on('close', () => resolve(text.startsWith('HTTP/1.1 200')));
  });
}

test('gateway.allow lets in this machine and the named networks, and nobody else', async () => {
  const gateway = { host: '0.0.0.0', allow: ['10.66.0.0/24'] };
  await using farm = await startTestControl({ config: { gateway } });
  const port = Number(new URL(farm.url).port);
  assert.ok(await answers('127.0.0.1', port, '127.0.0.1'));
  assert.ok(await answers('127.0.0.1', port, '127.5.6.7'), 'all of the loopback');
  if (lan !== undefined) assert.ok(await answers(lan, port, lan), 'its own address to itself');
});

test('gateway.allow refuses before a byte is read', {
  skip: lan === undefined ? 'this machine has no address beside the loopback' : false,
}, async () => {
  // Different addresses at both ends, as a neighbour's would be: from the loopback's range none is refused.
  await using open = await startTestControl({ config: { gateway: { host: '0.0.0.0', allow: null } } });
  await using shut = await startTestControl({
    config: { gateway: { host: '0.0.0.0', allow: ['203.0.113.77/32'] } },
  });
  const from = lan ?? '';
  assert.ok(await answers('127.0.0.1', Number(new URL(open.url).port), from));
  assert.ok(!(await answers('127.0.0.1', Number(new URL(shut.url).port), from)));
  const { text } = await shut.control.metrics.scrape();
  assert.match(text, /^flatrender_connections_refused_total 1$/m);
});

test('a network that is none is refused when the configuration is read', () => {
  for (const wrong of ['10.66.0.0', '10.66.0.0/33', 'mesh'])
    assert.equal(ControlConfigSchema.safeParse({ gateway: { allow: [wrong] } }).success, false, wrong);
});

test('a control plane whose address comes later waits for it', {
  skip:
    process.getuid?.() === 0 && spawnSync('ip', ['-V']).status === 0
      ? false
      : 'needs root and iproute2 to add an address to the loopback',
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-late-'));
  const address = `198.18.0.${1 + (process.pid % 250)}`;
  const ip = (what: string) => spawnSync('ip', ['address', what, `${address}/32`, 'dev', 'lo']).status;
  try {
    createFarmSecret(directory);
    const config = ControlConfigSchema.parse({ gateway: { host: address, port: 0 } });
    const said: string[] = [];
    const waiting = Promise.withResolvers<void>();
    const stream = new Writable({
      write(line: Buffer, _, done) {
        said.push(line.toString());
        if (line.includes('control.waiting-for-address')) waiting.resolve();
        done();
      },
    });
    const logger = createLogger({ stream, text: false });
    const starting = startControl({ directory, config, logger, mesh: null });
    await waiting.promise;
    assert.equal(ip('add'), 0);
    const control = await starting;
    assert.equal(new URL(control.url).hostname, address);
    assert.equal((await fetch(`${control.url}/health`)).status, 200);
    await control.close();
    assert.match(said.join(''), /is the mesh up \(flatrender wg status\)/);

    ip('del');
    const ending = new AbortController();
    const stopped = startControl({ directory, config, logger, mesh: null, signal: ending.signal });
    setImmediate(() => ending.abort(new Error('stopped')));
    await assert.rejects(stopped);
  } finally {
    ip('del');
    await rm(directory, { recursive: true, force: true });
  }
});
