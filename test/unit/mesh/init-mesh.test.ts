import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { PlanStep } from '../../../src/lib/plan.ts';
import { planMesh } from '../../../src/mesh/init-mesh.ts';
import { generateKeyPair } from '../../../src/mesh/keys.ts';
import { renderFirewall, renderNodeConfig } from '../../../src/mesh/templates.ts';
import { parseWgConfig } from '../../../src/mesh/wg-config.ts';

const hasNft = spawnSync('nft', ['--version']).status === 0;
const hasNet = process.getuid?.() === 0 && spawnSync('unshare', ['-n', 'true']).status === 0;

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-init-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

const asked = { interface: 'wg0', hasSystemd: true, isUp: false };

/** The plan without texts: what a reader checks first. */
const outline = (steps: readonly PlanStep[]) =>
  steps.map((step) =>
    step.kind === 'run'
      ? [step.file, ...step.args].join(' ')
      : `${step.kind} ${step.path} ${('mode' in step ? step.mode : undefined)?.toString(8)}`,
  );

test('a new mesh: directory, firewall, wg0.conf, up at every boot', (t) => {
  const directory = place(t);
  const plan = planMesh({ ...asked, directory, endpoint: 'farm.example.com' });
  assert.deepEqual(outline(plan.steps), [
    `directory ${directory} 700`,
    `write ${directory}/flatrender-wg0.nft 600`,
    `write ${directory}/wg0.conf 600`,
    'systemctl enable --now wg-quick@wg0',
  ]);
  assert.deepEqual(
    [plan.address, plan.network, plan.listenPort, plan.endpoint, plan.existed],
    ['10.66.0.1', '10.66.0.0/24', 51_820, 'farm.example.com:51820', false],
  );
  const [, , config] = plan.steps;
  assert.ok(config?.kind === 'write' && config.isSecret, 'a dry run does not show the key');
  const read = parseWgConfig(config.text, 'wg0.conf');
  assert.deepEqual([read.publicKey, read.endpoint?.text], [plan.publicKey, 'farm.example.com:51820']);
  assert.deepEqual(outline(planMesh({ ...asked, hasSystemd: false, directory }).steps).slice(3), [
    `wg-quick up ${directory}/wg0.conf`,
  ]);
});

test('again, it keeps key, peers and what was written by hand; only the endpoint changes', (t) => {
  const directory = place(t);
  const file = join(directory, 'wg0.conf');
  const first = planMesh({ ...asked, directory, endpoint: 'farm.example.com' });
  const written = first.steps[2];
  assert.ok(written?.kind === 'write');
  const peer = `\n# mine\n[Peer]\nPublicKey = ${generateKeyPair().publicKey}\nAllowedIPs = 10.66.0.50/32\n`;
  writeFileSync(file, written.text + peer);
  const same = planMesh({ ...asked, directory }).steps[2];
  assert.ok(same?.kind === 'write' && same.text === written.text + peer, 'nothing to change');
  const moved = planMesh({ ...asked, directory, endpoint: '203.0.113.9:4000', isUp: true });
  const change = moved.steps[2];
  assert.ok(change?.kind === 'write');
  assert.equal(change.text, (written.text + peer).replace('farm.example.com:51820', '203.0.113.9:4000'));
  assert.equal(
    outline(moved.steps).at(-1),
    `nft -f ${directory}/flatrender-wg0.nft`,
    'a firewall that changed is loaded',
  );
  assert.throws(() => planMesh({ ...asked, directory, network: '10.67.0.0/24' }), {
    code: 'MESH_INVALID',
    message: /^the mesh is 10\.66\.0\.0\/24, not 10\.67\.0\.0\/24/,
  });
  assert.throws(() => planMesh({ ...asked, directory, listenPort: 4000 }), { code: 'MESH_INVALID' });
});

