/** SIGKILL of agents in the middle of renders, uploads and reports. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
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
import type { AgentProcess } from './fault-farm.ts';
import { Load } from './load.ts';
import { processesOf } from './process-facts.ts';

const AGENTS = 2;

export const killAgent: Fault = {
  name: 'kill-agent',
  summary: 'SIGKILL of agents at any moment of a render; every third stays away until its lease has run out',
  kills: 60,
  async run(options: FaultOptions): Promise<FaultReport> {
    await using farm = await farmFor(options, { settings: SHORT_LEASES });
    const agents: AgentProcess[] = [];
    for (let n = 1; n <= AGENTS; n += 1)
      agents.push(await farm.startAgent(`renderer-${n}`, { NODE_TAGS: 'real', MAX_CONCURRENT_JOBS: '2' }));
    await using load = await Load.start(farm, { perSecond: 20, realEvery: 8 });
    const strikes = new Strikes(farm, load);
    await load.more(10, 5);
    for (let kill = 1; kill <= options.kills; kill += 1) {
      await someTime(1500);
      const agent = agents[kill % AGENTS];
      if (agent === undefined) break;
      const at = performance.now();
      await agent.process.stop('SIGKILL');
      const isLong = kill % 3 === 0;
      if (isLong) await delay(SHORT_LEASES['leases.leaseSeconds'] * 1000 + 1500);
      const back = isLong ? performance.now() : at;
      await agent.process.launch();
      strikes.took(await load.rendered(agent.id, back));
      if (kill % 10 === 0) options.say(`${kill} kills, ${load.ledger.submitted.size} submits acknowledged`);
    }
    const report = await strikes.report(killAgent.name, `${options.kills} kills`, options);
    // The agents have nothing to do any more: nothing of the killed ones may be left.
    const left: string[] = [];
    for (const { id, stateDir, process } of agents) {
      for (const place of ['work', 'outbox'])
        for (const name of await untilEmpty(join(stateDir, place))) left.push(`${id}: ${place}/${name}`);
      await process.stop();
      await process.ended();
    }
    for (const { command } of processesOf(farm.root))
      if (command.includes('__engine-host')) left.push(command);
    return {
      ...report,
      stuck: [...report.stuck, ...left],
      notes: [...report.notes, `${left.length} left behind`],
    };
  },
};

/** What is in a directory, once it does not get less any more. */
async function untilEmpty(path: string): Promise<string[]> {
  for (let tries = 0; ; tries += 1) {
    const names = await readdir(path).catch(() => []);
    if (names.length === 0 || tries > 100) return names;
    await delay(50);
  }
}
