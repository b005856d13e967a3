/** An HTTP-blind TCP proxy whose connections break: one in `oneIn`, after a random share of what it carries. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface FlakyProxy extends AsyncDisposable {
  readonly url: string;
  /** Exchanges (request with its answer) that were seen, and those that were broken. */
  counts(): {
    readonly requests: number;
    readonly broken: number;
    readonly bytesUp: number;
    readonly bytesDown: number;
  };
  /** From now on, one request in this many breaks; 0: none. */
  breakOneIn(n: number): void;
  /** The next so many break for certain. */
  breakNext(count: number): void;
}

/** Pseudo-random, so that a run can be repeated: mulberry32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Forwards to `target` (http://127.0.0.1:port). Requests are told apart by what starts them on a connection: `METHOD /`. One in
 * `oneIn` of them is cut after up to `cutBytes` bytes, in whichever direction they flow.
 */
export async function startFlakyProxy(
  target: string,
  options: { readonly oneIn: number; readonly seed: number; readonly cutBytes: number },
): Promise<FlakyProxy> {
  const { port } = new URL(target);
  const chance = random(options.seed);
  const open = new Set<Socket>();
  const seen = { requests: 0, broken: 0, bytesUp: 0, bytesDown: 0 };
  let oneIn = options.oneIn;
  let certain = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), '127.0.0.1');
    let left = Number.POSITIVE_INFINITY;
    const onRequest = (): void => {
      seen.requests += 1;
      certain -= 1;
      const isBroken = certain >= 0 || (oneIn > 0 && chance() < 1 / oneIn);
      left = isBroken ? Math.floor(chance() * options.cutBytes) : Number.POSITIVE_INFINITY;
    };
    const spend = (bytes: number): boolean => {
      left -= bytes;
      if (left >= 0) return true;
      if (!client.destroyed) seen.broken += 1;
      client.destroy();
      upstream.destroy();
      return false;
    };
    for (const [from, to, isUp] of [
      [client, upstream, true],
      [upstream, client, false],
    ] as const) {
      open.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.on('data', (chunk: Buffer) => {
        if (isUp && /^(GET|PUT|HEAD|POST|DELETE) \//.test(chunk.subarray(0, 8).toString('latin1')))
          onRequest();
        if (isUp) seen.bytesUp += chunk.length;
        else seen.bytesDown += chunk.length;
        if (!spend(chunk.length)) return;
        if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
      from.on('end', () => to.end());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const own = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${own}`,
    counts: () => ({ ...seen }),
    breakOneIn(n) {
      oneIn = n;
    },
    breakNext(count) {
      certain = count;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
