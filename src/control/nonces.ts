/** Which nonces a node has used: a request that is sent a second time is refused. */

interface Window {
  current: Set<number>;
  previous: Set<number>;
  turnedAt: number;
  /** Requests signed at or before this second (epoch) are refused: their nonces are no longer remembered. */
  floor: number;
  newestCurrent: number;
  newestPrevious: number;
}

// A request is acceptable from 300 s before to 300 s after its own time: nobody can use one for longer than this.
const WINDOW_SECONDS = 600;
// 8 bytes and overhead each; a node that signs more in ten minutes has its older requests refused instead.
const NONCES_PER_SET = 250_000;

/**
 * Remembers nonces for as long as a request could be replayed, in two sets per node of which the older is dropped as
 * a whole. In memory: after a restart, a request of the last five minutes could be replayed once, by somebody who reads
 * the node's traffic. Reports and heartbeats are idempotent and fenced; a registration brings back what was true minutes
 * ago; a claim may take one task, whose lease runs out, and whose files that somebody could read on the wire anyway.
 * Refusing whatever was signed before the start would close this, and lock out each node whose clock is behind for as
 * long as it is behind, longer than its leases last. Where the wire can be read, `gateway.tls` or the mesh is the answer.
 */
export class Nonces {
  readonly #windows = new Map<string, Window>();
  readonly #limit: number;

  constructor(limit: number = NONCES_PER_SET) {
    this.#limit = limit;
  }

  /** Takes a nonce of a verified request; false when it was used before or is too old to tell. Times in seconds. */
  take(nodeId: string, nonce: string, created: number, now: number): boolean {
    const window = this.#windowOf(nodeId, now);
    if (created <= window.floor) return false;
    const hash = hashOf(nonce);
    if (window.current.has(hash) || window.previous.has(hash)) return false;
    window.current.add(hash);
    window.newestCurrent = Math.max(window.newestCurrent, created);
    return true;
  }

  forget(nodeId: string): void {
    this.#windows.delete(nodeId);
  }

  #windowOf(nodeId: string, now: number): Window {
    let window = this.#windows.get(nodeId);
    if (!window) {
      window = {
        current: new Set(),
        previous: new Set(),
        turnedAt: now,
        floor: 0,
        newestCurrent: 0,
        newestPrevious: 0,
      };
      this.#windows.set(nodeId, window);
    }
    const isFull = window.current.size >= this.#limit;
    if (now - window.turnedAt >= WINDOW_SECONDS || isFull) {
      // Out of time, the dropped nonces are too old for the clock check; out of room, the floor refuses them.
      if (isFull) window.floor = Math.max(window.floor, window.newestPrevious);
      window.previous = window.current;
      window.newestPrevious = window.newestCurrent;
      window.current = new Set();
      window.newestCurrent = 0;
      window.turnedAt = now;
    }
    return window;
  }
}

// 53 bits of the nonce (cyrb53): a number in a set takes a quarter of what the text takes, which would keep the whole
// header alive besides. Two nonces of one node meet by chance once in 10^10; an attacker cannot choose them.
function hashOf(text: string): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (2097151 & b) + (a >>> 0);
}
