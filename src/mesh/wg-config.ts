/**
 * `wg0.conf` of the control plane, read and checked. Names, reservations and the public endpoint are comments, so that `wg`
 * and `wg-quick` read the same file:
 *
 *     # flatrender endpoint farm.example.com:51820        (in [Interface])
 *     # flatrender reserved studio-2 10.66.0.12           (anywhere)
 *     # flatrender peer studio-1 temporary until 2026-01-28T10:30:00Z   (directly above [Peer])
 */
import { FlatrenderError } from '../lib/errors.ts';
import { isInNetwork, type Network, parseNetwork, requireNodeAddress, serverAddressOf } from './addresses.ts';
import { checkEndpoint } from './endpoint.ts';
import { isKey, publicKeyOf } from './keys.ts';

/** A `[Peer]` with what stands above it. */
export interface PeerEntry {
  /** null: somebody wrote it by hand, without a name. */
  readonly name: string | null;
  readonly publicKey: string;
  /** null: it has none, or more than one, or a whole network (hand-made peers only). */
  readonly address: string | null;
  readonly temporaryUntil: number | null;
  /** Index of its first line: the comment with its name, or `[Peer]`. */
  readonly from: number;
  /** Index after its last `Key = value`. */
  readonly to: number;
  readonly keyLine: number;
}

export interface Reservation {
  readonly name: string;
  readonly address: string;
  readonly line: number;
}

/** A file that is sound. Line indexes count from 0. */
export interface WgConfig {
  readonly file: string;
  readonly lines: readonly string[];
  readonly privateKey: string;
  readonly publicKey: string;
  readonly address: string;
  readonly network: Network;
  readonly listenPort: number;
  readonly endpoint: { readonly text: string; readonly line: number } | null;
  /** Index of `[Interface]`, of its private key, and after its last setting. */
  readonly interface: { readonly from: number; readonly keyLine: number; readonly to: number };
  readonly peers: readonly PeerEntry[];
  readonly reservations: readonly Reservation[];
}

const INTERFACE_KEYS =
  'privatekey listenport fwmark address dns mtu table preup postup predown postdown saveconfig'.split(' ');
const PEER_KEYS = 'publickey presharedkey allowedips endpoint persistentkeepalive'.split(' ');
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

