/** Disks that fill to the last byte and are emptied again: of the database, the objects, an agent, the log. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Fault, type FaultOptions, type FaultReport, farmFor, SHORT_LEASES, Strikes } from './fault.ts';
import type { FaultFarm, FaultFarmOptions } from './fault-farm.ts';
import { Load } from './load.ts';
import { mountSmallDisk, noSmallDisks, type SmallDisk } from './small-disk.ts';

const LASTS_MS = 3000;

export const fullDatabase = fullDisk('full-database', 'the disk of the SQLite database', {
  missing: ({ store }) => (store === 'sqlite' ? null : 'the database is SQLite only here'),
  farm: (disk) => ({ settings: { store: `sqlite:${join(disk.path, 'flatrender.db')}` } }),
  whileFull: (farm) => refusal(farm),
});

export const fullObjects = fullDisk('full-objects', 'the disk of the object directory', {
  missing: ({ objects }) => (objects === 'fs' ? null : 'objects are in a directory only with --objects fs'),
  farm: (disk) => ({ settings: { 'objects.path': join(disk.path, 'objects') } }),
  whileFull: async () => null,
});

export const fullAgent = fullDisk('full-agent', 'the disk of an agent: cache, scratch and outbox', {
  farm: () => ({}),
  agent: (disk) => ({ STATE_DIR: join(disk.path, 'state'), MIN_FREE_GB: '0.01' }),
  whileFull: async () => null,
});

export const fullLog = fullDisk(
  'full-log',
  'the disk of the log of the control plane: everything goes on meanwhile',
  {
    farm: (disk) => ({ logFile: join(disk.path, 'control.log'), env: { LOG_LEVEL: 'debug' } }),
    whileFull: async (_, strikes) => {
      const ms = await strikes.recovered(performance.now());
      return `a whole job took ${Math.round(ms)} ms while the log's disk was full`;
    },
  },
);

function fullDisk(
  name: string,
  summary: string,
  how: Pick<Fault, 'missing'> & {
    readonly farm: (disk: SmallDisk) => Partial<FaultFarmOptions>;
    readonly agent?: (disk: SmallDisk) => Record<string, string>;
    /** Something to remark on, once. */
    readonly whileFull: (farm: FaultFarm, strikes: Strikes) => Promise<string | null>;
  },
): Fault {
  return {
    name,
    summary: `${summary} is full to the last byte, and has room again`,
    kills: 10,
    missing: (kinds) => noSmallDisks ?? how.missing?.(kinds) ?? null,
    async run(options: FaultOptions): Promise<FaultReport> {
      const { lastsMs = LASTS_MS } = options;
      await using disk = await mountSmallDisk(64);
      await mkdir(join(disk.path, 'state'));
      const more = how.farm(disk);
      await using farm = await farmFor(options, { ...more, settings: { ...SHORT_LEASES, ...more.settings } });
      const agent = await farm.startAgent('renderer', {
        NODE_TAGS: 'real',
        MAX_CONCURRENT_JOBS: '2',
        ...how.agent?.(disk),
      });
      await using load = await Load.start(farm, { perSecond: 20, realEvery: 16 });
      const strikes = new Strikes(farm, load);
      await load.more(10, 5);
      const remarks = new Set<string>();
      for (let n = 1; n <= options.kills; n += 1) {
        disk.fill();
        const remark = await how.whileFull(farm, strikes);
        if (remark !== null) remarks.add(remark.replace(/\d+ ms/, 'less than a second'));
        await delay(lastsMs);
        const at = performance.now();
        disk.free();
        await strikes.recovered(at);
        // Three failures of a template in a row would keep it from the node: it has to succeed in between.
        await load.rendered(agent.id, at, 'short');
        if (!farm.control.isRunning || !agent.process.isRunning)
          throw new Error(
            `a full disk ended it:\n${farm.control.log().slice(-3000)}\n${agent.process.log().slice(-3000)}`,
          );
        options.say(`full and free again ${n} times`);
      }
      strikes.notes.push(...remarks);
      return await strikes.report(name, `${options.kills} × ${lastsMs / 1000} s`, options);
    },
  };
}

/** What a submit is told while nothing can be written. */
async function refusal(farm: FaultFarm): Promise<string> {
  for (let tries = 0; tries < 100; tries += 1) {
    const answer = await farm.client.call('POST', '/v1/jobs', {
      template: 'quick',
      tags: ['load'],
    });
    const error = answer.body?.error as { message?: string; hint?: string } | undefined;
    // SQLite may find room in its log for a while.
    if (answer.status >= 300)
      return `refused with ${answer.status}: ${error?.message} (${error?.hint})`.replaceAll(farm.root, '…');
  }
  return 'submits were taken all the time';
}
