/**
 * A TCP proxy on loopback whose line can be made bad and good again: cut (connections die, new ones too), stalled (connections
 * stay, nothing comes through), slow, late, or dying in the middle now and then.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What is wrong with a line; nothing: it is good. */
export interface Weather {
  /** Bytes are taken and kept until it is over; connections are accepted. */
  readonly stalled?: boolean;
  /** Every piece of data comes this much later. */
  readonly delayMs?: number;
  /** In each direction of each connection. */
  readonly bytesPerSecond?: number;
  /** How many of 1 pieces of data end their connection instead of coming through: 0.05 is each twentieth. */
  readonly cutChance?: number;
}

export interface TcpProxy extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: number;
  cut(): void;
  /** The line is good again. */
  mend(): void;
  /** From now on, also for connections that are open. */
  weather(weather: Weather): void;
  /** Ends the connections that are open; new ones are served. */
  drop(): void;
}

/** Forwards to `target` (scheme://127.0.0.1:port); given several times, to the first that accepts, each connection one further. */
export async function startTcpProxy(...targets: readonly string[]): Promise<TcpProxy> {
  const ports = targets.map((target) => Number(new URL(target).port));
  const open = new Set<Socket>();
  let isCut = false;
  let weather: Weather = {};
  let changed = Promise.withResolvers<void>();
  let turn = 0;
  const setWeather = (next: Weather): void => {
    weather = next;
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const join = (client: Socket, upstream: Socket): void => {
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(socket);
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
      void pump(socket, other);
    }
  };
  /** Carries data one way, as the weather lets it. */
  const pump = async (from: Socket, to: Socket): Promise<void> => {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        while (weather.stalled) await changed.promise;
        const { delayMs = 0, bytesPerSecond, cutChance = 0 } = weather;
        if (cutChance > 0 && Math.random() < cutChance) {
          from.destroy();
          return;
        }
        const waitMs = delayMs + (bytesPerSecond ? (chunk.length / bytesPerSecond) * 1000 : 0);
        if (waitMs > 0) await sleep(waitMs);
        if (to.destroyed) return;
        if (!to.write(chunk)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
      }
      to.end();
    } catch {
      // The connection died; closing the other one is done above.
    }
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.on('error', () => undefined);
    if (isCut) {
      client.destroy();
      return;
    }
    turn += 1;
    const tryNext = (left: number): void => {
      const upstream = connect(ports[(turn + left) % ports.length] ?? 0, '127.0.0.1');
      let isConnected = false;
      upstream.on('error', () => {
        if (isConnected) return;
        if (left > 1 && !client.destroyed) tryNext(left - 1);
        else client.destroy();
      });
      upstream.on('connect', () => {
        isConnected = true;
        if (client.destroyed) upstream.destroy();
        else join(client, upstream);
      });
    };
    tryNext(ports.length);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const drop = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get connections() {
      return open.size / 2;
    },
    cut() {
      isCut = true;
      drop();
    },
    mend() {
      isCut = false;
      setWeather({});
    },
    weather: setWeather,
    drop,
    async [Symbol.asyncDispose]() {
      setWeather({});
      drop();
      server.close();
      await once(server, 'close');
    },
  };
}
