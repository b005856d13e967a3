/** Peers by hand: `wg add-peer` and `wg rotate`, with the configuration that the machine needs. */
import { existsSync } from 'node:fs';
import { FlatrenderError } from '../lib/errors.ts';
import { replaceFile } from '../lib/replace-file.ts';
import { peerNotFound, peersOf, setPeerText, setServerKeyText } from './edit-config.ts';
import { generateKeyPair } from './keys.ts';
import type { LocalMesh } from './local-mesh.ts';
import type { MeshPeer } from './mesh.ts';
import { renderNodeConfig } from './templates.ts';
import type { WgConfig } from './wg-config.ts';

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
const NOT_MADE = '<made when it is done, shown once>';

/** Adds a peer. MESH_PEER_EXISTS when the name has another key already; the same again changes nothing. */
export async function addPeer(mesh: LocalMesh, options: PeerOptions): Promise<AddedPeer> {
  return await setPeer(mesh, options, (config) => {
    const known = peersOf(config).find(({ name }) => name === options.name);
    if (!known || known.publicKey === null || known.publicKey === options.publicKey?.trim()) return;
    throw new FlatrenderError(
      'MESH_PEER_EXISTS',
      `there is already a peer "${known.name}" (${known.address})`,
      { hint: `another key for it: flatrender wg rotate ${known.name}` },
    );
  });
}

/** Another key for a peer. MESH_PEER_NOT_FOUND. */
export async function rotatePeer(mesh: LocalMesh, options: PeerOptions): Promise<AddedPeer> {
  return await setPeer(mesh, options, (config) => {
    if (!config.peers.some(({ name }) => name === options.name)) throw peerNotFound(options.name, config);
  });
}

/** Another key for the control plane; returns its public half. Every session ends. */
export async function rotateServer(mesh: LocalMesh): Promise<string> {
  const { privateKey, publicKey } = generateKeyPair();
  await mesh.change((config) => setServerKeyText(config, privateKey));
  return publicKey;
}

async function setPeer(
  mesh: LocalMesh,
  options: PeerOptions,
  check: (config: WgConfig) => void,
): Promise<AddedPeer> {
  const { name, address, output, dryRun = false } = options;
  if (output !== undefined && existsSync(output)) {
    throw new FlatrenderError('USAGE', `${output} exists already`, {
      hint: 'name another file: --output PATH',
    });
  }
  const pair = options.publicKey === undefined ? generateKeyPair() : null;
  const publicKey = pair?.publicKey ?? options.publicKey ?? '';
  const privateKey = pair === null ? OWN_KEY : dryRun ? NOT_MADE : pair.privateKey;
  const edit = (config: WgConfig): AddedPeer & { readonly text: string } => {
    check(config);
    const { peer, changed, text } = setPeerText(config, { name, publicKey, address });
    return { peer, changed, text, config: nodeConfig(config, peer, privateKey) };
  };
  if (dryRun) {
    const { text: _, peer, ...planned } = edit(await mesh.read());
    return { ...planned, peer: pair === null ? peer : { ...peer, publicKey: null } };
  }
  const added: AddedPeer[] = [];
  // All of it under the lock: another program that adds a peer now takes another address.
  await mesh.change((config) => {
    const { text, ...rest } = edit(config);
    // The file first: a key that is nowhere could never be used.
    if (output !== undefined) replaceFile(output, rest.config, { mode: 0o600 });
    added.push(rest);
    return text;
  });
  const [done] = added;
  if (!done) throw new Error('nothing was edited');
  return done;
}

function nodeConfig(config: WgConfig, peer: MeshPeer, privateKey: string): string {
  if (config.endpoint === null) {
    throw new FlatrenderError('MESH_INVALID', `${config.file} does not say where nodes dial`, {
      hint: `flatrender wg init --endpoint HOST:${config.listenPort}`,
    });
  }
  return renderNodeConfig({
    privateKey,
    address: peer.address,
    serverPublicKey: config.publicKey,
    endpoint: config.endpoint.text,
    serverAddress: config.address,
  });
}
