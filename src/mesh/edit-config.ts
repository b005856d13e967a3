/** Changes of `wg0.conf` that touch only their own lines: what people wrote by hand stays as it is. */
import { FlatrenderError } from '../lib/errors.ts';
import { nextFreeAddress, requireNodeAddress } from './addresses.ts';
import { requirePublicKey } from './keys.ts';
import type { AddPeerRequest, MeshPeer } from './mesh.ts';
import { type PeerEntry, parseWgConfig, type WgConfig } from './wg-config.ts';

/** A changed text and what it now says of the peer. */
export interface Edited {
  readonly text: string;
  readonly peer: MeshPeer;
  /** False: it said so already. */
  readonly changed: boolean;
}

/** Named peers and reservations, in the order of their addresses. */
export function peersOf(config: WgConfig): readonly MeshPeer[] {
  const named = config.peers.flatMap(({ name, publicKey, address, temporaryUntil }) =>
    name === null || address === null ? [] : [{ name, publicKey, address, temporaryUntil }],
  );
  const reserved = config.reservations.map(({ name, address }) => ({
    name,
    address,
    publicKey: null,
    temporaryUntil: null,
  }));
  const order = (address: string): string => address.replace(/\d+/g, (part) => part.padStart(3, '0'));
  return [...named, ...reserved].sort((a, b) => (order(a.address) < order(b.address) ? -1 : 1));
}

/** See `Mesh.setPeer`. */
export function setPeerText(config: WgConfig, request: AddPeerRequest): Edited {
  const { name, temporaryUntil = null } = request;
  const publicKey = requirePublicKey(request.publicKey, `peer ${name}`);
  const holder = config.peers.find((peer) => peer.publicKey === publicKey && peer.name !== name);
  if (holder || publicKey === config.publicKey) {
    const whose = holder ? `peer "${holder.name ?? 'without a name'}"` : 'the server itself';
    throw new FlatrenderError('MESH_KEY_IN_USE', `the key ${publicKey} is that of ${whose}`, {
      hint: 'each machine has a key pair of its own: flatrender node key',
    });
  }
  const known = config.peers.find((peer) => peer.name === name);
  const reserved = config.reservations.find((each) => each.name === name);
  const address = addressFor(config, request, known?.address ?? reserved?.address ?? null);
  const peer = { name, publicKey, address, temporaryUntil };
  if (known) {
    const isSame =
      known.publicKey === publicKey && known.temporaryUntil === temporaryUntil && known.address === address;
    return { text: isSame ? textOf(config) : replacePeer(config, known, peer), peer, changed: !isSame };
  }
  const lines = config.lines.filter((_, line) => line !== reserved?.line);
  while (lines.at(-1)?.trim() === '') lines.pop();
  lines.push('', headerOf(peer), '[Peer]', `PublicKey = ${publicKey}`, `AllowedIPs = ${address}/32`, '');
  return { text: joined(config, lines), peer, changed: true };
}

/** See `Mesh.removePeer`; null: there is neither a peer nor a reservation of that name. */
export function removePeerText(
  config: WgConfig,
  name: string,
  { keepAddress }: { readonly keepAddress: boolean },
): { readonly text: string; readonly publicKey: string | null } | null {
  const peer = config.peers.find((each) => each.name === name);
  const reserved = config.reservations.find((each) => each.name === name);
  if (!peer && !reserved) return null;
  if (!peer) {
    const lines = keepAddress ? config.lines : config.lines.filter((_, line) => line !== reserved?.line);
    return { text: joined(config, lines), publicKey: null };
  }
  const before = config.lines.slice(0, peer.from);
  const after = config.lines.slice(peer.to);
  // The blank line that parted it from what came before.
  if (before.at(-1)?.trim() === '' && (after[0] ?? '').trim() === '') before.pop();
  const reservation =
    keepAddress && peer.address !== null ? ['', `# flatrender reserved ${name} ${peer.address}`] : [];
  return { text: joined(config, [...before, ...reservation, ...after]), publicKey: peer.publicKey };
}

