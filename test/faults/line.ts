/** Bad lines: between the farm and everybody who talks to it, to its database, to its object store. */
import { setTimeout as delay } from 'node:timers/promises';
import { startTcpProxy, type TcpProxy, type Weather } from '../helpers/tcp-proxy.ts';
import { type Fault, type FaultOptions, type FaultReport, farmFor, SHORT_LEASES, Strikes } from './fault.ts';
import type { FaultFarm } from './fault-farm.ts';
import { Load } from './load.ts';

const TROUBLE: readonly (readonly [string, Weather | 'cut' | 'drop'])[] = [
  ['stalled', { stalled: true }],
  ['every tenth piece of data ends its connection', { cutChance: 0.1 }],
  ['cut', 'cut'],
  ['late by 300 ms', { delayMs: 300 }],
  ['20 kB a second', { bytesPerSecond: 20_000 }],
  ['connections dropped', 'drop'],
];
const LASTS_MS = 4000;

/** Between agents and clients on the one side and the control plane on the other. */
export const line = badLine(
  'line',
  'the line to the control plane stalls, is cut, late, slow, breaks now and then',
  {
    open: async (options) => {
      let proxy: TcpProxy | undefined;
      const farm = await farmFor(options, {
        settings: SHORT_LEASES,
        front: async ([target = '']) => {
          proxy = await startTcpProxy(target);
          return proxy;
        },
      });
      return { farm, proxy };
    },
  },
);

/** Between control planes and PostgreSQL. */
export const lineDatabase = badLine('line-postgres', 'the same between the control plane and PostgreSQL', {
  missing: ({ store }) => (store === 'postgres' ? null : 'needs --store postgres'),
  open: async (options) => {
    const farm = await farmFor(options, { settings: SHORT_LEASES });
    return { farm, proxy: farm.backends.databaseLine ?? undefined };
  },
});

/** Between everybody and the S3 server. */
export const lineObjects = badLine('line-s3', 'the same between everybody and the S3 server', {
  missing: ({ objects }) => (objects === 's3' ? null : 'needs --objects s3'),
  open: async (options) => {
    const farm = await farmFor(options, { settings: SHORT_LEASES });
    return { farm, proxy: farm.backends.objectsLine ?? undefined };
  },
});

function badLine(
  name: string,
  summary: string,
  how: Pick<Fault, 'missing'> & {
    readonly open: (options: FaultOptions) => Promise<{ farm: FaultFarm; proxy: TcpProxy | undefined }>;
  },
): Fault {
  return {
    name,
    summary,
    kills: 18,
    ...(how.missing === undefined ? {} : { missing: how.missing }),
    async run(options: FaultOptions): Promise<FaultReport> {
      const { lastsMs = LASTS_MS } = options;
      const { farm, proxy } = await how.open(options);
      await using _ = farm;
      if (proxy === undefined) throw new Error(`${name}: no line`);
      const agent = await farm.startAgent('renderer', { NODE_TAGS: 'real', MAX_CONCURRENT_JOBS: '2' });
      await using load = await Load.start(farm, { perSecond: 20, realEvery: 16 });
      const strikes = new Strikes(farm, load);
      await load.more(10, 5);
      for (let n = 0; n < options.kills; n += 1) {
        const [what, weather] = TROUBLE[n % TROUBLE.length] ?? ['cut', 'cut'];
        if (weather === 'cut') proxy.cut();
        else if (weather === 'drop') proxy.drop();
        else proxy.weather(weather);
        if (weather !== 'drop') await delay(lastsMs);
        const at = performance.now();
        proxy.mend();
        const ms = await strikes.recovered(at);
        await load.rendered(agent.id, at);
        options.say(`${what}: recovered in ${Math.round(ms)} ms`);
      }
      return await strikes.report(name, `${options.kills} × ${lastsMs / 1000} s`, options);
    },
  };
}
