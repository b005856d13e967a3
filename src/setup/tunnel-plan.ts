/** The node's end of the tunnel as plans: brought up so that it comes back after a restart, another key, taken down. */
import { posix, win32 } from 'node:path';
import { NODE_TUNNEL, type ServicePlatform } from '../config/machine-paths.ts';
import type { Command } from '../lib/exec.ts';
import type { PlanStep, RunStep } from '../lib/plan.ts';
import { fileAccessSteps } from '../service/windows/file-access.ts';

/** What the plans depend on. */
export interface TunnelSystem {
  readonly platform: ServicePlatform;
  /** Linux: whether systemd manages the machine (sd_booted(3)). */
  readonly hasSystemd: boolean;
  /** wg-flatrender.conf; the key files are beside it. */
  readonly file: string;
  /** WireGuard's programs: names to look up, or paths (Windows, Homebrew). */
  readonly wg: string;
  readonly wgQuick: string;
  /** Windows: wireguard.exe. */
  readonly wireguard: string;
}

/** Label and file of the daemon that brings the tunnel up on macOS. */
const MAC_LABEL = 'com.flatrender.tunnel';
const MAC_PLIST = `/Library/LaunchDaemons/${MAC_LABEL}.plist`;
const UNIT = `wg-quick@${NODE_TUNNEL}`;
/** wg-quick(8) ends with 1 for an interface that is not there. */
const NOT_THERE = [1];
/** systemctl(1): the unit is not loaded. */
const NOT_LOADED = [1, 5];
/** launchctl: no such process (3), on its way out (36), not found (113). */
const NO_DAEMON = [3, 36, 113];
const UP_MS = 60_000;

/**
 * Writes the configuration and brings the tunnel up with it, now and after a restart of the machine (not on a Linux without
 * systemd). `isUp`: it runs with other contents, or was brought up by hand.
 */
export function planTunnelUp(system: TunnelSystem, text: string, isUp: boolean): PlanStep[] {
  return [...planTunnelFile(system, text), ...(isUp ? stopSteps(system) : []), ...startSteps(system)];
}

/**
 * Another private key for a tunnel that is up, without taking it down where the system can do that. `keyFile` holds the key
 * alone; `text` is the whole configuration with it, null: only for now.
 */
export function planTunnelKey(system: TunnelSystem, keyFile: string, text: string | null): PlanStep[] {
  const written = text === null ? [] : planTunnelFile(system, text);
  if (!switchesLive(system)) return text === null ? [] : planTunnelUp(system, text, true);
  return [...written, run('use the key', system.wg, ['set', NODE_TUNNEL, 'private-key', keyFile])];
}

/** Whether a key can be changed without taking the tunnel down: `wg set` knows the interface by its name. */
export function switchesLive({ platform }: TunnelSystem): boolean {
  // macOS names interfaces utunN; Windows keeps them in a service of their own.
  return platform === 'linux';
}

/** Takes the tunnel down for good; `keepFile` leaves the configuration. */
export function planTunnelDown(
  system: TunnelSystem,
  options: { readonly keepFile?: boolean } = {},
): PlanStep[] {
  return [
    ...forgetSteps(system),
    ...(options.keepFile ? [] : [remove('remove the tunnel’s configuration', system.file)]),
  ];
}

/** Writes the configuration, for root or administrators only; what runs is left alone. */
export function planTunnelFile({ platform, file }: TunnelSystem, text: string): PlanStep[] {
  const directory = (platform === 'win32' ? win32 : posix).dirname(file);
  const what = 'write the tunnel’s configuration';
  const write: PlanStep = { kind: 'write', path: file, text, mode: 0o600, isSecret: true, what };
  if (platform === 'win32') return [write, ...fileAccessSteps(file, 'the tunnel’s configuration')];
  return [
    {
      kind: 'directory',
      path: directory,
      ...(directory === '/etc/wireguard' ? { mode: 0o700 } : {}),
      what: 'make WireGuard’s directory',
    },
    write,
  ];
}

