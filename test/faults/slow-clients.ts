/** Connections that are opened and not used: slow headers, slow bodies, nothing at all. */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Fault, type FaultOptions, type FaultReport, farmFor, Strikes } from './fault.ts';
import { Load } from './load.ts';
import { openSockets, residentMb } from './process-facts.ts';

const HEADER_SECONDS = 2;
const CONNECTIONS = 600;
const KINDS = ['slow headers', 'slow body', 'silent'] as const;

export const slowClients: Fault = {
  name: 'slow-clients',
  summary: `waves of ${CONNECTIONS} connections with slow headers, slow bodies or nothing at all; others are served`,
  kills: 12,
  async run(options: FaultOptions): Promise<FaultReport> {
    await using farm = await farmFor(options, {
      settings: {
        'limits.headerSeconds': HEADER_SECONDS,
        'limits.requestSeconds': HEADER_SECONDS,
        'limits.connections': 3000,
      },
    });
    await using load = await Load.start(farm, { perSecond: 30, realEvery: 0 });
    const strikes = new Strikes(farm, load);
    await load.more(20, 10);
    const before = { sockets: openSockets(farm.control.pid), rss: residentMb(farm.control.pid) };
    const most = { sockets: 0, rss: 0 };
    for (let wave = 0; wave < options.kills; wave += 1) {
      const kind = KINDS[wave % KINDS.length] ?? 'silent';
      using crowd = openCrowd(new URL(farm.url), kind);
      const at = performance.now();
      await strikes.recovered(at);
      for (let n = 0; n < 10; n += 1) {
        most.sockets = Math.max(most.sockets, openSockets(farm.control.pid));
        most.rss = Math.max(most.rss, residentMb(farm.control.pid));
        await delay(HEADER_SECONDS * 100);
        crowd.drip();
      }
      await strikes.recovered(performance.now());
      // The server ends them by itself; the clients only watch.
      const left = await crowd.left((HEADER_SECONDS + 8) * 1000);
      if (left > 0) strikes.notes.push(`${left} of ${CONNECTIONS} connections with ${kind} stayed open`);
      options.say(`wave ${wave + 1}, ${kind}: ${left} stayed open`);
    }
    const after = { sockets: openSockets(farm.control.pid), rss: residentMb(farm.control.pid) };
    strikes.notes.push(
      `open files of the control plane before / most / after: ${before.sockets} / ${most.sockets} / ${after.sockets}; ` +
        `memory ${before.rss} / ${most.rss} / ${after.rss} MB`,
    );
    return await strikes.report(slowClients.name, `${options.kills} waves of ${CONNECTIONS}`, options);
  },
};

interface Crowd extends Disposable {
  /** A byte more of each. */
  drip(): void;
  /** How many the server has not ended within that time. */
  left(ms: number): Promise<number>;
}

function openCrowd({ hostname, port }: URL, kind: (typeof KINDS)[number]): Crowd {
  const open = new Set<Socket>();
  for (let n = 0; n < CONNECTIONS; n += 1) {
    const socket = connect(Number(port), hostname);
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    socket.on('data', () => undefined);
    if (kind === 'slow headers') socket.write(`POST /v1/jobs HTTP/1.1\r\nhost: ${hostname}\r\nx-a: `);
    if (kind === 'slow body')
      socket.write(
        `POST /v1/jobs HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{`,
      );
  }
  return {
    drip() {
      if (kind !== 'silent') for (const socket of open) if (socket.writable) socket.write('a');
    },
    async left(ms) {
      const giveUpAt = performance.now() + ms;
      while (open.size > 0 && performance.now() < giveUpAt) await delay(50);
      return open.size;
    },
    [Symbol.dispose]() {
      for (const socket of open) socket.destroy();
    },
  };
}
