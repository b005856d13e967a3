/** Checks of the control plane's end of the mesh: its file, its interface, its firewall, its peers. */
import type { ControlConfig } from '../../config/control-config.ts';
import type { LocalMesh } from '../../mesh/local-mesh.ts';
import type { PeerStatus } from '../../mesh/mesh.ts';
import { plural } from '../output.ts';
import type { Check, Finding } from './checks.ts';

/** What the checks ask. */
export interface MeshFacts {
  readonly mesh: Pick<LocalMesh, 'file' | 'read' | 'isUp' | 'status' | 'sync'>;
  /** There is a configuration of the mesh. */
  readonly exists: boolean;
  /** `nft list table inet flatrender_mesh` knows it; null: it cannot be asked. */
  readonly hasFirewall: () => Promise<boolean | null>;
  /** Loads it. */
  readonly loadFirewall: () => Promise<void>;
  readonly interface: string;
  /** The UDP port that the interface has; null: `wg` does not tell. */
  readonly listenPort: () => Promise<number | null>;
  /** Some program has this UDP port. */
  readonly isUdpTaken: (port: number) => Promise<boolean>;
}

/** Checks the mesh; one skipped line where there is none and the gateway does not need one. */
export function meshChecks(facts: MeshFacts, { gateway }: Pick<ControlConfig, 'gateway'>): readonly Check[] {
  const { mesh, interface: device } = facts;
  if (!facts.exists) {
    const needs = /^10\.66\./.test(gateway.host);
    const message = `no mesh on this machine (${mesh.file})`;
    const found: Finding = needs
      ? {
          status: 'failed',
          message: `${message}, but the gateway listens on ${gateway.host}`,
          fix: 'sudo flatrender wg init --endpoint HOST',
        }
      : { status: 'skipped', message };
    return [{ name: 'mesh', run: async () => found }];
  }
  let peers: readonly PeerStatus[] = [];
  let isUp = false;
  return [
    {
      name: 'mesh',
      run: async () => {
        // MESH_INVALID names every line that is wrong.
        const config = await mesh.read();
        isUp = await mesh.isUp();
        if (!isUp) return await notUp(facts, config.listenPort);
        peers = await mesh.status();
        const port = await facts.listenPort();
        if (port !== null && port !== config.listenPort) {
          return {
            status: 'failed',
            message: `${device} listens on UDP ${port}, but ${mesh.file} says ${config.listenPort}: no node gets through`,
            fix: 'sudo flatrender wg sync',
            repair: async () => void (await mesh.sync()),
          };
        }
        if (config.endpoint === null) {
          return {
            status: 'warning',
            message: `${mesh.file} does not say where nodes dial: no invitation can be made`,
            fix: `sudo flatrender wg init --endpoint HOST:${config.listenPort}`,
          };
        }
        const online = peers.filter((peer) => peer.isOnline).length;
        return {
          status: 'ok',
          message: `${device} is up: ${config.address} in ${config.network.text}, ${online} of ${plural(peers.length, 'peer')} online; nodes dial ${config.endpoint.text}`,
        };
      },
    },
    {
      name: 'firewall',
      run: async () => {
        if (!isUp) return { status: 'skipped', message: 'needs a mesh that is up' };
        const has = await facts.hasFirewall();
        if (has === null)
          return { status: 'skipped', message: 'only root may look at it', fix: 'sudo flatrender doctor' };
        if (has)
          return { status: 'ok', message: 'addresses of the mesh are reached through the tunnel only' };
        return {
          status: gateway.allow === null ? 'failed' : 'warning',
          message:
            'the firewall of the mesh is not loaded: neighbours on the public network may reach the gateway past the tunnel',
          fix: `sudo flatrender wg init; then systemctl restart wg-quick@${device}`,
          repair: facts.loadFirewall,
        };
      },
    },
    { name: 'peers', run: async () => checkPeers(peers, isUp) },
  ];
}

/** Why an interface does not come up: mostly it was not told to, seldom another program has its port. */
async function notUp({ interface: device, isUdpTaken }: MeshFacts, port: number): Promise<Finding> {
  if (await isUdpTaken(port)) {
    return {
      status: 'failed',
      message: `${device} is not up, and another program has its UDP port ${port}`,
      fix: `who has it: sudo ss -lunp 'sport = :${port}'; then: sudo systemctl restart wg-quick@${device}`,
    };
  }
  return {
    status: 'failed',
    message: `${device} is not up`,
    fix: `sudo systemctl enable --now wg-quick@${device}`,
  };
}

function checkPeers(peers: readonly PeerStatus[], isUp: boolean): readonly Finding[] | Finding {
  if (!isUp) return { status: 'skipped', message: 'needs a mesh that is up' };
  const own = peers.filter(({ publicKey, temporaryUntil }) => publicKey !== null && temporaryUntil === null);
  const silent = own.filter(({ isOnline }) => !isOnline);
  if (silent.length === 0)
    return { status: 'ok', message: own.length === 0 ? 'none yet' : 'all of them answer' };
  return silent.map(({ name, address, handshakeAt }) => ({
    status: 'warning' as const,
    message:
      handshakeAt === null
        ? `${name} (${address}) has never come through the tunnel`
        : `${name} (${address}) was last heard of at ${new Date(handshakeAt).toISOString()}`,
    fix: 'on that machine: flatrender doctor',
  }));
}
