/** SIGKILL of the control plane, again and again, at any moment: under load, and while it starts. */
import { type Fault, type FaultOptions, type FaultReport, farmFor, Strikes, someTime } from './fault.ts';
import { Load } from './load.ts';

export const killControl: Fault = {
  name: 'kill-control',
  summary: 'SIGKILL of the control plane under load; every fifth time again while it starts',
  kills: 100,
  async run(options: FaultOptions): Promise<FaultReport> {
    await using farm = await farmFor(options);
    await farm.startAgent('renderer', { NODE_TAGS: 'real', MAX_CONCURRENT_JOBS: '2' });
    await using load = await Load.start(farm);
    const strikes = new Strikes(farm, load);
    await load.more(10);
    for (let kill = 1; kill <= options.kills; kill += 1) {
      await someTime(250);
      const at = performance.now();
      await farm.control.stop('SIGKILL');
      if (kill % 5 === 0 && kill < options.kills) {
        kill += 1;
        await farm.control.launch();
        await someTime(600);
        await farm.control.stop('SIGKILL');
      }
      await farm.control.start();
      await strikes.recovered(at);
      if (kill % 10 < 2) options.say(`${kill} kills, ${load.ledger.submitted.size} submits acknowledged`);
    }
    return await strikes.report(killControl.name, `${options.kills} kills`, options);
  },
};
