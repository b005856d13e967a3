/** What one control plane knows of the others: who is there, and whether everything that they sent has come. */
import type { Notification } from './notification.ts';
import type { ReplicaRow } from './replica-table.ts';

interface Peer {
  readonly name: string;
  isAlive: boolean;
  /** The last notification that came. */
  seen: number;
  /** What its row said a beat ago: by now it must have come. */
  announced: number;
}

interface PeersOptions {
  /** Oneself. */
  readonly replicaId: string;
  /** Changes may have been missed. */
  readonly onGap: (reason: string) => void;
  readonly onJoined: (row: ReplicaRow) => void;
  readonly onGone: (row: ReplicaRow) => void;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #peers = new Map<string, Peer>();

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Compares with the rows of all, once for each beat. */
  compare(rows: readonly ReplicaRow[]): void {
    const byId = new Map(rows.map((row) => [row.id, row]));
    byId.delete(this.#options.replicaId);
    for (const [id, peer] of this.#peers) {
      const row = byId.get(id);
      // No row: it said goodbye, and sent everything before.
      if (row === undefined) this.#peers.delete(id);
      else if (peer.isAlive && !row.isAlive) {
        this.#options.onGone(row);
        this.#options.onGap(`the control plane ${peer.name} is not heard of any more`);
      }
    }
    for (const row of byId.values()) this.#look(row);
  }

  /** Whether the notification is new; says so when there are some missing before it. */
  take({ replicaId, seq }: Notification): boolean {
    if (replicaId === this.#options.replicaId) return false;
    const peer = this.#peers.get(replicaId);
    if (peer === undefined) {
      // The first one of somebody new is taken as it comes.
      this.#peers.set(replicaId, { name: replicaId, isAlive: true, seen: seq, announced: 0 });
      return true;
    }
    // Sent twice, because its sender did not learn that it had arrived.
    if (seq <= peer.seen) return false;
    this.#missed(peer, seq - peer.seen - 1);
    peer.seen = seq;
    return true;
  }

  #look(row: ReplicaRow): void {
    const { id, hostname, isAlive, announced } = row;
    const peer = this.#peers.get(id);
    if (peer === undefined) {
      this.#peers.set(id, { name: `${id} on ${hostname}`, isAlive, seen: announced, announced });
      if (isAlive) this.#options.onJoined(row);
      return;
    }
    this.#missed(peer, peer.announced - peer.seen);
    peer.seen = Math.max(peer.seen, peer.announced);
    peer.announced = announced;
    peer.isAlive = isAlive;
  }

  #missed(peer: Peer, count: number): void {
    if (count <= 0) return;
    this.#options.onGap(`${count} notification${count === 1 ? '' : 's'} of ${peer.name} did not come`);
  }
}