test('a wg0.conf made by hand gets the firewall and nothing else', (t) => {
  const directory = place(t);
  const file = join(directory, 'wg0.conf');
  const { privateKey } = generateKeyPair();
  const text = `[Interface]\nPrivateKey = ${privateKey}\nAddress = 10.66.0.1/24\nListenPort = 51820\nMTU = 1400\n`;
  writeFileSync(file, text);
  const step = planMesh({ ...asked, directory }).steps[2];
  assert.ok(step?.kind === 'write');
  assert.deepEqual(
    step.text.split('\n').filter((line) => !text.split('\n').includes(line)),
    [
      `PostUp = nft -f ${directory}/flatrender-wg0.nft`,
      'PreDown = nft delete table inet flatrender_mesh || true',
    ],
  );
  writeFileSync(file, text.replace('51820', '99999'));
  assert.throws(() => planMesh({ ...asked, directory }), {
    code: 'MESH_INVALID',
    message: /wg0\.conf:4: ListenPort 99999/,
  });
});

test('a wg0.conf that may not be read says who may, also to a dry run', {
  skip: process.platform === 'win32' ? 'Windows knows no modes of files' : false,
}, (t) => {
  const directory = place(t);
  chmodSync(directory, 0o755);
  writeFileSync(join(directory, 'wg0.conf'), '', { mode: 0o000 });
  // Root may read everything.
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    assert.throws(() => planMesh({ ...asked, directory }), { code: 'ELEVATION_NEEDED' });
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});

test('what WireGuard would take without a word is refused with the flag', (t) => {
  const directory = place(t);
  for (const [options, message] of [
    [{ endpoint: 'x:70000' }, /--endpoint x:70000: port 70000/],
    [{ endpoint: 'a b' }, /--endpoint a b/],
    [{ network: '10.66.0.1/24' }, /--network: 10\.66\.0\.1\/24 has host bits set/],
    [{ network: 'mesh' }, /--network: "mesh" is no network/],
    [{ interface: 'a-name-far-too-long' }, /is no name of an interface/],
  ] as const)
    assert.throws(() => planMesh({ ...asked, directory, ...options }), { code: 'MESH_INVALID', message });
  const v6 = planMesh({ ...asked, directory, endpoint: '2001:db8::1' });
  assert.equal(v6.endpoint, '[2001:db8::1]:51820');
});

test('a node’s configuration dials one address and sends nothing else through the tunnel', () => {
  const { privateKey, publicKey } = generateKeyPair();
  const tunnel = {
    privateKey,
    address: '10.66.0.11',
    serverPublicKey: publicKey,
    endpoint: '[2001:db8::1]:51820',
    serverAddress: '10.66.0.1',
  };
  const settings = renderNodeConfig(tunnel)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  assert.deepEqual(settings, [
    '[Interface]',
    `PrivateKey = ${privateKey}`,
    'Address = 10.66.0.11/32',
    'MTU = 1280',
    '[Peer]',
    `PublicKey = ${publicKey}`,
    'Endpoint = [2001:db8::1]:51820',
    'AllowedIPs = 10.66.0.1/32',
    'PersistentKeepalive = 25',
  ]);
  assert.throws(() => renderNodeConfig({ ...tunnel, endpoint: 'x' }), { code: 'MESH_INVALID' });
});

test('nftables takes the firewall, and taking it twice is the same as once', {
  skip: hasNft && hasNet ? false : 'needs root, network namespaces and nft (Debian package nftables)',
}, (t) => {
  const file = join(place(t), 'mesh.nft');
  writeFileSync(file, renderFirewall({ interface: 'wg0', network: '10.66.0.0/24' }));
  const script =
    'nft -f "$0" && nft list ruleset >"$0.once" && nft -f "$0" && nft list ruleset | diff "$0.once" - && cat "$0.once"';
  const ran = spawnSync('unshare', ['-n', 'sh', '-c', script, file], { encoding: 'utf8' });
  assert.equal(ran.status, 0, ran.stderr + ran.stdout);
  assert.match(ran.stdout, /ip daddr 10\.66\.0\.0\/24 iifname != \{ "lo", "wg0" \} drop/);
  assert.match(ran.stdout, /iifname "wg0" drop\n\s*oifname "wg0" drop/);
});
