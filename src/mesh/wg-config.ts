/**
 * `wg0.conf` of the control plane, read and checked. Names, reservations and the public endpoint are comments, so that `wg`
 * and `wg-quick` read the same file:
 *
 *     # flatrender endpoint farm.example.com:51820        (in [Interface])
 *     # flatrender reserved studio-2 10.66.0.12           (anywhere)
 *     # flatrender peer studio-1 temporary until 2026-01-28T10:30:00Z   (directly above [Peer])
 */
import { FlatrenderError } from '../lib/errors.ts';
import { type Network, parseNetwork, serverAddressOf } from './addresses.ts';
import { checkEndpoint } from './endpoint.ts';
import { isKey, publicKeyOf } from './keys.ts';
import { readPeers, readReservations } from './wg-peers.ts';
import { type Refuse, readSections, type Section, type Setting } from './wg-sections.ts';

/** A `[Peer]` with what stands above it. */
export interface PeerEntry {
  /** null: somebody wrote it by hand, without a name. */
  readonly name: string | null;
  readonly publicKey: string;
  /** null: it has none, or more than one, or a whole network (hand-made peers only). */
  readonly address: string | null;
  /** All its AllowedIPs, each with a prefix length. */
  readonly allowed: readonly AllowedIp[];
  readonly temporaryUntil: number | null;
  /** Index of its first line: the comment with its name, or `[Peer]`. */
  readonly from: number;
  /** Index after its last `Key = value`. */
  readonly to: number;
  readonly keyLine: number;
}

/** One of a peer's AllowedIPs, `10.66.0.11/32`; the line index from 0. */
export interface AllowedIp {
  readonly text: string;
  readonly line: number;
}

export interface Reservation {
  readonly name: string;
  readonly address: string;
  readonly line: number;
}

/** A file that is sound. Line indexes count from 0. */
export interface WgConfig {
  readonly file: string;
  /** As they are, with the carriage returns they may end with. */
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
  const raw = text.replace(/^\uFEFF/, '').split('\n');
  const lines = raw.map((line) => line.replace(/\r$/, ''));
  const sections = readSections(lines, refuse);
  const server = readServer(sections, lines, refuse, file);
  const peers = server ? readPeers(sections, lines, server.network, refuse) : [];
  const reservations = server ? readReservations(lines, server.network, refuse) : [];
  if (server) checkTogether(server, peers, reservations, refuse);
  if (server && found.length === 0) return { file, lines: raw, ...server, peers, reservations };
  const problems = found
    .sort((a, b) => a.line - b.line)
    .map(({ line, why }) => `${file}:${line + 1}: ${why}`);
  throw new FlatrenderError('MESH_INVALID', problems.join('\n'), {
    hint: `correct ${file}, then: flatrender wg sync`,
    details: { problems },
  });
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
  for (const { name, publicKey, allowed, from, keyLine } of peers) {
    const what = name === null ? 'a peer without a name' : `peer "${name}"`;
    once(`key ${publicKey}`, what, keyLine, `PublicKey ${publicKey}`);
    for (const [text, line] of new Map(allowed.map((each) => [each.text, each.line])))
      once(`address ${text}`, what, line, `AllowedIPs ${text}`);
    if (name !== null) once(`name ${name}`, what, from, `the name "${name}"`);
  }
  for (const { name, address, line } of reservations) {
    once(`address ${address}/32`, `the reservation of "${name}"`, line, address);
    once(`name ${name}`, `the reservation of "${name}"`, line, `the name "${name}"`);
  }
}
