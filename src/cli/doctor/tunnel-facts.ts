/** The node's tunnel as this machine tells it. */
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { waitingClock } from '../../client/waiting-clock.ts';
import { NODE_TUNNEL, thisPlatform } from '../../config/machine-paths.ts';
import { sleep } from '../../lib/clock.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { run } from '../../lib/exec.ts';
import { runPlan } from '../../lib/plan.ts';
import { planTunnelUp, type TunnelSystem } from '../../setup/tunnel-plan.ts';
import { askTunnel, type RunningTunnel, realInterface, tunnelSystem } from '../../setup/tunnel-system.ts';
import type { TunnelFacts } from './tunnel-checks.ts';

const ASK_MS = 5000;
const ANSWER_MS = 6000;
const POLL_MS = 250;

/** Asks this machine about the tunnel whose configuration is `file`. Restarting needs an administrator. */
export function tunnelFacts(file: string, signal: AbortSignal): TunnelFacts {
  const system = tunnelSystem(thisPlatform(), file);
  const device = realInterface(system);
  let peer: Promise<RunningTunnel | null> | undefined;
  return {
    file,
    interface: device,
    now: Date.now,
    config: () => readConfig(file),
    addresses: () => (networkInterfaces()[realInterface(system)] ?? []).map(({ address }) => address),
    peer: () => {
      peer ??= askTunnel(system, signal);
      return peer;
    },
    routeOf: (address) => routeOf(address, signal),
    resolve: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
    async restart() {
      const text = await readConfig(file);
      if (text !== null) await runPlan(planTunnelUp(system, text, true), { signal });
      peer = undefined;
      await untilAnswered(system, signal);
    },
    restartCommand: restartCommand(system),
  };
}

/** The first handshake takes a round trip; whoever looks before it sees a tunnel that has never been answered. */
async function untilAnswered(system: TunnelSystem, signal: AbortSignal): Promise<void> {
  const end = waitingClock.now() + ANSWER_MS;
  while ((await askTunnel(system, signal))?.handshakeAt == null && waitingClock.now() < end)
    await sleep(POLL_MS, waitingClock, signal);
}

function restartCommand({ platform, hasSystemd, file }: TunnelSystem): string {
  // The dollar sign means nothing to cmd.exe, and PowerShell leaves it alone between single quotes.
  if (platform === 'win32')
    return `Restart-Service 'WireGuardTunnel$${NODE_TUNNEL}' (PowerShell, as administrator)`;
  if (hasSystemd) return `sudo systemctl restart wg-quick@${NODE_TUNNEL}`;
  return `sudo wg-quick down ${file}; sudo wg-quick up ${file}`;
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
