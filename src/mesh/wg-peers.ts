/** The peers of wg0.conf and the addresses that are kept, each checked by itself. */
import { isInNetwork, type Network, requireNodeAddress } from './addresses.ts';
import { checkEndpoint } from './endpoint.ts';
import { isKey } from './keys.ts';
import type { PeerEntry, Reservation } from './wg-config.ts';
import type { Refuse, Section } from './wg-sections.ts';

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** The `[Peer]` sections. */
export function readPeers(
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
      const written = section.settings
        .filter(({ key: each }) => each === 'allowedips')
        .flatMap(({ value, line }) => value.split(',').map((each) => ({ text: each.trim(), line })));
      const allowed = written
        .filter((each) => checkAllowed(each, network, refuse))
        .map(({ text, line }) => ({ text: withPrefix(text), line }));
      const [first] = allowed;
      const address = allowed.length === 1 ? (/^([\d.]+)\/32$/.exec(first?.text ?? '')?.[1] ?? null) : null;
      if (header && address === null && allowed.length === written.length) {
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
          allowed,
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

/** wg clears host bits without a word; here they are a typing error. False: refused. */
function checkAllowed(
  { text, line }: { text: string; line: number },
  network: Network,
  refuse: Refuse,
): boolean {
  if (text.includes(':')) return true;
  try {
    if (/^[\d.]+\/32$/.test(text)) requireNodeAddress(text.slice(0, -3), network, 'AllowedIPs');
    else if (/^[\d.]+$/.test(text)) requireNodeAddress(text, network, 'AllowedIPs');
    else if (!isNetworkWithoutHostBits(text)) throw new Error('has host bits set, or is no network');
    return true;
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^AllowedIPs: /, '') : '';
    refuse(line, `AllowedIPs ${text}: ${why}`);
    return false;
  }
}

/** One address is a network of one; `wg` takes both. */
function withPrefix(text: string): string {
  if (text.includes('/')) return text.toLowerCase();
  return text.includes(':') ? `${text.toLowerCase()}/128` : `${text}/32`;
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

/** The reservations, wherever they stand. */
export function readReservations(lines: readonly string[], network: Network, refuse: Refuse): Reservation[] {
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
