import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { PeerStatus } from '../../src/mesh/mesh.ts';
import { CONTROL_PUBLIC, CONTROL_PUBLIC6, startInternet } from '../helpers/internet.ts';
import { worldsUnavailable } from '../helpers/machine/unavailable.ts';
import type { Machine } from '../helpers/machines.ts';
import {
  answers,
  carry,
  download,
  GATEWAY,
  invite,
  join,
  nodeView,
  pings,
  pushNoise,
  render,
  setUpControl,
  stopwatch,
  until,
  untilBack,
  useStolenKey,
} from '../helpers/mesh-farm.ts';

const skip = await worldsUnavailable();

test('a farm in a mesh, on machines behind routers', { skip, timeout: 600_000 }, async (t) => {
  await using net = await startInternet();
  const { control, desktop, studio, third, outsider } = net;
  const figure = (what: string, seconds: number): void => t.diagnostic(`${what}: ${seconds} s`);
  t.afterEach(async (each) => {
    if (!each.passed) for (const machine of [control, desktop, studio, third]) await tellJournal(t, machine);
  });

  const allBack = async (): Promise<number> =>
    Math.max(...(await Promise.all(['desktop', 'studio', 'third'].map((node) => untilBack(net, node)))));

  await t.test('three commands make a control plane', async () => {
    const watch = stopwatch();
    await setUpControl(net);
    figure('control plane set up', watch());
  });

  let invitation = '';
  await t.test('a node behind a router joins with one command', async () => {
    await Promise.all([desktop.boot(), studio.boot(), third.boot()]);
    invitation = await invite(net, 'desktop', desktop);
    figure('desktop: join → ready', await join(desktop, invitation));
    assert.equal((await nodeView(net, 'desktop')).status, 'ready');
    const { mesh } = JSON.parse(await desktop.sh(`cat ${invitation}`));
    assert.ok(!(await desktop.sh('cat /etc/wireguard/wg-flatrender.conf')).includes(mesh.privateKey));
    assert.notEqual((await desktop.sh('wg show wg-flatrender private-key')).trim(), mesh.privateKey);
    assert.equal(
      await desktop.sh('stat -c %a:%U:%G /etc/flatrender/agent.env'),
      '640:root:flatrender-agent\n',
    );
    assert.match(
      await desktop.sh('systemctl show flatrender-agent -p After'),
      /wg-quick@wg-flatrender\.service/,
      'the tunnel is up first',
    );
  });

  await t.test('so does one with an address of its own', async () => {
    figure('studio: join → ready', await join(studio, await invite(net, 'studio', studio)));
    assert.equal((await nodeView(net, 'studio')).status, 'ready');
  });

  await t.test('a job is rendered behind the router, and its file is what it should be', async () => {
    await control.json(['template', 'init', '/root/title-card', '--from', 'title-card']);
    await control.json(['template', 'push', '/root/title-card']);
    const job = await render(
      net,
      ['-t', 'title-card', '--set', 'title=Through the mesh', '--node', 'desktop', '--no-fallback'],
      '/root/title.mp4',
    );
    assert.equal(job.tasks?.[0]?.attempts?.[0]?.node, 'desktop');
    const probed = await control.sh(
      'ffprobe -v error -select_streams v -show_entries stream=codec_name,width,height,nb_frames -of csv=p=0 /root/title.mp4',
    );
    assert.equal(probed.trim(), 'h264,1920,1080,150');
  });
  // For later: it takes a while.
  const rendered = pushNoise(control).then((name) =>
    render(net, ['-t', name, '--node', 'desktop', '--no-fallback'], '/root/noise.mp4'),
  );
  rendered.catch(() => undefined);

  await t.test('an outsider in the same network reaches neither gateway nor files', async () => {
    await outsider.sh(`ip route add 10.66.0.0/24 via ${CONTROL_PUBLIC} dev eth0`);
    await outsider.sh('ip addr add 10.66.0.12/32 dev lo; ip addr add 10.66.0.77/32 dev lo');
    assert.ok(await pings(outsider, CONTROL_PUBLIC), 'the machine itself is there');
    const urls = ['10.66.0.1', CONTROL_PUBLIC, `[${CONTROL_PUBLIC6}]`].flatMap((host) =>
      ['health', 'objects/outputs/x', 'v1/agent/enrol'].map((path) => `http://${host}:8088/${path}`),
    );
    // As itself, as if it was a node, and as if it had a free address of the mesh.
    const sources = ['203.0.113.66', '10.66.0.12', '10.66.0.77'];
    const reached = async (): Promise<string[]> => {
      const tries = [
        ...urls.map(async (url) => ((await answers(outsider, url)) ? url : '')),
        ...sources.map(async (from) =>
          (await answers(outsider, `${GATEWAY}/health`, ['--interface', from])) ? `gateway as ${from}` : '',
        ),
        ...sources.map(async (from) =>
          (await pings(outsider, '10.66.0.1', ['-I', from])) ? `ping as ${from}` : '',
        ),
        pings(outsider, '10.66.0.11').then((is) => (is ? 'a node' : '')),
      ];
      return (await Promise.all(tries)).filter((what) => what !== '');
    };
    await outsider.sh('ip addr del 10.66.0.12/32 dev lo; ip addr add 10.66.0.12/32 dev eth0');
    assert.deepEqual(await reached(), []);
    await control.sh('nft delete table inet flatrender_mesh');
    const without = await reached();
    await control.sh('nft -f /etc/wireguard/flatrender-wg0.nft');
    t.diagnostic(`without the firewall the outsider reaches: ${without.join(', ')}`);
    assert.ok(without.includes('ping as 203.0.113.66'), 'the firewall is what keeps it out');
    assert.deepEqual(
      without.filter((what) => /gateway|http/.test(what)),
      [],
      'and the gateway takes care itself',
    );
    assert.ok(await answers(studio, `${GATEWAY}/health`), 'a node still does');
    assert.ok(!(await pings(studio, '10.66.0.11')), 'nodes do not reach each other');
  });

  await t.test('an invitation works once, and its key for nothing after that', async () => {
    const copy = await carry(desktop, invitation, third);
    const watch = stopwatch();
    const second = await third.cli(['node', 'join', copy, '--timeout', '12'], { timeoutMs: 120_000 });
    figure('a used invitation refused after', watch());
    assert.notEqual(second.exitCode, 0);
    assert.match(second.stderr, /used/);
    assert.match(second.stderr, /flatrender node invite desktop/);
    assert.equal((await nodeView(net, 'desktop')).status, 'ready', 'the node itself is not disturbed');
    await useStolenKey(third, copy);
    assert.ok(!(await pings(third, '10.66.0.1', ['-c', '3'])), 'the temporary key is dead');
    assert.match(await third.sh('wg show stolen latest-handshakes'), /\t0$/m);
    await third.sh('wg-quick down stolen; rm /etc/wireguard/stolen.conf');
  });

  let noise = '';
  await t.test('a third node joins under load, and no transfer breaks', async () => {
    noise = (await rendered).id;
    const invited = await invite(net, 'third', third);
    // Behind the router and beside it: 30 MB each over a single connection, for 20 s.
    const [one, two] = await Promise.all([download(net, desktop, noise), download(net, studio, noise)]);
    figure('third: join → ready', await join(third, invited));
    assert.ok(!one.isOver() && !two.isOver(), 'it joined while both went on');
    const sum = (await control.sh('sha256sum </root/noise.mp4')).split(' ')[0];
    assert.equal(await one.ended, `0 ${sum}`);
    assert.equal(await two.ended, `0 ${sum}`);
  });

  await t.test('a router that forgets its connections', async () => {
    const before = await endpointOf(control, 'desktop');
    await net.forgetNatBindings();
    figure('NAT bindings forgotten → back', await untilBack(net, 'desktop'));
    assert.notEqual(await endpointOf(control, 'desktop'), before, 'it comes from another port');
  });

  await t.test('a new public address of the router', async () => {
    const address = await net.changeNatAddress();
    figure('new address → back', await untilBack(net, 'desktop'));
    assert.equal((await endpointOf(control, 'desktop'))?.split(':')[0], address);
  });

  await t.test('the control plane is killed', async () => {
    await control.sh('systemctl kill -s KILL flatrender-control');
    figure('control plane killed → all back', await allBack());
  });

  await t.test('the machine of the control plane loses power', async () => {
    await control.cutPower();
    await control.boot();
    figure('control plane booted → all back', await allBack());
  });

  await t.test('a node loses power', async () => {
    await desktop.cutPower();
    await desktop.boot();
    figure('node booted → back', await untilBack(net, 'desktop'));
  });

  await t.test('a node that is removed is cut off at once', async () => {
    const going = await download(net, third, noise);
    await control.json(['node', 'remove', 'third', '--yes']);
    const watch = stopwatch();
    assert.ok(!(await pings(third, '10.66.0.1')), 'no ping comes through');
    assert.ok(!(await pings(control, '10.66.0.13')), 'nor the other way');
    assert.match(await going.ended, /^28 /, 'a transfer on its way stands still');
    figure('removed → transfer given up (curl, 3 s of silence)', watch());
    assert.equal((await nodeView(net, 'desktop')).status, 'ready');
    // What it has is of no use where the gateway can be reached either.
    const settings = await carry(third, '/etc/flatrender/agent.env', control);
    await using agent = control.startCli(['agent', 'run', '--agent-env', settings]);
    await until('the secret is refused', async () => agent.output().includes('NODE_UNKNOWN'));
  });
});

/** Where the packets of a node come from, as the control plane sees it. */
async function endpointOf(control: Machine, node: string): Promise<string | null | undefined> {
  const { peers } = await control.json<{ peers: PeerStatus[] }>(['wg', 'status']);
  return peers.find(({ name }) => name === node)?.endpoint;
}

async function tellJournal(t: TestContext, machine: Machine): Promise<void> {
  const said = await machine.sh('journalctl -b --no-pager -n 60; wg show').catch(String);
  t.diagnostic(`--- ${machine.name}\n${said}`);
}
