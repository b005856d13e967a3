/** Checks of a node's tunnel: is it there, does the control plane answer in it, do packets take it, where does its name lead. */
import { FlatrenderError } from '../../lib/errors.ts';
import type { Check, Finding } from './checks.ts';

/** WireGuard gives a session up after this time without a handshake (REJECT_AFTER_TIME, whitepaper section 6.1). */
const HANDSHAKE_MS = 180_000;

/** The peer of the node's tunnel as `wg show … dump` tells it. */
export interface TunnelPeer {
  /** Address and port in use now; null: none was found yet. */
  readonly endpoint: string | null;
  /** Epoch milliseconds; null: never. */
  readonly handshakeAt: number | null;
}

/** What the checks need to know; each question is asked when its check runs. */
export interface TunnelFacts {
  /** `wg-flatrender.conf` as it is; null: there is none. Throws when it may not be read. */
  readonly config: () => Promise<string | null>;
  /** The file, for messages. */
  readonly file: string;
  /** The interface, e.g. wg-flatrender. */
  readonly interface: string;
  /** Addresses of that interface; empty: it is not up. */
  readonly addresses: () => readonly string[];
  /** null: `wg` is not there or may not be asked by this user. */
  readonly peer: () => Promise<TunnelPeer | null>;
  /** The interface that packets to an address leave by; null: cannot be told here. */
  readonly routeOf: (address: string) => Promise<string | null>;
  /** Addresses of a name; throws when it has none. */
  readonly resolve: (host: string) => Promise<readonly string[]>;
  /** Brings the tunnel up (again), and waits a moment for the answer of the other end. */
  readonly restart: () => Promise<void>;
  /** What to type for it. */
  readonly restartCommand: string;
  readonly now: () => number;
}

/** Checks the tunnel; without a configuration file there is one finding. `url`: ORCHESTRATOR_URL. */
export function tunnelChecks(facts: TunnelFacts, url: string): readonly Check[] {
  let settings: TunnelSettings | null = null;
  const host = new URL(url).hostname;
  const withTunnel = (run: (settings: TunnelSettings) => Promise<Finding>) => async (): Promise<Finding> =>
    settings === null ? { status: 'skipped', message: 'needs a tunnel that is up' } : await run(settings);
  return [
    {
      name: 'tunnel',
      run: async () => {
        const text = await facts.config();
        if (text === null) return noTunnel(host, facts.file);
        const found = readSettings(text, facts.file);
        if (facts.addresses().length === 0) {
          return {
            status: 'failed',
            message: `the tunnel ${facts.interface} is not up`,
            fix: facts.restartCommand,
            repair: facts.restart,
          };
        }
        settings = found;
        return { status: 'ok', message: `${facts.interface} is up with ${facts.addresses().join(', ')}` };
      },
    },
    { name: 'handshake', run: withTunnel((found) => checkHandshake(facts, found)) },
    { name: 'route', run: withTunnel(() => checkRoute(facts, host)) },
    { name: 'dns', run: withTunnel((found) => checkName(facts, found)) },
  ];
}

interface TunnelSettings {
  /** `host:port` as in the file. */
  readonly endpoint: string;
  readonly host: string;
}

function readSettings(text: string, file: string): TunnelSettings {
  const endpoint = /^\s*Endpoint\s*=\s*(\S+)\s*$/im.exec(text)?.[1];
  if (endpoint === undefined) {
    throw new FlatrenderError(
      'MESH_INVALID',
      `${file} has no Endpoint: the node does not know where to dial`,
      {
        hint: 'on the control plane: flatrender node invite NAME, then here: flatrender node join FILE',
      },
    );
  }
  return { endpoint, host: endpoint.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1') };
}

/** Private addresses of a mesh lead nowhere without a tunnel. */
function noTunnel(host: string, file: string): Finding {
  if (!/^10\.66\./.test(host))
    return { status: 'skipped', message: `none (${file}); ${host} is reached without one` };
  return {
    status: 'failed',
    message: `ORCHESTRATOR_URL leads into the mesh (${host}), but there is no ${file}`,
    fix: 'on the control plane: flatrender node invite NAME, then here: flatrender node join FILE',
  };
}

async function checkHandshake(facts: TunnelFacts, { endpoint }: TunnelSettings): Promise<Finding> {
  const peer = await facts.peer();
  if (peer === null) {
    return {
      status: 'skipped',
      message: 'only an administrator may ask WireGuard',
      fix:
        process.platform === 'win32' ? 'run as administrator: flatrender doctor' : 'sudo flatrender doctor',
    };
  }
  const { handshakeAt } = peer;
  if (handshakeAt !== null && facts.now() - handshakeAt < HANDSHAKE_MS) {
    const seconds = Math.max(0, Math.round((facts.now() - handshakeAt) / 1000));
    return { status: 'ok', message: `${endpoint} answered ${seconds} s ago` };
  }
  const since =
    handshakeAt === null ? 'has never answered' : `last answered ${minutesAgo(facts.now() - handshakeAt)}`;
  const port = endpoint.replace(/^.*:/, '');
  return {
    status: 'failed',
    message: `${endpoint} ${since}`,
    fix:
      handshakeAt === null
        ? `on the control plane: is UDP ${port} open and forwarded to it (flatrender wg status)? Does it know this node's key (flatrender wg list)?`
        : `is this machine online? Then: ${facts.restartCommand}`,
    repair: facts.restart,
  };
}

async function checkRoute(facts: TunnelFacts, host: string): Promise<Finding> {
  if (!/^[\d.]+$/.test(host))
    return { status: 'skipped', message: `${host} is a name, not an address of the mesh` };
  const device = await facts.routeOf(host);
  if (device === null)
    return { status: 'skipped', message: 'the way of packets cannot be told on this system' };
  if (device === facts.interface) return { status: 'ok', message: `${host} is reached through ${device}` };
  return {
    status: 'failed',
    message: `packets to ${host} leave by ${device}, not by ${facts.interface}: another VPN or network uses the same addresses`,
    fix: `end the other VPN, or give the mesh another network: flatrender wg init --network`,
  };
}

/** WireGuard looks a name up once, when the tunnel starts. */
async function checkName(facts: TunnelFacts, { host, endpoint }: TunnelSettings): Promise<Finding> {
  if (/^[\d.]+$|:/.test(host)) return { status: 'ok', message: `${host} is an address` };
  let found: readonly string[];
  try {
    found = await facts.resolve(host);
  } catch {
    return {
      status: 'failed',
      message: `the name ${host} cannot be looked up`,
      fix: 'is this machine online, and its DNS server right? Then: flatrender doctor',
    };
  }
  const inUse = (await facts.peer())?.endpoint?.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  if (inUse === undefined || found.includes(inUse))
    return { status: 'ok', message: `${host} is ${found.join(', ')}` };
  return {
    status: 'warning',
    message: `${host} is ${found.join(', ')} now, but the tunnel still dials ${inUse}: WireGuard looks ${endpoint} up only when it starts`,
    fix: facts.restartCommand,
    repair: facts.restart,
  };
}

function minutesAgo(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  return minutes < 120 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`;
}
