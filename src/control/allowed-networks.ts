/** `gateway.allow`: who may connect at all. */
import type { Server } from 'node:http';
import { BlockList, isIPv6 } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';

// A scanner must not fill the log.
const LOG_EVERY_MS = 60_000;
/** Addresses whose last refusal is remembered. */
const REMEMBERED = 1000;

interface AllowOptions {
  /** CIDR notation; null: everybody. */
  readonly networks: readonly string[] | null;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts them; the log names each address once a minute. */
  readonly onRefused: () => void;
}

/**
 * Ends connections that come from elsewhere before a byte of them is read. This machine is always allowed: its loopback, and
 * its own addresses (a connection of it to itself has the same address at both ends).
 */
export function allowOnly(server: Server, { networks, clock, logger, onRefused }: AllowOptions): void {
  if (networks === null) return;
  const allowed = blockListOf([...networks, '127.0.0.0/8', '::1/128']);
  const told = new Map<string, number>();
  server.prependListener('connection', (socket) => {
    const from = plain(socket.remoteAddress ?? '');
    if (from === plain(socket.localAddress ?? '') && from !== '') return;
    if (from !== '' && allowed.check(from, isIPv6(from) ? 'ipv6' : 'ipv4')) return;
    socket.destroy();
    onRefused();
    const now = clock.now();
    if (now - (told.get(from) ?? Number.NEGATIVE_INFINITY) < LOG_EVERY_MS) return;
    if (told.size >= REMEMBERED) told.clear();
    told.set(from, now);
    const message = `${from} is in none of gateway.allow (${networks.join(', ')})`;
    logger.warn('gateway.refused', { address: from, message });
  });
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits = ''] = network.split('/');
    list.addSubnet(address, Number(bits), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  return list;
}

/** An IPv4 address that came to an IPv6 socket is one. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}
