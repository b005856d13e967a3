import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { CONTROL_PUBLIC, startInternet } from '../helpers/internet.ts';
import { worldsUnavailable } from '../helpers/machine/unavailable.ts';
import type { Machine } from '../helpers/machines.ts';
import { pings, stopwatch, until } from '../helpers/mesh-farm.ts';

const skip = await worldsUnavailable();

/** What `wg add-peer` and `wg rotate` answer. */
interface Added {
  readonly peer: { readonly address: string; readonly publicKey: string };
  readonly config: string;
}

test('a mesh set up by hand, with wg commands only', { skip, timeout: 120_000 }, async (t) => {
  await using net = await startInternet();
  const { control, desktop, studio, outsider } = net;
  const figure = (what: string, seconds: number): void => t.diagnostic(`${what}: ${seconds} s`);
  await Promise.all([control.boot(), desktop.boot(), studio.boot()]);

  await t.test('wg init makes it, and says "already" the second time', async () => {
    const args = ['wg', 'init', '--endpoint', CONTROL_PUBLIC];
    const first = await control.json<{ result: string; publicKey: string }>(args);
    assert.equal(first.result, 'created');
    const second = await control.json<{ result: string; publicKey: string }>(args);
    assert.deepEqual([second.result, second.publicKey], ['already', first.publicKey]);
    assert.equal(await control.sh('stat -c %a:%U /etc/wireguard/wg0.conf'), '600:root\n');
    assert.match(await control.sh('ip -4 addr show wg0'), /inet 10\.66\.0\.1\/24/);
  });

  await t.test('a peer is reached as soon as it is added', async () => {
    const { config, peer } = await control.json<Added>(['wg', 'add-peer', 'desktop']);
    assert.equal(peer.address, '10.66.0.11');
    // Its end is up and knocks; from here on it is the control plane's turn.
    figure('add-peer → reachable', await bringUp(desktop, config, '10.66.0.1'));
    assert.ok(await pings(control, '10.66.0.11'), 'through the router that lets nothing in');
  });

  await t.test('with its own key, which never leaves it', async () => {
    const own = (await studio.sh('umask 077; wg genkey | tee own.key | wg pubkey')).trim();
    const args = ['wg', 'add-peer', 'studio', '--public-key', own];
    const watch = stopwatch();
    const { config, peer } = await control.json<Added>(args);
    assert.equal(peer.address, '10.66.0.12');
    const key = await studio.sh('cat own.key');
    await bringUp(studio, config.replace(/^(PrivateKey = ).*$/m, `$1${key.trim()}`), '10.66.0.1');
    figure('add-peer command + tunnel + first ping', watch());
    assert.ok(!(await pings(studio, '10.66.0.11')), 'peers do not reach each other');
  });

  await t.test(
    'others go on undisturbed while peers come and go, and what was written by hand stays',
    async () => {
      await appendFile(control.path('/etc/wireguard/wg0.conf'), '\n# the next one belongs to Ada\n');
      const ping = desktop.start(['ping', '-q', '-i', '0.005', '-w', '60', '10.66.0.1']);
      for (const name of ['one', 'two', 'three']) await control.json(['wg', 'add-peer', name]);
      await control.json(['wg', 'rename', 'two', 'zwei']);
      await control.json(['wg', 'remove-peer', 'one', '--yes']);
      await control.json(['wg', 'sync']);
      await desktop.sh('pkill -INT -x ping');
      const [, sent, received] =
        /(\d+) packets transmitted, (\d+) received/.exec((await ping.ended).stdout) ?? [];
      t.diagnostic(`pings while six commands changed the mesh: ${sent} sent, ${received} answered`);
      assert.ok(Number(sent) > 100);
      assert.ok(Number(sent) - Number(received) <= 5, `${sent} sent, ${received} received`);
      const file = await readFile(control.path('/etc/wireguard/wg0.conf'), 'utf8');
      assert.match(file, /^# the next one belongs to Ada$/m);
      const { peers } = await control.json<{ peers: { name: string; isOnline: boolean }[] }>([
        'wg',
        'status',
      ]);
      assert.deepEqual(
        peers.map(({ name, isOnline }) => [name, isOnline]),
        [
          ['desktop', true],
          ['studio', true],
          ['zwei', false],
          ['three', false],
        ],
      );
    },
  );

  await t.test('a neighbour on the public network cannot come in by routing', async () => {
    await outsider.sh(
      `ip route add 10.66.0.0/24 via ${CONTROL_PUBLIC} dev eth0; ip addr add 10.66.0.11/32 dev lo`,
    );
    assert.ok(await pings(outsider, CONTROL_PUBLIC));
    await control.sh('nft delete table inet flatrender_mesh');
    assert.ok(await pings(outsider, '10.66.0.1'), 'but for the firewall it could');
    await control.sh('nft -f /etc/wireguard/flatrender-wg0.nft');
    assert.ok(!(await pings(outsider, '10.66.0.1')));
    assert.ok(!(await pings(outsider, '10.66.0.12')));
    assert.ok(!(await pings(outsider, '10.66.0.1', ['-I', '10.66.0.11'])));
  });

  await t.test('another key kills the one before', async () => {
    const { config } = await control.json<Added>(['wg', 'rotate', 'desktop', '--yes']);
    assert.ok(!(await pings(desktop, '10.66.0.1')), 'the old key is dead at once');
    figure('new key → reachable', await bringUp(desktop, config, '10.66.0.1'));
  });

  await t.test('a removed peer is cut at once', async () => {
    assert.ok(await pings(studio, '10.66.0.1'));
    await control.json(['wg', 'remove-peer', 'studio', '--yes']);
    assert.ok(!(await pings(studio, '10.66.0.1')));
    assert.ok(!(await pings(control, '10.66.0.12')));
  });

  await t.test('everything comes back after both machines lost power', async () => {
    await Promise.all([control.cutPower(), desktop.cutPower()]);
    const watch = stopwatch();
    await Promise.all([control.boot(), desktop.boot()]);
    await until('the tunnel is back', () => pings(desktop, '10.66.0.1'));
    figure('power on → reachable', watch());
    assert.ok(!(await pings(outsider, '10.66.0.1')), 'the firewall too');
  });
});

/** Writes a tunnel's file and (re)starts it; seconds until the other end answers. */
async function bringUp(machine: Machine, config: string, server: string): Promise<number> {
  await writeFile(machine.path('/etc/wireguard/wg-flatrender.conf'), config, { mode: 0o600 });
  const watch = stopwatch();
  await machine.sh('systemctl enable -q wg-quick@wg-flatrender; systemctl restart wg-quick@wg-flatrender');
  await until('the control plane answers', () => pings(machine, server));
  return watch();
}
