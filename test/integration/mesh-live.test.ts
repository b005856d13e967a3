import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { generateKeyPair } from '../../src/mesh/keys.ts';

const root = join(import.meta.dirname, '..', '..');
const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const missing = ['wg', 'wg-quick', 'wireguard-go', 'ip', 'unshare'].filter((program) => !has(program));
const skip =
  missing.length > 0
    ? `needs ${missing.join(', ')} (Debian packages wireguard-tools, wireguard-go, iproute2, util-linux)`
    : process.getuid?.() !== 0 || spawnSync('unshare', ['-n', '-m', 'true']).status !== 0
      ? 'needs root and network namespaces'
      : false;

/**
 * What runs in the namespace: wg0 of a server and wg1 of a neighbour on its loopback, with a session between them. Each
 * line of output is a fact that the test checks.
 */
const SCRIPT = `
set -eu
mount -t tmpfs tmpfs /run
mkdir /run/wireguard
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
ip link set lo up
wireguard-go -f wg0 >/dev/null 2>&1 &
wireguard-go -f wg1 >/dev/null 2>&1 &
for i in $(seq 200); do [ -S /run/wireguard/wg0.sock ] && [ -S /run/wireguard/wg1.sock ] && break; sleep 0.05; done
wg-quick strip "$DIR/wg0.conf" >"$DIR/stripped"
wg setconf wg0 "$DIR/stripped"
wg setconf wg1 "$DIR/neighbour"
ip addr add 10.66.0.1/24 dev wg0
ip link set wg0 up
ip link set wg1 up
"$NODE" "$STEPS"
`;

/** One process that does to the mesh what the commands do, while another peer's session goes on. */
const STEPS = `
import { spawnSync } from 'node:child_process';
import { openLocalMesh } from '${root}/src/mesh/local-mesh.ts';
import { addPeer, rotatePeer, rotateServer } from '${root}/src/mesh/add-peer.ts';
const directory = process.env.DIR;
const open = () => openLocalMesh({ interface: 'wg0', directory });
const mesh = open();
const wg = (...args) => {
  const { stdout, stderr, status } = spawnSync('wg', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
};
const live = () => wg('show', 'wg0', 'peers').split('\\n').sort();
const facts = {};
const until = performance.now() + 20_000;
const session = async () => (await mesh.status()).find(({ name }) => name === 'neighbour');
while ((await session()).handshakeAt === null && performance.now() < until) await new Promise((go) => setTimeout(go, 100));
facts.before = (await session()).handshakeAt;
const added = await addPeer(mesh, { name: 'one' });
facts.added = live().includes(added.peer.publicKey);
const rotated = await rotatePeer(mesh, { name: 'one' });
facts.rotated = [live().includes(added.peer.publicKey), live().includes(rotated.peer.publicKey)];
await mesh.removePeer('one', { keepAddress: false });
facts.removed = live().includes(rotated.peer.publicKey);
facts.after = (await session()).handshakeAt;
// A writer that was killed between the file and the interface: the same again mends it.
const two = await addPeer(mesh, { name: 'two' });
wg('set', 'wg0', 'peer', two.peer.publicKey, 'remove');
await mesh.setPeer({ name: 'two', publicKey: two.peer.publicKey });
facts.mended = live().includes(two.peer.publicKey);
await mesh.removePeer('two', { keepAddress: false });
const many = await Promise.all(Array.from({ length: 6 }, (_, n) => addPeer(open(), { name: 'many-' + n })));
facts.addresses = many.map(({ peer }) => peer.address).sort();
facts.many = many.every(({ peer }) => live().includes(peer.publicKey));
facts.serverKey = (await rotateServer(mesh)) === wg('show', 'wg0', 'public-key');
console.log(JSON.stringify(facts));
`;

test('peers come, change and go in a running interface while another session goes on', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-live-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const [server, neighbour] = [generateKeyPair(), generateKeyPair()];
  const text = [
    '[Interface]',
    '# flatrender endpoint farm.example.com:51820',
    `PrivateKey = ${server.privateKey}`,
    'Address = 10.66.0.1/24',
    'ListenPort = 51820',
    '',
    '# flatrender peer neighbour',
    '[Peer]',
    `PublicKey = ${neighbour.publicKey}`,
    'AllowedIPs = 10.66.0.99/32',
    '',
  ].join('\n');
  const write = (name: string, content: string) =>
    writeFileSync(join(directory, name), content, { mode: 0o600 });
  write('wg0.conf', text);
  write(
    'neighbour',
    `[Interface]\nPrivateKey = ${neighbour.privateKey}\n[Peer]\nPublicKey = ${server.publicKey}\nEndpoint = 127.0.0.1:51820\nAllowedIPs = 10.66.0.1/32\nPersistentKeepalive = 1\n`,
  );
  write('steps.ts', STEPS);
  const child = spawn('unshare', ['-n', '-m', '--kill-child', '--fork', '--pid', 'bash', '-c', SCRIPT], {
    env: { ...process.env, DIR: directory, NODE: process.execPath, STEPS: join(directory, 'steps.ts') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    stderr += chunk;
  });
  const [exitCode] = await once(child, 'close');
  assert.equal(exitCode, 0, stderr);
  const { before, after, ...facts } = JSON.parse(stdout);
  assert.ok(before > 0, 'the neighbour has a session');
  assert.equal(after, before, 'which nobody had to begin anew');
  assert.deepEqual(facts, {
    added: true,
    rotated: [false, true],
    removed: false,
    mended: true,
    addresses: [11, 12, 13, 14, 15, 16].map((last) => `10.66.0.${last}`),
    many: true,
    serverKey: true,
  });
  const end = readFileSync(join(directory, 'wg0.conf'), 'utf8');
  const own = text.split('\n').filter((line) => !line.startsWith('PrivateKey'));
  for (const line of own) assert.ok(end.includes(line), line);
});

test('a wg0.conf that others may read is told and mended', {
  skip: process.platform === 'linux' ? false : 'needs Linux',
}, async (t) => {
  const { openLocalMesh } = await import('../../src/mesh/local-mesh.ts');
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-live-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'wg0.conf');
  const mesh = openLocalMesh({ interface: 'wg0', directory });
  assert.equal(await mesh.protect(), false, 'there is none');
  writeFileSync(file, '');
  chmodSync(file, 0o644);
  assert.equal(await mesh.protect(), true);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(await mesh.protect(), false);
});
