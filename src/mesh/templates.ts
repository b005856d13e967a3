/** What flatrender writes for WireGuard, from templates/config/. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FlatrenderError } from '../lib/errors.ts';
import { packageRoot } from '../lib/paths.ts';
import type { Network } from './addresses.ts';
import { checkEndpoint } from './endpoint.ts';

/** What a node's configuration consists of. */
export interface NodeTunnel {
  /** Or a placeholder, for people to fill in. */
  readonly privateKey: string;
  readonly address: string;
  readonly serverPublicKey: string;
  /** `host:port`, an IPv6 host in brackets. */
  readonly endpoint: string;
  readonly serverAddress: string;
}

/** The text of wg-flatrender.conf. MESH_INVALID for an endpoint that is none. */
export function renderNodeConfig(tunnel: NodeTunnel): string {
  const why = checkEndpoint(tunnel.endpoint);
  if (why !== null) {
    throw new FlatrenderError('MESH_INVALID', `the endpoint "${tunnel.endpoint}": ${why}`, {
      hint: 'on the control plane: flatrender wg init --endpoint HOST:51820',
    });
  }
  return fill('wg-flatrender.conf', { ...tunnel });
}

/** What the control plane's configuration consists of. */
export interface ServerTunnel {
  readonly privateKey: string;
  readonly address: string;
  readonly network: Network;
  readonly listenPort: number;
  /** null: not known yet. */
  readonly endpoint: string | null;
  readonly firewallFile: string;
}

/** The text of wg0.conf without peers. */
export function renderServerConfig({ network, endpoint, ...values }: ServerTunnel): string {
  const text = fill('wg0.conf', {
    ...values,
    bits: network.bits,
    listenPort: values.listenPort,
    endpoint: endpoint ?? '',
  });
  return endpoint === null ? text.replace(/^# flatrender endpoint .*\n/m, '') : text;
}

/** The firewall of the mesh, in nftables' language. */
export function renderFirewall(values: { readonly interface: string; readonly network: string }): string {
  return fill('mesh.nft', values);
}

function fill(name: string, values: Readonly<Record<string, string | number>>): string {
  const template = readFileSync(join(packageRoot(), 'templates', 'config', name), 'utf8');
  return template.replace(/\{\{(\w+)\}\}/g, (whole, key: string) => String(values[key] ?? whole));
}
