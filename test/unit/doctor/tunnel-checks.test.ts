import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CheckResult, runChecks } from '../../../src/cli/doctor/checks.ts';
import { type TunnelFacts, tunnelChecks } from '../../../src/cli/doctor/tunnel-checks.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';

const URL_IN_MESH = 'http://10.66.0.1:8088';
const NOW = Date.parse('2026-03-01T12:00:00Z');
const CONFIG = '[Interface]\nPrivateKey = x\n[Peer]\nEndpoint = farm.example.com:51820\n';

function facts(changes: Partial<TunnelFacts> = {}): TunnelFacts {
  return {
    config: async () => CONFIG,
    file: '/etc/wireguard/wg-flatrender.conf',
    interface: 'wg-flatrender',
    addresses: () => ['10.66.0.11'],
    peer: async () => ({ endpoint: '203.0.113.2:51820', handshakeAt: NOW - 42_000 }),
    routeOf: async () => 'wg-flatrender',
    resolve: async () => ['203.0.113.2'],
    restart: async () => undefined,
    restartCommand: 'sudo systemctl restart wg-quick@wg-flatrender',
    now: () => NOW,
    ...changes,
  };
}

async function look(
  changes: Partial<TunnelFacts> = {},
  { url = URL_IN_MESH, fix = false } = {},
): Promise<Record<string, CheckResult>> {
  const results = await runChecks(tunnelChecks(facts(changes), url), {
    signal: new AbortController().signal,
    fix,
    onResult: () => undefined,
  });
  return Object.fromEntries(results.map((result) => [result.name, result]));
}

test('a tunnel that works: four times ok, with the figures', async () => {
  const found = await look();
  assert.deepEqual(
    Object.values(found).map(({ name, status, message }) => [name, status, message]),
    [
      ['tunnel', 'ok', 'wg-flatrender is up with 10.66.0.11'],
      ['handshake', 'ok', 'farm.example.com:51820 answered 42 s ago'],
      ['route', 'ok', '10.66.0.1 is reached through wg-flatrender'],
      ['dns', 'ok', 'farm.example.com is 203.0.113.2'],
    ],
  );
});

test('an address in the mesh without a tunnel is a failure, another address is none', async () => {
  const { tunnel, handshake } = await look({ config: async () => null });
  assert.equal(tunnel?.status, 'failed');
  assert.match(tunnel?.fix ?? '', /flatrender node invite NAME/);
  assert.equal(handshake?.status, 'skipped');
  const public_ = await look({ config: async () => null }, { url: 'https://render.example.com' });
  assert.equal(public_.tunnel?.status, 'skipped');
});

test('a tunnel that is down is restarted by --fix, and looked at again', async () => {
  let isUp = false;
  const changes: Partial<TunnelFacts> = {
    addresses: () => (isUp ? ['10.66.0.11'] : []),
    restart: async () => {
      isUp = true;
    },
  };
  const before = await look(changes);
  assert.deepEqual(
    [before.tunnel?.status, before.tunnel?.fix],
    ['failed', 'sudo systemctl restart wg-quick@wg-flatrender'],
  );
  const after = await look(changes, { fix: true });
  assert.deepEqual([after.tunnel?.status, after.tunnel?.repaired], ['ok', 'fixed']);
  assert.equal(after.handshake?.status, 'ok');
});

test('a repair that fails says why, and the check stays failed', async () => {
  const { tunnel } = await look(
    { addresses: () => [], restart: () => Promise.reject(new Error('access denied')) },
    { fix: true },
  );
  assert.deepEqual([tunnel?.status, tunnel?.repaired], ['failed', 'not fixed: access denied']);
});

test('no handshake names the port to open, an old one what to restart', async () => {
  const never = (await look({ peer: async () => ({ endpoint: null, handshakeAt: null }) })).handshake;
  assert.deepEqual([never?.status, never?.message], ['failed', 'farm.example.com:51820 has never answered']);
  assert.match(never?.fix ?? '', /UDP 51820/);
  const old = (
    await look({ peer: async () => ({ endpoint: '203.0.113.2:51820', handshakeAt: NOW - 600_000 }) })
  ).handshake;
  assert.equal(old?.message, 'farm.example.com:51820 last answered 10 min ago');
  assert.equal((await look({ peer: async () => null })).handshake?.status, 'skipped');
});

test('another VPN on the same addresses, a name that moved, a name that is gone', async () => {
  const route = (await look({ routeOf: async () => 'tun0' })).route;
  assert.match(route?.message ?? '', /^packets to 10\.66\.0\.1 leave by tun0, not by wg-flatrender/);
  const moved = (await look({ resolve: async () => ['203.0.113.99'] })).dns;
  assert.equal(moved?.status, 'warning');
  assert.match(moved?.message ?? '', /is 203\.0\.113\.99 now, but the tunnel still dials 203\.0\.113\.2/);
  const gone = (await look({ resolve: () => Promise.reject(new Error('ENOTFOUND')) })).dns;
  assert.equal(gone?.status, 'failed');
});

test('a file that may not be read says who may; one without an endpoint what to do', async () => {
  const closed = new FlatrenderError('ELEVATION_NEEDED', 'no', { hint: 'sudo flatrender doctor' });
  assert.equal((await look({ config: () => Promise.reject(closed) })).tunnel?.fix, 'sudo flatrender doctor');
  assert.match(
    (await look({ config: async () => '[Interface]\n' })).tunnel?.message ?? '',
    /has no Endpoint/,
  );
});
