/** `wg init`: what makes this machine the middle of a mesh, as a plan. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FlatrenderError } from '../lib/errors.ts';
import type { PlanStep } from '../lib/plan.ts';
import { parseNetwork, serverAddressOf } from './addresses.ts';
import { decodeConfig } from './decode-config.ts';
import { setEndpointText } from './edit-config.ts';
import { checkEndpoint } from './endpoint.ts';
import { generateKeyPair, publicKeyOf } from './keys.ts';
import { renderFirewall, renderServerConfig } from './templates.ts';
import { parseWgConfig } from './wg-config.ts';

export interface InitMeshOptions {
  /** e.g. wg0. */
  readonly interface: string;
  /** /etc/wireguard */
  readonly directory: string;
  /** CIDR; undefined: what the file says, or 10.66.0.0/24. */
  readonly network?: string | undefined;
  /** undefined: what the file says, or 51820. */
  readonly listenPort?: number | undefined;
  /** `host` or `host:port`; undefined: what the file says, or nothing. */
  readonly endpoint?: string | undefined;
  /** systemd runs here: the interface comes up at boot. */
  readonly hasSystemd: boolean;
  /** The interface is up now. */
  readonly isUp: boolean;
}

/** What `wg init` will do, and what the mesh will be. */
export interface MeshPlan {
  readonly steps: readonly PlanStep[];
  readonly file: string;
  readonly publicKey: string;
  readonly address: string;
  readonly network: string;
  readonly listenPort: number;
  readonly endpoint: string | null;
  /** The file was there before. */
  readonly existed: boolean;
}

const DEFAULTS = { network: '10.66.0.0/24', listenPort: 51_820 };

/**
 * Plans the mesh. What is there stays: keys and peers are never replaced, another network or port is refused with what to do.
 * MESH_INVALID for values that WireGuard would take without a word, and for a file that is broken.
 */
export function planMesh(options: InitMeshOptions): MeshPlan {
  const { interface: device, directory } = options;
  if (!/^[A-Za-z0-9_=+.-]{1,15}$/.test(device)) {
    throw new FlatrenderError(
      'MESH_INVALID',
      `"${device}" is no name of an interface: 1 to 15 letters and digits`,
      {
        hint: 'the default: --interface wg0',
      },
    );
  }
  const file = join(directory, `${device}.conf`);
  const firewallFile = join(directory, `flatrender-${device}.nft`);
  const server = existsSync(file)
    ? changedServer(options, file, firewallFile)
    : newServer(options, firewallFile);
  const { text, before, ...mesh } = server;
  const steps: PlanStep[] = [
    { kind: 'directory', path: directory, mode: 0o700, what: 'make the directory of WireGuard' },
    {
      kind: 'write',
      path: firewallFile,
      text: renderFirewall({ interface: device, network: mesh.network }),
      mode: 0o600,
      what: 'write the firewall of the mesh: its addresses are reached through the tunnel only',
    },
    {
      kind: 'write',
      path: file,
      text,
      mode: 0o600,
      isSecret: true,
      what:
        before === null
          ? 'write the server’s keys and settings'
          : 'keep keys and peers, set where nodes dial',
    },
    ...upSteps(options, file, firewallFile),
  ];
  return { ...mesh, steps, file, existed: before !== null };
}

interface Server {
  readonly text: string;
  readonly before: string | null;
  readonly publicKey: string;
  readonly address: string;
  readonly network: string;
  readonly listenPort: number;
  readonly endpoint: string | null;
}

function newServer(options: InitMeshOptions, firewallFile: string): Server {
  const network = parseNetwork(options.network ?? DEFAULTS.network, '--network');
  const listenPort = options.listenPort ?? DEFAULTS.listenPort;
  const endpoint = endpointOf(options.endpoint, listenPort);
  const { privateKey } = generateKeyPair();
  const address = serverAddressOf(network);
  const text = renderServerConfig({ privateKey, address, network, listenPort, endpoint, firewallFile });
  return {
    text,
    before: null,
    publicKey: publicKeyOf(privateKey),
    address,
    network: network.text,
    listenPort,
    endpoint,
  };
}

