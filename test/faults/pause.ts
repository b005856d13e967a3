/** SIGSTOP: a machine that swaps, sleeps or is moved by its hypervisor. It wakes up and does not know. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Fault,
  type FaultOptions,
  type FaultReport,
  farmFor,
  SHORT_LEASES,
  Strikes,
  someTime,
} from './fault.ts';
import { Load } from './load.ts';

const LEASE_MS = SHORT_LEASES['leases.leaseSeconds'] * 1000;

export const pause: Fault = {
  name: 'pause',
  summary: 'SIGSTOP of the control plane and of an agent in turn, for half a lease to two leases',
  kills: 20,
  async run(options: FaultOptions): Promise<FaultReport> {
    await using farm = await farmFor(options, { settings: SHORT_LEASES });
    const agent = await farm.startAgent('renderer', { NODE_TAGS: 'real', MAX_CONCURRENT_JOBS: '2' });
    await using load = await Load.start(farm, { perSecond: 20, realEvery: 16 });
    const strikes = new Strikes(farm, load);
    await load.more(10, 5);
    let stoodMs = 0;
    for (let n = 1; n <= options.kills; n += 1) {
      await someTime(500);
      const victim = n % 2 === 1 ? farm.control : agent.process;
      const ms = LEASE_MS * (0.5 + 1.5 * Math.random());
      victim.pause();
      await delay(ms);
      stoodMs += ms;
      victim.resume();
      const awake = performance.now();
      if (victim === farm.control) await strikes.recovered(awake);
      else strikes.took(await load.rendered(agent.id, awake));
      if (n % 5 === 0) options.say(`${n} pauses, ${load.ledger.submitted.size} submits acknowledged`);
    }
    const amount = `${options.kills} pauses, ${Math.round(stoodMs / 1000)} s`;
    return await strikes.report(pause.name, amount, options);
  },
};