/** See `Mesh.renamePeer`. */
export function renamePeerText(config: WgConfig, from: string, to: string): Edited {
  const all = peersOf(config);
  const found = all.find(({ name }) => name === from);
  if (!found) throw peerNotFound(from, config);
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(to)) {
    throw new FlatrenderError('MESH_INVALID', `"${to}" is no name of a peer`, {
      hint: 'lower-case letters, digits, hyphens; at most 63 characters',
    });
  }
  const taken = all.find(({ name }) => name === to);
  if (taken && from !== to) {
    throw new FlatrenderError('MESH_PEER_EXISTS', `there is already a peer "${to}" (${taken.address})`, {
      hint: 'flatrender wg list',
    });
  }
  const peer = { ...found, name: to };
  const lines = [...config.lines];
  const entry = config.peers.find(({ name }) => name === from);
  if (entry) lines[entry.from] = headerOf(peer);
  const reserved = config.reservations.find(({ name }) => name === from);
  if (reserved) lines[reserved.line] = `# flatrender reserved ${to} ${reserved.address}`;
  return { text: joined(config, lines), peer, changed: from !== to };
}

/** MESH_PEER_NOT_FOUND with the names there are. */
export function peerNotFound(name: string, config: WgConfig): FlatrenderError {
  const names = peersOf(config).map((each) => each.name);
  return new FlatrenderError('MESH_PEER_NOT_FOUND', `there is no peer "${name}" in ${config.file}`, {
    hint: names.length > 0 ? `peers: ${names.join(', ')}` : 'flatrender wg add-peer NAME',
  });
}

/** Another key for the server's end. */
export function setServerKeyText(config: WgConfig, privateKey: string): string {
  const lines = [...config.lines];
  lines[config.interface.keyLine] = withValue(lines[config.interface.keyLine], privateKey);
  return joined(config, lines);
}

/** Where nodes dial. */
export function setEndpointText(config: WgConfig, endpoint: string): string {
  const lines = [...config.lines];
  const comment = `# flatrender endpoint ${endpoint}`;
  if (config.endpoint) lines[config.endpoint.line] = comment;
  else lines.splice(config.interface.from + 1, 0, comment);
  return joined(config, lines);
}

function addressFor(config: WgConfig, request: AddPeerRequest, own: string | null): string {
  if (request.address === undefined && own !== null) return own;
  const others = new Map<string, string>();
  for (const { name, address } of config.reservations) if (name !== request.name) others.set(address, name);
  for (const { name, allowed } of config.peers) {
    if (name !== null && name === request.name) continue;
    for (const { text } of allowed) {
      if (text.endsWith('/32')) others.set(text.slice(0, -3), name ?? 'a peer without a name');
    }
  }
  if (request.address === undefined) return nextFreeAddress(config.network, others.keys());
  const wanted = requireNodeAddress(request.address, config.network, 'the address');
  const holder = others.get(wanted);
  if (holder !== undefined) {
    throw new FlatrenderError('MESH_ADDRESS_TAKEN', `${wanted} is the address of ${holder}`, {
      hint: `the next free one: ${nextFreeAddress(config.network, others.keys())}`,
    });
  }
  return wanted;
}

/** The header and the two settings that are ours; a pre-shared key and comments between stay. */
function replacePeer(
  config: WgConfig,
  known: PeerEntry,
  peer: MeshPeer & { readonly publicKey: string },
): string {
  const { publicKey } = peer;
  const lines = [...config.lines];
  lines[known.keyLine] = withValue(lines[known.keyLine], publicKey);
  lines[known.from] = headerOf(peer);
  if (peer.address !== known.address) {
    for (const { line } of known.allowed) lines[line] = withValue(lines[line], `${peer.address}/32`);
  }
  return joined(config, lines);
}

function headerOf({ name, temporaryUntil }: MeshPeer): string {
  const until = temporaryUntil === null ? '' : ` temporary until ${new Date(temporaryUntil).toISOString()}`;
  return `# flatrender peer ${name}${until}`;
}

/** Our lines end as those of a file from a Windows editor do. */
function withReturn(line: string): string {
  return line.endsWith('\r') ? line : `${line}\r`;
}

function textOf(config: WgConfig): string {
  return joined(config, config.lines);
}

/** A `Key = value` line with another value; its key, spaces and comment stay. */
function withValue(line: string | undefined, value: string): string {
  return (line ?? '').replace(
    /^([^=]*=\s*)[^#]*?(\s*(?:#.*)?)$/s,
    (_, before: string, after: string) => before + value + after,
  );
}

/** The text; whatever it is, it must read back: a bug here would cut every node. */
function joined(config: WgConfig, lines: readonly string[]): string {
  const isWindows = config.lines.length > 1 && config.lines.slice(0, -1).every((line) => line.endsWith('\r'));
  const ended = isWindows ? [...lines.slice(0, -1).map(withReturn), lines.at(-1) ?? ''] : lines;
  const text = ended.join('\n');
  parseWgConfig(text, config.file);
  return text.endsWith('\n') ? text : `${text}\n`;
}
