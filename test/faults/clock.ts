/** Clocks that jump: minutes and hours, forward and back, of the control plane and of an agent. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type Fault, type FaultOptions, type FaultReport, farmFor, SHORT_LEASES, Strikes } from './fault.ts';
import { Load } from './load.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const JUMPS = [3 * HOUR, -3 * HOUR, 2 * MINUTE, -2 * MINUTE, 26 * HOUR, -26 * HOUR];
const LASTS_MS = 2000;

export const clock: Fault = {
  name: 'clock',
  summary:
    'the clock of the control plane, then of an agent, jumps by 3 h, 2 min and 26 h, forward and back, and back again',
  kills: 24,
  async run(options: FaultOptions): Promise<FaultReport> {
    const { lastsMs = LASTS_MS } = options;
    const preload = pathToFileURL(join(import.meta.dirname, 'clock-shift.ts')).href;
    await using farm = await farmFor(options, {
      settings: SHORT_LEASES,
      env: { NODE_OPTIONS: `--import=${preload}` },
      perReplica: (home) => ({ CLOCK_SHIFT_FILE: join(home, 'clock-shift') }),
    });
    const agentShift = join(farm.root, 'agent-clock-shift');
    const agent = await farm.startAgent('renderer', {
      NODE_TAGS: 'real',
      MAX_CONCURRENT_JOBS: '2',
      NODE_OPTIONS: `--import=${preload}`,
      CLOCK_SHIFT_FILE: agentShift,
    });
    const controlShift = join(farm.homes[0] ?? '', 'clock-shift');
    await using load = await Load.start(farm, { perSecond: 20, realEvery: 16 });
    const strikes = new Strikes(farm, load);
    await load.more(10, 5);
    for (let n = 0; n < options.kills; n += 2) {
      // The control plane, then the agent, then the next jump.
      const jump = JUMPS[Math.floor(n / 4) % JUMPS.length] ?? HOUR;
      const isControl = n % 4 < 2;
      for (const shift of [jump, 0]) {
        const at = performance.now();
        writeFileSync(isControl ? controlShift : agentShift, String(shift));
        await delay(lastsMs);
        await strikes.recovered(performance.now());
        // A node whose clock is hours off is refused, with the reason; set right it goes on.
        if (shift === 0) await load.rendered(agent.id, at);
      }
      options.say(`${isControl ? 'control plane' : 'agent'} ${jump / MINUTE} min and back`);
    }
    return await strikes.report(clock.name, `${options.kills} jumps`, options);
  },
};