function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EACCES') throw cause;
    throw new FlatrenderError('ELEVATION_NEEDED', `${file} may only be read by root`, {
      cause,
      hint: 'run the command with sudo',
    });
  }
}

function changedServer(options: InitMeshOptions, file: string, firewallFile: string): Server {
  const before = decodeConfig(readBytes(file), file);
  const config = parseWgConfig(before, file);
  const wanted = options.network === undefined ? null : parseNetwork(options.network, '--network').text;
  if (wanted !== null && wanted !== config.network.text) {
    throw new FlatrenderError(
      'MESH_INVALID',
      `the mesh is ${config.network.text}, not ${wanted}: every node has an address in it`,
      {
        hint: `to begin anew: move ${file} away, run this again, and invite every node again`,
      },
    );
  }
  if (options.listenPort !== undefined && options.listenPort !== config.listenPort) {
    throw new FlatrenderError(
      'MESH_INVALID',
      `the mesh listens on UDP ${config.listenPort}, not ${options.listenPort}: nodes dial that port`,
      {
        hint: `change ListenPort in ${file} by hand, then: flatrender wg sync, and invite every node again`,
      },
    );
  }
  const endpoint = endpointOf(options.endpoint, config.listenPort) ?? config.endpoint?.text ?? null;
  const isSame = endpoint === (config.endpoint?.text ?? null);
  return {
    text: withFirewall(
      isSame || endpoint === null ? before : setEndpointText(config, endpoint),
      firewallFile,
    ),
    before,
    publicKey: config.publicKey,
    address: config.address,
    network: config.network.text,
    listenPort: config.listenPort,
    endpoint,
  };
}

/** `farm.example.com` is `farm.example.com:51820`. */
function endpointOf(given: string | undefined, port: number): string | null {
  if (given === undefined) return null;
  const isBare = !/:\d+$/.test(given) || /^[0-9A-Fa-f]*(:[0-9A-Fa-f]*){2,}$/.test(given);
  const host = /^[0-9A-Fa-f]*(:[0-9A-Fa-f]*){2,}$/.test(given) ? `[${given}]` : given;
  const text = isBare ? `${host}:${port}` : given;
  const why = checkEndpoint(text);
  if (why === null) return text;
  throw new FlatrenderError('MESH_INVALID', `--endpoint ${given}: ${why}`, {
    hint: 'the public name or address of this machine, such as farm.example.com',
  });
}

/** A file that somebody made by hand, or an older one, loads the firewall from now on as well. */
function withFirewall(text: string, firewallFile: string): string {
  if (text.includes(firewallFile)) return text;
  const lines = text.split('\n');
  const at = lines.findIndex((line) => /^\s*ListenPort\s*=/i.test(line));
  lines.splice(
    at + 1,
    0,
    `PostUp = nft -f ${firewallFile}`,
    'PreDown = nft delete table inet flatrender_mesh || true',
  );
  return lines.join('\n');
}

function upSteps(
  { interface: device, hasSystemd, isUp }: InitMeshOptions,
  file: string,
  firewallFile: string,
): PlanStep[] {
  const steps: PlanStep[] = [];
  if (hasSystemd) {
    steps.push({
      kind: 'run',
      file: 'systemctl',
      args: ['enable', '--now', `wg-quick@${device}`],
      ...(isUp ? {} : { undo: { file: 'systemctl', args: ['disable', '--now', `wg-quick@${device}`] } }),
      what: `bring ${device} up, now and at every boot`,
    });
  } else if (!isUp) {
    steps.push({
      kind: 'run',
      file: 'wg-quick',
      args: ['up', file],
      undo: { file: 'wg-quick', args: ['down', file] },
      what: `bring ${device} up (there is no systemd here: not at boot)`,
    });
  }
  // It was up before the firewall was written, or changed.
  if (isUp) steps.push({ kind: 'run', file: 'nft', args: ['-f', firewallFile], what: 'load the firewall' });
  return steps;
}
