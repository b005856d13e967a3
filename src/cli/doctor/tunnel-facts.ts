/** The node's tunnel as this machine tells it. */
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { NODE_TUNNEL } from '../../config/machine-paths.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { run } from '../../lib/exec.ts';
import { parseWgDump } from '../../mesh/wg-dump.ts';
import type { TunnelFacts, TunnelPeer } from './tunnel-checks.ts';

const ASK_MS = 5000;

/** Asks this machine about the tunnel whose configuration is `file`. Restarting needs an administrator. */
export function tunnelFacts(file: string, signal: AbortSignal): TunnelFacts {
  const restart = restartCommand();
  let peer: Promise<TunnelPeer | null> | undefined;
  return {
    file,
    interface: NODE_TUNNEL,
    now: Date.now(),
    config: () => readConfig(file),
    addresses: () => (networkInterfaces()[NODE_TUNNEL] ?? []).map(({ address }) => address),
    peer: () => {
      peer ??= askPeer(signal);
      return peer;
    },
    routeOf: (address) => routeOf(address, signal),
    resolve: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
    restart: restart
      ? async () => void (await run(restart.file, restart.args, { timeoutMs: 60_000, signal }))
      : null,
    restartCommand: restart ? `sudo ${[restart.file, ...restart.args].join(' ')}` : WINDOWS_RESTART,
  };
}

// The dollar sign means nothing to cmd.exe, and PowerShell leaves it alone between single quotes.
const WINDOWS_RESTART = `Restart-Service 'WireGuardTunnel$${NODE_TUNNEL}' (PowerShell, as administrator)`;

function restartCommand(): { file: string; args: string[] } | null {
  switch (process.platform) {
    case 'linux':
      return { file: 'systemctl', args: ['restart', `wg-quick@${NODE_TUNNEL}`] };
    case 'darwin':
      return { file: 'wg-quick', args: ['up', NODE_TUNNEL] };
    default:
      return null;
  }
}

async function readConfig(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new FlatrenderError('ELEVATION_NEEDED', `${file} may only be read by an administrator`, {
      cause,
      hint:
        process.platform === 'win32' ? 'run as administrator: flatrender doctor' : 'sudo flatrender doctor',
    });
  }
}

/** The only peer of the tunnel. */
async function askPeer(signal: AbortSignal): Promise<TunnelPeer | null> {
  const wg = process.platform === 'win32' ? 'C:\\Program Files\\WireGuard\\wg.exe' : 'wg';
  const asked = await run(wg, ['show', NODE_TUNNEL, 'dump'], {
    anyExitCode: true,
    timeoutMs: ASK_MS,
    signal,
  }).catch(() => null);
  return asked?.exitCode === 0 ? (parseWgDump(asked.stdout).values().next().value ?? null) : null;
}

async function routeOf(address: string, signal: AbortSignal): Promise<string | null> {
  const [file, args, form] =
    process.platform === 'linux'
      ? (['ip', ['route', 'get', address], /\bdev (\S+)/] as const)
      : process.platform === 'darwin'
        ? (['route', ['-n', 'get', address], /interface: (\S+)/] as const)
        : ([null, [], /x/] as const);
  if (file === null) return null;
  const asked = await run(file, args, { anyExitCode: true, timeoutMs: ASK_MS, signal }).catch(() => null);
  return form.exec(asked?.stdout ?? '')?.[1] ?? null;
}