function startSteps(system: TunnelSystem): PlanStep[] {
  const { platform, file } = system;
  if (platform === 'win32') {
    const undo = { file: system.wireguard, args: ['/uninstalltunnelservice', NODE_TUNNEL] };
    const what = 'bring the tunnel up, now and at every start';
    return [{ ...run(what, system.wireguard, ['/installtunnelservice', file]), undo, timeoutMs: UP_MS }];
  }
  if (platform === 'darwin') return macStartSteps(system);
  if (!system.hasSystemd) {
    const undo = { file: system.wgQuick, args: ['down', file] };
    return [
      { ...run('bring the tunnel up (until the machine restarts)', system.wgQuick, ['up', file]), undo },
    ];
  }
  return [
    {
      ...run('bring the tunnel up at every boot', 'systemctl', ['enable', UNIT]),
      undo: { file: 'systemctl', args: ['disable', UNIT] },
    },
    {
      ...run('bring the tunnel up', 'systemctl', ['restart', UNIT]),
      undo: { file: 'systemctl', args: ['stop', UNIT] },
    },
  ];
}

/** Stops what runs; it is started again right after. */
function stopSteps(system: TunnelSystem): PlanStep[] {
  const { platform, file } = system;
  if (platform === 'win32') {
    const what = 'take the tunnel down for the change';
    return [{ ...run(what, system.wireguard, ['/uninstalltunnelservice', NODE_TUNNEL]), allow: [1] }];
  }
  const down = {
    ...run('take the tunnel down for the change', system.wgQuick, ['down', file]),
    allow: NOT_THERE,
  };
  if (platform === 'darwin' || !system.hasSystemd) return [down];
  return [
    { ...run('stop the tunnel for the change', 'systemctl', ['stop', UNIT]), allow: NOT_LOADED },
    // One that was brought up by hand is not stopped by the unit.
    { ...down, what: 'take down what was brought up by hand' },
  ];
}

function forgetSteps(system: TunnelSystem): PlanStep[] {
  const { platform, file } = system;
  switch (platform) {
    case 'win32':
      return [
        {
          ...run('take the tunnel down', system.wireguard, ['/uninstalltunnelservice', NODE_TUNNEL]),
          allow: [1],
        },
      ];
    case 'darwin':
      return [
        {
          ...run('forget the tunnel’s daemon', 'launchctl', ['bootout', `system/${MAC_LABEL}`]),
          allow: NO_DAEMON,
        },
        remove('remove the tunnel’s daemon', MAC_PLIST),
        { ...run('take the tunnel down', system.wgQuick, ['down', file]), allow: NOT_THERE },
      ];
    case 'linux':
      return [
        ...(system.hasSystemd
          ? [
              {
                ...run('take the tunnel down, now and at boot', 'systemctl', ['disable', '--now', UNIT]),
                allow: NOT_LOADED,
              },
            ]
          : []),
        {
          ...run('take the tunnel down', system.wgQuick, ['down', file]),
          allow: NOT_THERE,
        },
      ];
  }
}

/** Not tried on a Mac: after launchd.plist(5), launchctl(1) and the wg-quick of Homebrew's wireguard-tools. */
function macStartSteps({ wgQuick, file }: TunnelSystem): PlanStep[] {
  return [
    {
      kind: 'write',
      path: MAC_PLIST,
      text: macPlist({ file: wgQuick, args: ['up', file] }),
      mode: 0o644,
      what: 'write the daemon that brings the tunnel up at every start',
    },
    {
      ...run('forget an older version of it', 'launchctl', ['bootout', `system/${MAC_LABEL}`]),
      allow: NO_DAEMON,
    },
    {
      ...run('bring the tunnel up', 'launchctl', ['bootstrap', 'system', MAC_PLIST]),
      undo: { file: 'launchctl', args: ['bootout', `system/${MAC_LABEL}`] },
    },
  ];
}

function macPlist({ file, args }: Command): string {
  const words = [file, ...args].map((word) => `    <string>${escaped(word)}</string>`).join('\n');
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${MAC_LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${words}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>PATH</key>
    <string>/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin</string>
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>AbandonProcessGroup</key>
  <true/>
</dict>
</plist>
`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function run(what: string, file: string, args: readonly string[]): RunStep {
  return { kind: 'run', what, file, args };
}

function remove(what: string, path: string): PlanStep {
  return { kind: 'remove', what, path };
}
