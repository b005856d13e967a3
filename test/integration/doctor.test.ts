import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import yauzl from 'yauzl';
import { startAgent } from '../../src/agent/agent.ts';
import { createApi } from '../../src/client/api.ts';
import { loadAgentConfig } from '../../src/config/agent-config.ts';
import { ControlConfigSchema } from '../../src/config/control-schema.ts';
import { createFarmSecret } from '../../src/config/home.ts';
import { makeToken } from '../../src/control/client-auth.ts';
import { startControl } from '../../src/control/control.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { runCli, runCliJson } from '../helpers/cli.ts';
import { freePort } from '../helpers/free-port.ts';
import { type LiveFarm, startLiveFarm } from '../helpers/live-farm.ts';

interface Result {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly fix?: string;
  readonly repaired?: string;
}

const logger = createLogger({ level: 'silent' });
let farm: LiveFarm;
let secret: string;
let dir: string;

before(async () => {
  farm = await startLiveFarm();
  ({ secret } = await farm.api.createNode({ id: 'desk' }));
  dir = await mkdtemp(join(tmpdir(), 'flatrender-doctor-'));
});
after(async () => {
  await farm?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

/** A node's home with an agent.env; the settings of a healthy one unless told otherwise. */
async function nodeHome(name: string, settings: Record<string, string> = {}): Promise<string> {
  const home = join(dir, name);
  await mkdir(join(home, '.flatrender'), { recursive: true, mode: 0o700 });
  const values = {
    NODE_ID: 'desk',
    NODE_HMAC_SECRET: secret,
    ORCHESTRATOR_URL: farm.url,
    AE_PATH: '',
    HEALTH_PORT: 'off',
    STATE_DIR: join(home, 'state of the node'),
    ...settings,
  };
  const lines = Object.entries(values).map(([key, value]) => `${key}=${value}\n`);
  await writeFile(join(home, '.flatrender', 'agent.env'), lines.join(''), { mode: 0o600 });
  return home;
}

async function doctor(home: string, args: string[] = []) {
  const { json, exitCode } = await runCliJson<{ ok: boolean; checks: Result[] }>(['doctor', ...args], {
    home,
  });
  const find = (name: string): Result | undefined => json.checks.find((check) => check.name === name);
  return { exitCode, ok: json.ok, checks: json.checks, find };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('a node whose agent works: nothing failed, exit code 0', async () => {
  const port = await freePort();
  const home = await nodeHome('healthy', { HEALTH_PORT: String(port) });
  const envFile = join(home, '.flatrender', 'agent.env');
  const { config } = loadAgentConfig({ envFile, env: {} });
  const agent = startAgent({ config, logger, version: await ownVersion() });
  try {
    await agent.ready;
    const found = await doctor(home);
    assert.deepEqual(
      found.checks.filter(({ status }) => status === 'failed'),
      [],
    );
    assert.deepEqual([found.ok, found.exitCode], [true, 0]);
    for (const name of ['agent.env', 'signature', 'files', 'time-outs', 'agent', 'disk'])
      assert.equal(found.find(name)?.status, 'ok', `${name}: ${found.find(name)?.message}`);
    assert.match(found.find('signature')?.message ?? '', /knows this node as desk/);
    assert.match(found.find('agent')?.message ?? '', /^the agent of desk is connected, idle$/);
    const other = await doctor(await nodeHome('other', { NODE_ID: 'desk2', HEALTH_PORT: String(port) }));
    assert.match(other.find('agent')?.message ?? '', /answers the agent of another node, desk$/);
  } finally {
    agent.shutdown();
    agent.shutdown();
    await agent.done;
  }
});

test('a wrong secret, a node nobody knows: failed, with how to join again', async () => {
  for (const [name, settings] of [
    ['secret', { NODE_HMAC_SECRET: 'A'.repeat(secret.length) }],
    ['unknown', { NODE_ID: 'nobody' }],
  ] as const) {
    const found = await doctor(await nodeHome(name, settings));
    const { status, fix } = found.find('signature') ?? {};
    assert.deepEqual(
      [status, fix],
      [
        'failed',
        `on the control plane: flatrender node invite ${name === 'unknown' ? 'nobody' : 'desk'}, then here: flatrender node join FILE`,
      ],
    );
    assert.equal(found.find('files')?.status, 'skipped');
    assert.deepEqual([found.ok, found.exitCode], [false, 1]);
  }
});

test('a wrong URL names the setting; an address in the mesh without a tunnel is told at once', async () => {
  const wrong = (await doctor(await nodeHome('url', { ORCHESTRATOR_URL: 'http://127.0.0.1:9' }))).find(
    'signature',
  );
  assert.equal(wrong?.status, 'failed');
  assert.match(wrong?.fix ?? '', /ORCHESTRATOR_URL=http:\/\/127\.0\.0\.1:9/);
  const { exitCode, stdout } = await runCli(['doctor'], {
    home: await nodeHome('mesh', { ORCHESTRATOR_URL: 'http://10.66.0.1:9' }),
  });
  assert.equal(exitCode, 1);
  assert.match(stdout, /^failed +tunnel +ORCHESTRATOR_URL leads into the mesh \(10\.66\.0\.1\)/m);
});

test('files served at an address that the node does not reach', async () => {
  const directory = join(dir, 'far', '.flatrender');
  createFarmSecret(directory);
  const config = ControlConfigSchema.parse({
    gateway: { host: '127.0.0.1', port: 0, publicUrl: 'http://127.0.0.1:9' },
  });
  const running = await startControl({ directory, config, logger });
  try {
    const { token, record } = makeToken({ name: 'test', role: 'admin', expiresAt: null }, Date.now());
    await running.control.store.createToken(record);
    const node = await createApi({ url: running.url, token }).createNode({ id: 'far' });
    const home = await nodeHome('far-node', {
      NODE_ID: 'far',
      NODE_HMAC_SECRET: node.secret,
      ORCHESTRATOR_URL: running.url,
    });
    const files = (await doctor(home)).find('files');
    assert.equal(files?.status, 'failed');
    assert.match(
      files?.message ?? '',
      /^files are served at http:\/\/127\.0\.0\.1:9, which cannot be reached/,
    );
    assert.match(files?.fix ?? '', /gateway\.publicUrl/);
  } finally {
    await running.close();
  }
});

test('another program has the health port; nobody has it', async () => {
  const server = createServer((_, response) => response.end('<html>not an agent</html>'));
  const port = await listen(server);
  const taken = (await doctor(await nodeHome('taken', { HEALTH_PORT: String(port) }))).find('agent');
  server.closeAllConnections();
  await promisify(server.close.bind(server))();
  assert.equal(taken?.status, 'failed');
  assert.match(taken?.message ?? '', new RegExp(`^another program has port ${port} `));
  assert.match(taken?.fix ?? '', /flatrender node config set HEALTH_PORT=\d+/);
  const none = (await doctor(join(dir, 'taken'))).find('agent');
  assert.match(none?.message ?? '', /^no agent answers at /);
  assert.match(none?.fix ?? '', /flatrender node start/);
});

test('--fix takes an agent.env away from others, and looks again', async (t) => {
  if (process.platform === 'win32') return t.skip('Windows has no modes');
  const home = await nodeHome('mode');
  const envFile = join(home, '.flatrender', 'agent.env');
  await chmod(envFile, 0o644);
  const before_ = (await doctor(home)).find('agent.env');
  // Root's file is one that a service reads by its group.
  const mode = process.getuid?.() === 0 ? 0o640 : 0o600;
  assert.deepEqual([before_?.status, before_?.fix], ['warning', `chmod ${mode.toString(8)} ${envFile}`]);
  const fixed = (await doctor(home, ['--fix'])).find('agent.env');
  assert.deepEqual([fixed?.status, fixed?.repaired], ['ok', 'fixed']);
  assert.equal((await stat(envFile)).mode & 0o777, mode);
});

test('--bundle holds what helps, and no secret of this machine', async () => {
  const home = await nodeHome('bundle');
  const state = join(home, '.flatrender');
  await copyFile(join(farm.home, '.flatrender', 'client.json'), join(state, 'client.json'));
  createFarmSecret(state);
  const farmSecret = (await readFile(join(state, 'farm.secret'), 'utf8')).trim();
  await writeFile(join(state, 'flatrender.yaml'), 'gateway:\n  port: 1\n');
  await writeFile(join(state, 'control.log'), `once ${farmSecret} and ${secret} and ${farm.token}\n`);
  const file = join(dir, 'support.zip');
  const journal = `journal of "$*"\nit knows ${secret}\n`;
  await mkdir(join(home, 'bin'));
  await writeFile(join(home, 'bin', 'journalctl'), `#!/bin/sh\ncat <<E\n${journal}E\n`, { mode: 0o755 });
  const env = { PATH: `${join(home, 'bin')}:${process.env.PATH}` };
  const { stderr } = await runCli(['doctor', '--bundle', file], { home, env });
  assert.match(stderr, /without secrets; look through it/);
  const texts = await unzip(file);
  for (const name of [
    'doctor.json',
    'system.json',
    'node/agent.env',
    'control/flatrender.yaml',
    'control/control.log',
  ])
    assert.ok(texts.has(name), `${name} of ${[...texts.keys()].join(', ')}`);
  for (const [name, text] of texts) {
    for (const each of [secret, farmSecret, farm.token]) assert.ok(!text.includes(each), `secret in ${name}`);
  }
  assert.match(texts.get('node/agent.env') ?? '', /^NODE_ID=desk$/m);
  if (process.platform === 'linux')
    assert.match(texts.get('node/journal.log') ?? '', /flatrender-agent\.service.*\nit knows \[redacted\]\n/);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await runCli(['doctor', '--bundle', file], { home })).exitCode, 2);
});

test('--bundle of a node whose agent.env is broken takes its secret away all the same', async () => {
  const home = await nodeHome('broken', { MAX_CONCURRENT_JOBS: 'many' });
  const file = join(dir, 'broken.zip');
  const { stdout } = await runCli(['doctor', '--bundle', file], { home });
  assert.match(stdout, /^failed +agent\.env +.*MAX_CONCURRENT_JOBS/m);
  const texts = await unzip(file);
  assert.match(texts.get('node/agent.env') ?? '', /^MAX_CONCURRENT_JOBS=many$/m);
  for (const [name, text] of texts) assert.ok(!text.includes(secret), `secret in ${name}`);
});

test('a terminal without anything: skipped lines with how to begin, exit code 0', async () => {
  const home = join(dir, 'nothing');
  await mkdir(home);
  const { stdout, exitCode } = await runCli(['doctor'], { home });
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, /^skipped +control plane .*\n +→ .*flatrender login/m);
  assert.match(stdout, /^skipped +agent +this machine has no agent\.env$/m);
});

async function ownVersion(): Promise<string> {
  const text = await readFile(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

async function unzip(file: string): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const zip = await yauzl.openPromise(file);
  for await (const entry of zip.eachEntry()) {
    const parts: Buffer[] = [];
    for await (const part of await zip.openReadStreamPromise(entry)) parts.push(part as Buffer);
    texts.set(entry.fileName, Buffer.concat(parts).toString());
  }
  return texts;
}