interface Setting {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

interface Section {
  readonly kind: 'interface' | 'peer';
  readonly line: number;
  readonly settings: Setting[];
}

/**
 * Reads the file's text. MESH_INVALID names every problem with line and value, also those that `wg` takes without a word:
 * a port beyond 65535, an address of two peers (the first loses it), a key twice, the server's own key as a peer, host bits,
 * no private key.
 */
export function parseWgConfig(text: string, file: string): WgConfig {
  const found: { line: number; why: string }[] = [];
  const refuse = (line: number, why: string): void => void found.push({ line, why });
  if (text.startsWith('\uFEFF'))
    refuse(0, 'a byte order mark, which wg does not read: save the file as UTF-8 without one');
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const sections = readSections(lines, refuse);
  const server = readServer(sections, lines, refuse, file);
  const peers = server ? readPeers(sections, lines, server.network, refuse) : [];
  const reservations = server ? readReservations(lines, server.network, refuse) : [];
  if (server) checkTogether(server, peers, reservations, refuse);
  if (server && found.length === 0) return { file, lines, ...server, peers, reservations };
  const problems = found
    .sort((a, b) => a.line - b.line)
    .map(({ line, why }) => `${file}:${line + 1}: ${why}`);
  throw new FlatrenderError('MESH_INVALID', problems.join('\n'), {
    hint: `correct ${file}, then: flatrender wg sync`,
    details: { problems },
  });
}

type Refuse = (line: number, why: string) => void;

function readSections(lines: readonly string[], refuse: Refuse): Section[] {
  const sections: Section[] = [];
  for (const [line, raw] of lines.entries()) {
    const content = raw.replace(/#.*$/, '').trim();
    if (content === '') continue;
    if (content.startsWith(';')) {
      refuse(line, '";" starts no comment here: use "#"');
      continue;
    }
    const title = /^\[(.*)\]$/.exec(content)?.[1]?.trim().toLowerCase();
    if (title !== undefined) {
      if (title === 'interface' || title === 'peer') sections.push({ kind: title, line, settings: [] });
      else refuse(line, `there is no section ${content}: [Interface] or [Peer]`);
      continue;
    }
    const [, key = '', value = ''] = /^([^=]+?)\s*=\s*(.*)$/.exec(content) ?? [];
    const section = sections.at(-1);
    if (key === '') refuse(line, `"${content.slice(0, 80)}" is neither a section nor KEY = VALUE`);
    else if (!section) refuse(line, `${key} stands before [Interface]`);
    else if (!(section.kind === 'interface' ? INTERFACE_KEYS : PEER_KEYS).includes(key.toLowerCase())) {
      refuse(line, `${key} is no setting of [${section.kind === 'interface' ? 'Interface' : 'Peer'}]`);
    } else section.settings.push({ key: key.toLowerCase(), value, line });
  }
  return sections;
}

type Server = Pick<
  WgConfig,
  'privateKey' | 'publicKey' | 'address' | 'network' | 'listenPort' | 'endpoint' | 'interface'
>;

function readServer(
  sections: readonly Section[],
  lines: readonly string[],
  refuse: Refuse,
  file: string,
): Server | null {
  const [section, second] = sections.filter(({ kind }) => kind === 'interface');
  if (!section) {
    refuse(0, 'no [Interface]: "flatrender wg init" writes one');
    return null;
  }
  if (second) refuse(second.line, `a second [Interface]; the first is in line ${section.line + 1}`);
  const only = (key: string): Setting | undefined => {
    const [first, again] = section.settings.filter((setting) => setting.key === key);
    if (again) refuse(again.line, `${key} a second time; the first is in line ${(first?.line ?? 0) + 1}`);
    return first;
  };
  const key = only('privatekey');
  const address = only('address');
  const port = only('listenport');
  const save = only('saveconfig');
  if (save && save.value.toLowerCase() === 'true') {
    refuse(
      save.line,
      'SaveConfig = true lets wg-quick write the file anew without its comments, and with them the names',
    );
  }
  if (!key) refuse(section.line, '[Interface] has no PrivateKey: without one nobody can connect');
  else if (!isKey(key.value))
    refuse(key.line, 'PrivateKey is not a WireGuard key (44 characters of base64, not all zero)');
  const place = addressOf(address, section, refuse);
  const listenPort = portOf(port, section, refuse);
  if (!key || !isKey(key.value) || place === null || listenPort === null) return null;
  const to = (section.settings.at(-1)?.line ?? section.line) + 1;
  return {
    privateKey: key.value,
    publicKey: publicKeyOf(key.value),
    ...place,
    listenPort,
    endpoint: endpointOf(lines, refuse, file),
    interface: { from: section.line, keyLine: key.line, to },
  };
}

function addressOf(
  setting: Setting | undefined,
  section: Section,
  refuse: Refuse,
): { address: string; network: Network } | null {
  if (!setting) {
    refuse(section.line, '[Interface] has no Address, such as 10.66.0.1/24');
    return null;
  }
  // An IPv6 address beside it is the operator's business.
  const text =
    setting.value
      .split(',')
      .map((each) => each.trim())
      .find((each) => !each.includes(':')) ?? '';
  const [address = '', bits = ''] = text.split('/');
  try {
    const mask = 2 ** (32 - Number(bits));
    const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    const base = number - (number % mask);
    const baseText = [24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.');
    const network = parseNetwork(`${baseText}/${bits}`, 'Address');
    if (address !== serverAddressOf(network)) {
      refuse(
        setting.line,
        `Address ${text}: the control plane has the first address, ${serverAddressOf(network)}/${bits}`,
      );
      return null;
    }
    return { address, network };
  } catch {
    refuse(setting.line, `Address "${setting.value}" is not of the form 10.66.0.1/24`);
    return null;
  }
}

function portOf(setting: Setting | undefined, section: Section, refuse: Refuse): number | null {
  if (!setting) {
    refuse(section.line, '[Interface] has no ListenPort: nodes could not know where to dial');
    return null;
  }
  const port = Number(setting.value);
  if (/^\d+$/.test(setting.value) && port >= 1 && port <= 65_535) return port;
  refuse(setting.line, `ListenPort ${setting.value}: a number from 1 to 65535`);
  return null;
}

function endpointOf(lines: readonly string[], refuse: Refuse, file: string): WgConfig['endpoint'] {
  const line = lines.findIndex((each) => /^\s*#\s*flatrender endpoint\b/.test(each));
  if (line < 0) return null;
  const text = (lines[line] ?? '').replace(/^\s*#\s*flatrender endpoint\s*/, '').trim();
  const why = checkEndpoint(text);
  if (why === null) return { text, line };
  refuse(line, `endpoint "${text}": ${why} (flatrender wg init --endpoint corrects it in ${file})`);
  return null;
}

function readPeers(
  sections: readonly Section[],
  lines: readonly string[],
  network: Network,
  refuse: Refuse,
): PeerEntry[] {
  return sections
    .filter(({ kind }) => kind === 'peer')
    .flatMap((section) => {
      const keys = section.settings.filter(({ key }) => key === 'publickey');
      const [key] = keys;
      if (!key) {
        refuse(section.line, '[Peer] has no PublicKey');
        return [];
      }
      if (!isKey(key.value)) refuse(key.line, `PublicKey ${key.value.slice(0, 60)} is not a WireGuard key`);
      if (keys[1]) refuse(keys[1].line, `PublicKey a second time; the first is in line ${key.line + 1}`);
      checkPeerSettings(section, refuse);
      const header = headerOf(lines, section.line, refuse);
      const allowed = section.settings
        .filter(({ key: each }) => each === 'allowedips')
        .flatMap(({ value, line }) => value.split(',').map((each) => ({ text: each.trim(), line })));
      for (const each of allowed) checkAllowed(each, network, refuse);
      const [first] = allowed;
      const address = allowed.length === 1 ? (/^([\d.]+)\/32$/.exec(first?.text ?? '')?.[1] ?? null) : null;
      if (header && address === null) {
        refuse(
          section.line,
          `peer ${header.name} needs AllowedIPs with its one address, such as 10.66.0.11/32`,
        );
      }
      return [
        {
          name: header?.name ?? null,
          publicKey: key.value,
          address,
          temporaryUntil: header?.temporaryUntil ?? null,
          from: header ? section.line - 1 : section.line,
          to: (section.settings.at(-1)?.line ?? section.line) + 1,
          keyLine: key.line,
        },
      ];
    });
}

function checkPeerSettings({ settings }: Section, refuse: Refuse): void {
  for (const { key, value, line } of settings) {
    if (
      key === 'persistentkeepalive' &&
      value !== 'off' &&
      !(/^\d+$/.test(value) && Number(value) <= 65_535)
    ) {
      refuse(line, `PersistentKeepalive ${value}: seconds from 0 to 65535, or off`);
    }
    if (key === 'presharedkey' && !isKey(value)) refuse(line, 'PresharedKey is not a WireGuard key');
    if (key === 'endpoint') {
      const why = checkEndpoint(value);
      if (why !== null) refuse(line, `Endpoint "${value}": ${why}`);
    }
  }
}

/** wg clears host bits without a word; here they are a typing error. */
function checkAllowed(
  { text, line }: { text: string; line: number },
  network: Network,
  refuse: Refuse,
): void {
  if (text.includes(':')) return;
  try {
    if (/^[\d.]+\/32$/.test(text)) requireNodeAddress(text.slice(0, -3), network, 'AllowedIPs');
    else if (/^[\d.]+$/.test(text)) requireNodeAddress(text, network, 'AllowedIPs');
    else if (!isNetworkWithoutHostBits(text)) throw new Error('has host bits set, or is no network');
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^AllowedIPs: /, '') : '';
    refuse(line, `AllowedIPs ${text}: ${why}`);
  }
}

function isNetworkWithoutHostBits(text: string): boolean {
  const [, address = '', bits = ''] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const parts = address.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part <= 255)) || Number(bits) > 32) return false;
  return parts.reduce((sum, part) => sum * 256 + part, 0) % 2 ** (32 - Number(bits)) === 0;
}

function headerOf(
  lines: readonly string[],
  peerLine: number,
  refuse: Refuse,
): { name: string; temporaryUntil: number | null } | null {
  const text = /^\s*#\s*flatrender peer\b\s*(.*)$/.exec(lines[peerLine - 1] ?? '')?.[1]?.trim();
  if (text === undefined) return null;
  const [, name = '', until] = /^(\S+)(?:\s+temporary until (\S+))?$/.exec(text) ?? [];
  const temporaryUntil = until === undefined ? null : Date.parse(until);
  if (NAME.test(name) && !Number.isNaN(temporaryUntil ?? 0)) return { name, temporaryUntil };
  refuse(peerLine - 1, `"${text}" is no name of a peer: lower-case letters, digits, hyphens`);
  return null;
}

function readReservations(lines: readonly string[], network: Network, refuse: Refuse): Reservation[] {
  return lines.flatMap((raw, line) => {
    const text = /^\s*#\s*flatrender reserved\b\s*(.*)$/.exec(raw)?.[1]?.trim();
    if (text === undefined) return [];
    const [name = '', address = '', more] = text.split(/\s+/);
    if (NAME.test(name) && more === undefined && isInNetwork(address, network))
      return [{ name, address, line }];
    refuse(line, `"${text}" is no reservation: NAME ADDRESS, the address in ${network.text}`);
    return [];
  });
}

/** What is wrong only in company: the same key, address or name twice. */
function checkTogether(
  server: Server,
  peers: readonly PeerEntry[],
  reservations: readonly Reservation[],
  refuse: Refuse,
): void {
  const seen = new Map<string, { what: string; line: number }>();
  const once = (id: string, what: string, line: number, label: string): void => {
    const before = seen.get(id);
    if (before) refuse(line, `${label} is also that of ${before.what} (line ${before.line + 1})`);
    else seen.set(id, { what, line });
  };
  once(`key ${server.publicKey}`, 'the server itself', server.interface.keyLine, 'its own key');
  for (const { name, publicKey, address, from, keyLine } of peers) {
    const what = name === null ? 'a peer without a name' : `peer "${name}"`;
    once(`key ${publicKey}`, what, keyLine, `PublicKey ${publicKey}`);
    if (address !== null) once(`address ${address}`, what, keyLine, `AllowedIPs ${address}/32`);
    if (name !== null) once(`name ${name}`, what, from, `the name "${name}"`);
  }
  for (const { name, address, line } of reservations) {
    once(`address ${address}`, `the reservation of "${name}"`, line, address);
    once(`name ${name}`, `the reservation of "${name}"`, line, `the name "${name}"`);
  }
}
