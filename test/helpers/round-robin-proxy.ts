/** A load balancer on loopback: each request goes to the next of several servers that is there. */
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';

export interface RoundRobinProxy extends AsyncDisposable {
  readonly url: string;
  /** How many requests each server got. */
  readonly counts: readonly number[];
  /** This server is gone: what is under way to it breaks off, nothing goes there any more. */
  kill(index: number): void;
}

/** Forwards to these servers (http://127.0.0.1:port), in turn. */
export async function startRoundRobinProxy(targets: readonly string[]): Promise<RoundRobinProxy> {
  const agent = new Agent({ keepAlive: true });
  const counts = targets.map(() => 0);
  const dead = new Set<number>();
  const open = targets.map(() => new Set<ServerResponse>());
  let next = 0;
  const choose = (): number => {
    do next += 1;
    while (dead.has(next % targets.length) && dead.size < targets.length);
    return next % targets.length;
  };
  const forward = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const index = choose();
    counts[index] = (counts[index] ?? 0) + 1;
    open[index]?.add(outgoing);
    const upstream = request(`${targets[index]}${incoming.url}`, {
      method: incoming.method,
      // The host stays: addresses of files lead through here, too.
      headers: incoming.headers,
      agent,
    });
    const end = (): void => {
      open[index]?.delete(outgoing);
      upstream.destroy();
    };
    upstream.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('error', () => outgoing.destroy());
      answer.pipe(outgoing);
    });
    upstream.on('error', () => outgoing.destroy());
    outgoing.on('close', end);
    incoming.on('error', end);
    incoming.pipe(upstream);
  };
  const server = createServer(forward).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    counts,
    kill(index) {
      dead.add(index);
      for (const outgoing of open[index] ?? []) outgoing.destroy();
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      agent.destroy();
    },
  };
}
