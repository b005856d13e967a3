/** What `wg show <interface> dump` says of a peer. */
export interface DumpedPeer {
  /** null: no packet came from it yet. */
  readonly endpoint: string | null;
  /** Epoch milliseconds; null: never. */
  readonly handshakeAt: number | null;
  readonly rxBytes: number;
  readonly txBytes: number;
}

/**
 * Reads `wg show <interface> dump` by public key. The first line is the interface; a peer's is, parted by tabs: public key,
 * pre-shared key, endpoint, allowed IPs, latest handshake (epoch seconds), received, sent, keepalive (wg(8)).
 */
export function parseWgDump(text: string): ReadonlyMap<string, DumpedPeer> {
  const peers = new Map<string, DumpedPeer>();
  for (const line of text.split('\n').slice(1)) {
    const [key, , endpoint, , handshake, rx, tx] = line.split('\t');
    if (!key || tx === undefined) continue;
    peers.set(key, {
      endpoint: endpoint === undefined || endpoint === '(none)' ? null : endpoint,
      handshakeAt: handshake === undefined || handshake === '0' ? null : Number(handshake) * 1000,
      rxBytes: Number(rx),
      txBytes: Number(tx),
    });
  }
  return peers;
}
