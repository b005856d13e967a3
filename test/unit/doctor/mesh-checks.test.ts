import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CheckResult, runChecks } from '../../../src/cli/doctor/checks.ts';
import { type MeshFacts, meshChecks } from '../../../src/cli/doctor/mesh-checks.ts';
import { defaultControlConfig } from '../../../src/config/control-config.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { generateKeyPair } from '../../../src/mesh/keys.ts';
import type { PeerStatus } from '../../../src/mesh/mesh.ts';
import { parseWgConfig } from '../../../src/mesh/wg-config.ts';

const TEXT = `[Interface]
# flatrender endpoint farm.example.com:51820
PrivateKey = ${generateKeyPair().privateKey}
Address = 10.66.0.1/24
ListenPort = 51820
`;

function peer(name: string, changes: Partial<PeerStatus> = {}): PeerStatus {
  return {
    name,
    address: '10.66.0.11',
    publicKey: 'k',
    temporaryUntil: null,
    handshakeAt: 1000,
    endpoint: null,
    rxBytes: 0,
    txBytes: 0,
    isOnline: true,
    ...changes,
  };
}

async function look(
  changes: { text?: string; up?: boolean; peers?: PeerStatus[] } & Partial<MeshFacts> = {},
  gateway: Partial<ReturnType<typeof defaultControlConfig>['gateway']> = {},
  fix = false,
): Promise<Record<string, CheckResult>> {
  const { text = TEXT, up = true, peers = [peer('desk')], ...more } = changes;
  const facts: MeshFacts = {
    mesh: {
      file: 'wg0.conf',
      read: async () => parseWgConfig(text, 'wg0.conf'),
      isUp: async () => up,
      status: async () => peers,
      sync: async () => up,
    },
    exists: true,
    interface: 'wg0',
    listenPort: async () => 51_820,
    isUdpTaken: async () => false,
    hasFirewall: async () => true,
    loadFirewall: async () => undefined,
    ...more,
  };
  const config = { gateway: { ...defaultControlConfig().gateway, ...gateway } };
  const results = await runChecks(meshChecks(facts, config), {
    signal: new AbortController().signal,
    fix,
    onResult: () => undefined,
  });
  return Object.fromEntries(results.map((result) => [result.name, result]));
}

test('a mesh that works is told with its figures', async () => {
  const found = await look();
  assert.deepEqual(
    Object.values(found).map(({ name, status, message }) => [name, status, message]),
    [
      [
        'mesh',
        'ok',
        'wg0 is up: 10.66.0.1 in 10.66.0.0/24, 1 of 1 peer online; nodes dial farm.example.com:51820',
      ],
      ['firewall', 'ok', 'addresses of the mesh are reached through the tunnel only'],
      ['peers', 'ok', 'all of them answer'],
    ],
  );
});

test('no mesh is nothing to worry about, unless the gateway is to listen in one', async () => {
  assert.equal((await look({ exists: false })).mesh?.status, 'skipped');
  const needed = (await look({ exists: false }, { host: '10.66.0.1' })).mesh;
  assert.deepEqual([needed?.status, needed?.fix], ['failed', 'sudo flatrender wg init --endpoint HOST']);
});

test('a broken file is told line by line, an interface that is down with what brings it up', async () => {
  const broken = (
    await look({
      text: TEXT.replace('51820\n', '51820\n').replace('ListenPort = 51820', 'ListenPort = 70000'),
    })
  ).mesh;
  assert.deepEqual(
    [broken?.status, broken?.message],
    ['failed', 'wg0.conf:5: ListenPort 70000: a number from 1 to 65535'],
  );
  const down = await look({ up: false });
  assert.equal(down.mesh?.fix, 'sudo systemctl enable --now wg-quick@wg0');
  assert.equal(down.firewall?.status, 'skipped');
});

test('a UDP port that another program has, or that is not the one of the file, is told; --fix brings it in line', async () => {
  const taken = (await look({ up: false, isUdpTaken: async () => true })).mesh;
  assert.match(taken?.message ?? '', /^wg0 is not up, and another program has its UDP port 51820$/);
  assert.match(taken?.fix ?? '', /ss -lunp 'sport = :51820'/);
  let port = 40_000;
  const sync = async (): Promise<boolean> => {
    port = 51_820;
    return true;
  };
  const mesh = {
    file: 'wg0.conf',
    read: async () => parseWgConfig(TEXT, 'wg0.conf'),
    isUp: async () => true,
    status: async () => [],
    sync,
  };
  const other = (await look({ mesh, listenPort: async () => port })).mesh;
  assert.deepEqual([other?.status, other?.fix], ['failed', 'sudo flatrender wg sync']);
  const fixed = (await look({ mesh, listenPort: async () => port }, {}, true)).mesh;
  assert.deepEqual([fixed?.status, fixed?.repaired], ['ok', 'fixed']);
});

test('without an endpoint nobody can be invited', async () => {
  const found = (await look({ text: TEXT.replace(/^# flatrender endpoint.*\n/m, '') })).mesh;
  assert.deepEqual([found?.status, found?.fix], ['warning', 'sudo flatrender wg init --endpoint HOST:51820']);
});

test('a firewall that is not loaded fails, is a warning behind gateway.allow, and --fix loads it', async () => {
  let isLoaded = false;
  const facts: Partial<MeshFacts> = {
    hasFirewall: async () => isLoaded,
    loadFirewall: async () => {
      isLoaded = true;
    },
  };
  assert.equal((await look(facts)).firewall?.status, 'failed');
  assert.equal((await look(facts, { allow: ['10.66.0.0/24'] })).firewall?.status, 'warning');
  const fixed = (await look(facts, {}, true)).firewall;
  assert.deepEqual([fixed?.status, fixed?.repaired], ['ok', 'fixed']);
  assert.equal((await look({ hasFirewall: async () => null })).firewall?.status, 'skipped');
});

test('peers that are silent are named; invitations and reservations are not taken for silent nodes', async () => {
  const peers = [
    peer('a', { isOnline: false, handshakeAt: null }),
    peer('b', { isOnline: false, temporaryUntil: 5 }),
    peer('c', { isOnline: false, publicKey: null }),
  ];
  const found = (await look({ peers })).peers;
  assert.deepEqual(
    [found?.status, found?.message],
    ['warning', 'a (10.66.0.11) has never come through the tunnel'],
  );
});

test('who may not read the file is told who may', async () => {
  const denied = new FlatrenderError('ELEVATION_NEEDED', 'only root', { hint: 'sudo' });
  const mesh = {
    file: 'wg0.conf',
    read: () => Promise.reject(denied),
    isUp: async () => true,
    status: async () => [],
    sync: async () => true,
  };
  assert.deepEqual((await look({ mesh })).mesh?.fix, 'sudo');
});
