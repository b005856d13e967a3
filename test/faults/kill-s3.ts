/** An S3 server that dies, or whose disk stands still, under load. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Fault, type FaultOptions, type FaultReport, farmFor, Strikes, someTime } from './fault.ts';
import { Load } from './load.ts';

export const killS3: Fault = {
  name: 'kill-s3',
  summary: 'radosgw: SIGKILL and start again; every fourth time the disk behind it stands still for 3 s',
  kills: 30,
  missing: ({ objects }) => (objects === 's3' ? null : 'needs --objects s3'),
  async run(options: FaultOptions): Promise<FaultReport> {
    await using farm = await farmFor(options);
    const { s3 } = farm.backends;
    if (s3 === null) throw new Error('no S3 server');
    const agent = await farm.startAgent('renderer', { NODE_TAGS: 'real', MAX_CONCURRENT_JOBS: '2' });
    await using load = await Load.start(farm);
    const strikes = new Strikes(farm, load);
    await load.more(10);
    for (let kill = 1; kill <= options.kills; kill += 1) {
      await someTime(400);
      const isFrozen = kill % 4 === 0;
      if (isFrozen) await s3.freeze();
      else await s3.kill();
      await delay(isFrozen ? 3000 : Math.random() * 1500);
      const at = performance.now();
      if (isFrozen) await s3.thaw();
      else await s3.restart();
      await strikes.recovered(at);
      await load.rendered(agent.id, at);
      if (kill % 5 === 0) options.say(`${kill} strikes, ${load.ledger.submitted.size} submits acknowledged`);
    }
    return await strikes.report(killS3.name, `${options.kills} strikes`, options);
  },
};
