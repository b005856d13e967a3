import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandText, type PlanStep } from '../../../src/lib/plan.ts';
import {
  planTunnelDown,
  planTunnelKey,
  planTunnelUp,
  type TunnelSystem,
} from '../../../src/setup/tunnel-plan.ts';
import { parseTunnelFile, wireGuardInstall, withPrivateKey } from '../../../src/setup/tunnel-system.ts';

const linux: TunnelSystem = {
  platform: 'linux',
  hasSystemd: true,
  file: '/etc/wireguard/wg-flatrender.conf',
  wg: 'wg',
  wgQuick: 'wg-quick',
  wireguard: '',
};
const bare: TunnelSystem = { ...linux, hasSystemd: false };
const mac: TunnelSystem = {
  ...bare,
  platform: 'darwin',
  file: '/usr/local/etc/wireguard/wg-flatrender.conf',
  wgQuick: '/opt/homebrew/bin/wg-quick',
};
const windows: TunnelSystem = {
  ...bare,
  platform: 'win32',
  file: 'C:\\Program Files\\flatrender\\wg-flatrender.conf',
  wireguard: 'C:\\Program Files\\WireGuard\\wireguard.exe',
};

/** A step in one line; files with their mode, commands whole, what takes them back and what they may end with. */
function line(step: PlanStep): string {
  switch (step.kind) {
    case 'run':
      return `${commandText(step)}${step.allow ? ` (or ${step.allow.join(', ')})` : ''}${
        step.undo ? ` | undo: ${commandText(step.undo)}` : ''
      }`;
    case 'write':
      return `write ${step.path} ${step.mode.toString(8)}${step.isSecret ? ' secret' : ''}`;
    case 'directory':
      return `directory ${step.path}${step.mode === undefined ? '' : ` ${step.mode.toString(8)}`}`;
    case 'remove':
      return `remove ${step.path}`;
  }
}

const lines = (steps: readonly PlanStep[]): string[] => steps.map(line);
const conf = ['directory /etc/wireguard 700', 'write /etc/wireguard/wg-flatrender.conf 600 secret'];
const icacls = `C:\\Windows\\System32\\icacls.exe 'C:\\Program Files\\flatrender\\wg-flatrender.conf' /inheritance:r /grant:r '*S-1-5-18:F' /grant:r '*S-1-5-32-544:F'`;
const WG_EXE = `'C:\\Program Files\\WireGuard\\wireguard.exe'`;

test('Linux with systemd: the unit of wg-quick, at boot too', () => {
  const start = [
    'systemctl enable wg-quick@wg-flatrender | undo: systemctl disable wg-quick@wg-flatrender',
    'systemctl restart wg-quick@wg-flatrender | undo: systemctl stop wg-quick@wg-flatrender',
  ];
  assert.deepEqual(lines(planTunnelUp(linux, 'text', false)), [...conf, ...start]);
  assert.deepEqual(lines(planTunnelUp(linux, 'text', true)), [
    ...conf,
    'systemctl stop wg-quick@wg-flatrender (or 1, 5)',
    'wg-quick down /etc/wireguard/wg-flatrender.conf (or 1)',
    ...start,
  ]);
  const use = 'wg set wg-flatrender private-key /etc/flatrender/own.key';
  assert.deepEqual(lines(planTunnelKey(linux, '/etc/flatrender/own.key', null)), [use]);
  assert.deepEqual(lines(planTunnelKey(linux, '/etc/flatrender/own.key', 'text')), [...conf, use]);
  assert.deepEqual(lines(planTunnelDown(linux)), [
    'systemctl disable --now wg-quick@wg-flatrender (or 1, 5)',
    'wg-quick down /etc/wireguard/wg-flatrender.conf (or 1)',
    'remove /etc/wireguard/wg-flatrender.conf',
  ]);
});

test('Linux without systemd: wg-quick, and the step says that it does not last', () => {
  const steps = planTunnelUp(bare, 'text', false);
  const down = 'wg-quick down /etc/wireguard/wg-flatrender.conf';
  assert.deepEqual(lines(steps), [...conf, `wg-quick up /etc/wireguard/wg-flatrender.conf | undo: ${down}`]);
  assert.match(steps.at(-1)?.what ?? '', /until the machine restarts/);
  assert.deepEqual(lines(planTunnelDown(bare)), [
    `${down} (or 1)`,
    'remove /etc/wireguard/wg-flatrender.conf',
  ]);
});

