/** Peers by hand: `wg add-peer` and `wg rotate`, with the configuration that the machine needs. */
import { existsSync } from 'node:fs';
import { FlatrenderError } from '../lib/errors.ts';
import { replaceFile } from '../lib/replace-file.ts';
import { peerNotFound, setPeerText, setServerKeyText } from './edit-config.ts';
import { generateKeyPair } from './keys.ts';
import type { LocalMesh } from './local-mesh.ts';
import type { MeshPeer } from './mesh.ts';
import { renderNodeConfig } from './templates.ts';

interface PeerOptions {
  readonly name: string;
  /** undefined: a key pair is made here, and its private half is in the configuration. */
  readonly publicKey?: string | undefined;
  readonly address?: string | undefined;
  /** File for the configuration, mode 0600. */
  readonly output?: string | undefined;
  readonly dryRun?: boolean;
}

/** A peer and the configuration of its machine. */
export interface AddedPeer {
  readonly peer: MeshPeer;
  /** wg-flatrender.conf; the private key is a placeholder where the machine has its own. */
  readonly config: string;
  readonly changed: boolean;
}

const OWN_KEY = '<the private key of "flatrender node key">';

/** Adds a peer. MESH_PEER_EXISTS when the name has another key already; the same again changes nothing. */
export async function addPeer(mesh: LocalMesh, options: PeerOptions): Promise<AddedPeer> {
  const known = (await mesh.peers()).find(({ name }) => name === options.name);
  if (known && known.publicKey !== null && known.publicKey !== options.publicKey?.trim()) {
    throw new FlatrenderError(
      'MESH_PEER_EXISTS',
      `there is already a peer "${known.name}" (${known.address})`,
      {
        hint: `another key for it: flatrender wg rotate ${known.name}`,
      },
    );
  }
  return await setPeer(mesh, options);
}

/** Another key for a peer. MESH_PEER_NOT_FOUND. */
export async function rotatePeer(mesh: LocalMesh, options: PeerOptions): Promise<AddedPeer> {
  const config = await mesh.read();
  if (!config.peers.some(({ name }) => name === options.name)) throw peerNotFound(options.name, config);
  return await setPeer(mesh, options);
}

/** Another key for the control plane; returns its public half. Every session ends. */
export async function rotateServer(mesh: LocalMesh): Promise<string> {
  const { privateKey, publicKey } = generateKeyPair();
  await mesh.change((config) => setServerKeyText(config, privateKey));
  return publicKey;
}

async function setPeer(mesh: LocalMesh, options: PeerOptions): Promise<AddedPeer> {
  const { name, address, output, dryRun = false } = options;
  if (output !== undefined && existsSync(output)) {
    throw new FlatrenderError('USAGE', `${output} exists already`, {
      hint: 'name another file: --output PATH',
    });
  }
  const server = await mesh.server();
  if (server.endpoint === null) {
    throw new FlatrenderError('MESH_INVALID', `${mesh.file} does not say where nodes dial`, {
      hint: `flatrender wg init --endpoint HOST:${server.listenPort}`,
    });
  }
  const pair = options.publicKey === undefined ? generateKeyPair() : null;
  const request = { name, publicKey: pair?.publicKey ?? options.publicKey ?? '', address };
  const before = await mesh.read();
  const { peer, changed } = setPeerText(before, request);
  const config = renderNodeConfig({
    privateKey: pair?.privateKey ?? OWN_KEY,
    address: peer.address,
    serverPublicKey: server.publicKey,
    endpoint: server.endpoint,
    serverAddress: server.address,
  });
  if (!dryRun) {
    // The file first: a key that is nowhere could never be used.
    if (output !== undefined) replaceFile(output, config, { mode: 0o600 });
    await mesh.setPeer({ ...request, address: peer.address });
  }
  return { peer, config, changed };
}
