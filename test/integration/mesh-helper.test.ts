import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connectMesh } from '../../src/mesh/connect-mesh.ts';
import { generateKeyPair } from '../../src/mesh/keys.ts';
import { pinnedNode } from '../helpers/cli.ts';

const skip =
  spawnSync('systemd-socket-activate', ['--version']).status === 0
    ? spawnSync('wg', ['--version']).status === 0
      ? false
      : 'no wg on this machine (Debian package wireguard-tools)'
    : 'no systemd-socket-activate on this machine (Debian package systemd)';

const root = join(import.meta.dirname, '..', '..');
const bin = process.env.FLATRENDER_TEST_CLI === 'built' ? 'run.js' : 'dev.js';

/** The helper as systemd runs it: `flatrender wg serve` for each connection to a socket. */
async function startHelper(t: TestContext): Promise<{ socket: string; file: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-helper-'));
  const file = join(directory, 'wg0.conf');
  const { privateKey } = generateKeyPair();
  const text = `[Interface]\n# flatrender endpoint farm.example.com:51820\nPrivateKey = ${privateKey}\nAddress = 10.66.0.1/24\nListenPort = 51820\n`;
  await writeFile(file, text, { mode: 0o600 });
  const socket = join(directory, 'mesh.sock');
  const command = [pinnedNode(), join(root, 'bin', bin), 'wg', 'serve', '--directory', directory];
  const helper: ChildProcess = spawn(
    'systemd-socket-activate',
    ['--accept', '--inetd', `--listen=${socket}`, '--setenv=HOME', '--setenv=PATH', ...command],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: directory } },
  );
  t.after(async () => {
    helper.kill('SIGKILL');
    if (helper.exitCode === null && helper.signalCode === null) await once(helper, 'exit');
    await rm(directory, { recursive: true, force: true });
  });
  await new Promise<void>((resolve) => {
    helper.stderr?.setEncoding('utf8').on('data', (said: string) => {
      if (said.includes('Listening')) resolve();
    });
  });
  return { socket, file };
}

test('the control plane changes the mesh through the helper, one process a question', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const { socket, file } = await startHelper(t);
  const mesh = connectMesh(socket);
  assert.equal((await mesh.server()).endpoint, 'farm.example.com:51820');
  const [one, two] = [generateKeyPair().publicKey, generateKeyPair().publicKey];
  // At the same time: neither edit is lost.
  const peers = await Promise.all([
    mesh.setPeer({ name: 'desk', publicKey: one, temporaryUntil: 1_800_000_000_000 }),
    mesh.setPeer({ name: 'studio', publicKey: two }),
  ]);
  assert.deepEqual(new Set(peers.map(({ address }) => address)), new Set(['10.66.0.11', '10.66.0.12']));
  assert.equal((await mesh.peers()).length, 2);
  await assert.rejects(mesh.setPeer({ name: 'third', publicKey: one }), {
    code: 'MESH_KEY_IN_USE',
    message: /is that of peer "desk"$/,
    hint: /flatrender node key/,
  });
  assert.equal(await mesh.removePeer('desk', { keepAddress: true }), true);
  assert.match(await readFile(file, 'utf8'), /^# flatrender reserved desk 10\.66\.0\.1[12]$/m);
  assert.equal(await mesh.removePeer('nobody', { keepAddress: false }), false);
  assert.equal((await mesh.renamePeer('studio', 'front')).name, 'front');
  assert.equal((await mesh.status())[1]?.handshakeAt ?? null, null);
});

test('the helper believes nothing that it is asked', { skip, timeout: 60_000 }, async (t) => {
  const { socket, file } = await startHelper(t);
  const before = await readFile(file, 'utf8');
  for (const [line, code] of [
    ['hello\n', 'REQUEST_INVALID'],
    ['{"call":"setPeer","name":"../x","publicKey":"a"}\n', 'REQUEST_INVALID'],
    ['{"call":"setPeer","name":"x\\nPostUp = touch /tmp/x","publicKey":"a"}\n', 'REQUEST_INVALID'],
    [`{"call":"setPeer","name":"x","publicKey":"${'A'.repeat(43)}="}\n`, 'MESH_INVALID'],
    ['{"call":"setPeer","name":"x","publicKey":"a","address":"10.66.0.11/24"}\n', 'MESH_INVALID'],
    ['{"call":"removePeer","name":"x","keepAddress":false,"more":1}\n', 'REQUEST_INVALID'],
    [`${'x'.repeat(20_000)}\n`, 'REQUEST_INVALID'],
    ['', 'REQUEST_INVALID'],
  ] as const) {
    const reply = await ask(socket, line);
    assert.equal(JSON.parse(reply).error.code, code, `${line.slice(0, 60)} → ${reply}`);
  }
  assert.equal(await readFile(file, 'utf8'), before);
});

test('what answers at the socket is not believed either', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-helper-'));
  const socket = join(directory, 'mesh.sock');
  const replies = {
    '': /it ended without an answer/,
    'not JSON': /its answer is not understood/,
    '{"result":{"name":"desk"}}': /its answer is not understood/,
    '{"result":[{"name":"desk","publicKey":null,"address":7,"temporaryUntil":null}]}':
      /its answer is not understood/,
    '{"result":null}': /its answer is not understood/,
  };
  let reply = '';
  const server = createServer({ allowHalfOpen: true }, (peer) => {
    peer.on('error', () => undefined).resume();
    if (reply !== 'nothing') peer.on('end', () => peer.end(reply));
  }).listen(socket);
  t.after(async () => {
    server.close();
    await rm(directory, { recursive: true, force: true });
  });
  await once(server, 'listening');
  for (const [text, message] of Object.entries(replies)) {
    reply = text;
    await assert.rejects(connectMesh(socket).peers(), { code: 'MESH_UNAVAILABLE', message }, text);
  }
  reply = '{"error":{"code":"MESH_FULL","message":"no room","hint":"flatrender wg list"}}';
  await assert.rejects(connectMesh(socket).peers(), { code: 'MESH_FULL', hint: 'flatrender wg list' });
  reply = '{"result":[]}';
  assert.deepEqual(await connectMesh(socket).peers(), []);
  reply = `{"result":"${'x'.repeat(5_000_000)}"}`;
  await assert.rejects(connectMesh(socket).peers(), /its answer is too long/);
  reply = 'nothing';
  await assert.rejects(connectMesh(socket, 50).peers(), { message: /no answer within 0\.05 s/ });
});

test('a helper that is not there is named with what to look at', async () => {
  await assert.rejects(connectMesh(join(tmpdir(), 'no-such.sock')).peers(), {
    code: 'MESH_UNAVAILABLE',
    hint: /flatrender-mesh/,
  });
});

function ask(path: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path }, () => socket.end(text));
    let reply = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      reply += chunk;
    });
    socket.on('end', () => resolve(reply)).on('error', reject);
  });
}
