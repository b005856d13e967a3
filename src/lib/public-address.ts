/** Which addresses of the network this program may call for somebody else: for webhooks, and for files named by URL. */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { untilAborted } from './abort.ts';

export interface OutsidePolicy {
  /** Whether hosts on private networks may be called. */
  readonly allowPrivate: boolean;
  /**
   * Host names or addresses that may be called whatever they resolve to and at any port; `*.example.com` is every name
   * below example.com.
   */
  readonly allowHosts: readonly string[];
  /** Networks (CIDR) that only `allowHosts` permits, even when private ones are allowed: the mesh. */
  readonly closed: readonly string[];
}

export interface OutsideAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Answers with all addresses of a name. */
export type Resolve = (host: string) => Promise<readonly { readonly address: string }[]>;

/** Where a URL leads, or the rule that forbids to call it. */
export type OutsideTarget = { readonly addresses: readonly OutsideAddress[] } | RefusedTarget;

export interface RefusedTarget {
  readonly refused: string;
  readonly rule: OutsideRule;
}

/** `scheme`, `user`, `port`, `private` (not on the public internet), `closed` (the mesh). */
export type OutsideRule = 'scheme' | 'user' | 'port' | 'private' | 'closed';

/**
 * Checks a URL and resolves its host once: whoever calls it connects to these addresses, so that the name cannot mean
 * another one by then. One forbidden address forbids the name. Rejects as the resolver does, or with the signal's reason.
 */
export async function resolveOutside(
  url: URL,
  policy: OutsidePolicy,
  signal: AbortSignal,
  resolve: Resolve = (host) => lookup(host, { all: true }),
): Promise<OutsideTarget> {
  const refused = refusedAtSight(url, policy);
  if (refused !== null) return refused;
  const host = hostOf(url);
  const isAllowed = isAllowedHost(host, policy);
  const found = isIP(host)
    ? [{ address: host }]
    : // A resolver that does not answer can be left waiting, but not interrupted.
      await untilAborted(resolve(host), signal);
  const addresses = found.map(({ address }) => ({ address, family: isIPv6(address) ? 6 : 4 }) as const);
  if (isAllowed) return { addresses };
  for (const { address } of addresses) {
    const shown = address === host ? address : `${host} is ${address}, which`;
    const forbidden = refusedAddress(address, shown, policy);
    if (forbidden !== null) return forbidden;
  }
  return { addresses };
}

/** What can be said against a URL without asking what its name means; null: nothing. */
export function refusedAtSight(url: URL, policy: OutsidePolicy): RefusedTarget | null {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return refuse('scheme', `${url.protocol} is neither http: nor https:`);
  }
  if (url.username !== '' || url.password !== '') {
    return refuse('user', 'an address with a user name or password is not called');
  }
  const host = hostOf(url);
  if (isAllowedHost(host, policy)) return null;
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  // Below are the services of machines (mail, name service, remote shells), never web servers that strangers name.
  if (port < 1024 && port !== 80 && port !== 443) {
    return refuse('port', `port ${port} is not one of web servers (80, 443, 1024 and above)`);
  }
  return isIP(host) ? refusedAddress(host, host, policy) : null;
}

function refusedAddress(address: string, shown: string, policy: OutsidePolicy): RefusedTarget | null {
  if (isIn(networks(policy.closed), address)) return refuse('closed', `${shown} is in the mesh`);
  if (!policy.allowPrivate && isPrivateAddress(address)) {
    return refuse('private', `${shown} is a private address`);
  }
  return null;
}

// IANA special-purpose registries: loopback, private, shared (CGNAT), link-local (cloud metadata), documentation,
// multicast, reserved. Of IPv6 only 2000::/3 is public at all (RFC 4291, 2.4), less what embeds IPv4 or documents.
// One list each: a list takes an IPv4 address for its ::ffff: form, and looks for it in the subnets of IPv6 too.
const PRIVATE_4 = new BlockList();
const PRIVATE_6 = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  PRIVATE_4.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of [
  ['::', 3],
  ['4000::', 2],
  ['8000::', 1],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  PRIVATE_6.addSubnet(net, bits, 'ipv6');

/** Whether an IP address, in any notation, is not on the public internet. What is no address is not on it either. */
export function isPrivateAddress(address: string): boolean {
  const plain = withoutZone(address);
  const four = isIPv4(plain) ? plain : embedded(plain);
  if (four !== null) return PRIVATE_4.check(four, 'ipv4');
  return !isIPv6(plain) || PRIVATE_6.check(plain, 'ipv6');
}

/** A URL for messages: what may be secret in it (user, query, fragment) is left out. */
export function withoutSecrets(url: URL): string {
  const shown = `${url.protocol}//${url.host}${url.pathname}`;
  const text = shown.length > 200 ? `${shown.slice(0, 200)}…` : shown;
  return url.search === '' ? text : `${text}?…`;
}

/** The IPv4 address behind ::ffff:0:0/96 (mapped) and 64:ff9b::/96 (NAT64, RFC 6052); null for every other one. */
function embedded(address: string): string | null {
  if (!isIPv6(address)) return null;
  const groups = expand(address);
  const prefix = groups.slice(0, 6).join(':');
  if (prefix !== '0:0:0:0:0:ffff' && prefix !== '64:ff9b:0:0:0:0') return null;
  const [high = 0, low = 0] = groups.slice(6).map((group) => Number.parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** The eight groups of an IPv6 address, without leading zeros. */
function expand(address: string): string[] {
  // The URL parser knows every notation and writes the shortest one.
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [before = '', after] = short.split('::');
  const head = before === '' ? [] : before.split(':');
  if (after === undefined) return head;
  const tail = after === '' ? [] : after.split(':');
  return [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
}

function withoutZone(address: string): string {
  return address.replace(/%.*$/, '');
}

/** Host of a URL as `allowHosts` names it: no brackets, no port, no trailing dot. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

function isAllowedHost(host: string, { allowHosts }: OutsidePolicy): boolean {
  return allowHosts.some((pattern) => isHost(host, pattern));
}

function isHost(host: string, pattern: string): boolean {
  const wanted = pattern.toLowerCase();
  return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) && !isIP(host) : host === wanted;
}

function networks(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [net = '', bits = ''] = cidr.split('/');
    list.addSubnet(net, Number(bits), isIPv6(net) ? 'ipv6' : 'ipv4');
  }
  return list;
}

function isIn(list: BlockList, address: string): boolean {
  const plain = withoutZone(address);
  const four = isIPv4(plain) ? plain : embedded(plain);
  return four !== null ? list.check(four, 'ipv4') : list.check(plain, 'ipv6');
}

function refuse(rule: OutsideRule, refused: string): RefusedTarget {
  return { refused, rule };
}
