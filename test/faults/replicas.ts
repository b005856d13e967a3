/** Three control planes on one database behind a TCP balancer; one after the other is killed. */
import { startTcpProxy } from '../helpers/tcp-proxy.ts';
import { type Fault, type FaultOptions, type FaultReport, farmFor, Strikes, someTime } from './fault.ts';
import { Load } from './load.ts';

const REPLICAS = 3;

export const replicas: Fault = {
  name: 'kill-replicas',
  summary: `${REPLICAS} control planes behind a balancer: SIGKILL of one at a time, back after up to 2 s; every fifth stands still for 3 s`,
  kills: 100,
  missing: ({ store }) => (store === 'postgres' ? null : 'several control planes need --store postgres'),
  async run(options: FaultOptions): Promise<FaultReport> {
    await using farm = await farmFor(options, {
      replicas: REPLICAS,
      front: (targets) => startTcpProxy(...targets),
    });
    await farm.startAgent('renderer', { NODE_TAGS: 'real', MAX_CONCURRENT_JOBS: '2' });
    await using load = await Load.start(farm);
    const strikes = new Strikes(farm, load);
    await load.more(10);
    for (let kill = 1; kill <= options.kills; kill += 1) {
      await someTime(300);
      const victim = farm.replicas[kill % REPLICAS] ?? farm.control;
      const at = performance.now();
      if (kill % 5 === 0) {
        victim.pause();
        await someTime(3000);
        victim.resume();
      } else {
        await victim.stop('SIGKILL');
        // The others go on without it.
        await strikes.recovered(at);
        await someTime(2000);
        await victim.start();
      }
      await strikes.recovered(performance.now());
      if (kill % 10 === 0) options.say(`${kill} kills, ${load.ledger.submitted.size} submits acknowledged`);
    }
    return await strikes.report(replicas.name, `${options.kills} kills`, options);
  },
};