test('Windows: a tunnel service by path, taken away by name; only administrators read the file', () => {
  const write = 'write C:\\Program Files\\flatrender\\wg-flatrender.conf 600 secret';
  const up = `${WG_EXE} /installtunnelservice 'C:\\Program Files\\flatrender\\wg-flatrender.conf' | undo: ${WG_EXE} /uninstalltunnelservice wg-flatrender`;
  const down = `${WG_EXE} /uninstalltunnelservice wg-flatrender (or 1)`;
  assert.deepEqual(lines(planTunnelUp(windows, 'text', false)), [write, icacls, up]);
  assert.deepEqual(lines(planTunnelUp(windows, 'text', true)), [write, icacls, down, up]);
  assert.deepEqual(lines(planTunnelKey(windows, 'C:\\own.key', 'text')), [write, icacls, down, up]);
  assert.deepEqual(lines(planTunnelDown(windows)), [
    down,
    'remove C:\\Program Files\\flatrender\\wg-flatrender.conf',
  ]);
});

test('macOS: a daemon of launchd that runs the wg-quick of Homebrew', () => {
  const file = '/usr/local/etc/wireguard/wg-flatrender.conf';
  const plist = '/Library/LaunchDaemons/com.flatrender.tunnel.plist';
  const steps = planTunnelUp(mac, 'text', false);
  assert.deepEqual(lines(steps), [
    'directory /usr/local/etc/wireguard',
    `write ${file} 600 secret`,
    `write ${plist} 644`,
    'launchctl bootout system/com.flatrender.tunnel (or 3, 36, 113)',
    `launchctl bootstrap system ${plist} | undo: launchctl bootout system/com.flatrender.tunnel`,
  ]);
  const text = steps
    .flatMap((step) => (step.kind === 'write' && step.path === plist ? [step.text] : []))
    .join();
  assert.match(
    text,
    /<array>\s+<string>\/opt\/homebrew\/bin\/wg-quick<\/string>\s+<string>up<\/string>\s+<string>\/usr\/local\/etc\/wireguard\/wg-flatrender\.conf<\/string>\s+<\/array>/,
  );
  assert.match(text, /<key>RunAtLoad<\/key>\s+<true\/>/);
  assert.deepEqual(lines(planTunnelDown(mac)), [
    'launchctl bootout system/com.flatrender.tunnel (or 3, 36, 113)',
    `remove ${plist}`,
    `wg-quick-path down ${file} (or 1)`.replace('wg-quick-path', '/opt/homebrew/bin/wg-quick'),
    `remove ${file}`,
  ]);
});

test('the command that installs WireGuard is that of the system', () => {
  for (const [osRelease, command] of [
    ['ID=debian\nVERSION_ID="13"', 'sudo apt-get install wireguard-tools'],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"', 'sudo apt-get install wireguard-tools'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', 'sudo dnf install wireguard-tools'],
    ['ID=arch', 'sudo pacman -S wireguard-tools'],
    ['ID=alpine', 'sudo apk add wireguard-tools'],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"', 'sudo zypper install wireguard-tools'],
    ['', 'the package wireguard-tools of your distribution'],
  ] as const) {
    assert.equal(wireGuardInstall('linux', osRelease), command);
  }
  assert.equal(wireGuardInstall('darwin', ''), 'brew install wireguard-tools');
  assert.equal(wireGuardInstall('win32', ''), 'winget install --exact --id WireGuard.WireGuard');
});

test('a configuration is read whatever its case and spaces, and another key changes nothing else', () => {
  const text = '[Interface]\r\n privatekey=old # mine\r\nMTU = 1380\r\n[Peer]\r\nPublicKey = peer\r\n';
  assert.deepEqual(parseTunnelFile(text), { text, privateKey: 'old', peerKey: 'peer' });
  assert.equal(
    withPrivateKey(text, 'n$&w'),
    text.replace('old', () => 'n$&w'),
  );
});
