/** What goes wrong by itself, at random times, until everything is healed. */
import type { Farm, Place } from './farm.ts';
import type { Fault } from './plan.ts';
import { START } from './world.ts';

/** Starts the trouble of the farm's plan. */
export function startChaos(farm: Farm): void {
  const { world, plan } = farm;
  const random = world.random('chaos');
  const troubles = TROUBLES.filter(([fault]) => plan.faults.has(fault));
  if (troubles.length === 0) return;
  const next = (): void => {
    const meanMs = 10_000 / plan.severity / Math.sqrt(troubles.length);
    world.after(Math.round(-Math.log(1 - random.next()) * meanMs), () => {
      if (farm.isHealed) return;
      random.pick(troubles)[1](farm);
      next();
    });
  };
  next();
}

/** Anything from the blink of an eye to most of what the plan allows. */
function someTime(farm: Farm): number {
  const { plan, world } = farm;
  const random = world.random('chaos');
  // A gentle time is one that no lease runs out in.
  const most = plan.isGentle ? 15_000 : random.pick([2000, 20_000, 90_000]);
  return random.int(100, most);
}

function anyOf<T>(farm: Farm, places: readonly Place<T>[]): (Place<T> & { readonly running: T }) | null {
  const up = places.filter((place) => place.running !== null);
  return up.length === 0 ? null : (farm.world.random('chaos').pick(up) as Place<T> & { readonly running: T });
}

const TROUBLES: readonly (readonly [Fault, (farm: Farm) => void])[] = [
  ['crashControl', (farm) => anyOf(farm, farm.replicas)?.running.process.kill('killed')],
  ['crashAgent', (farm) => anyOf(farm, farm.agents)?.running.process.kill('killed')],
  [
    'powerCut',
    (farm) => {
      const place = anyOf(farm, farm.agents);
      place?.running.process.kill('its power is cut');
      if (!place) return;
      farm.oracle.lost(place.id);
      farm.diskOf(place.id).cut(farm.world.now);
    },
  ],
  [
    'partition',
    (farm) => {
      const random = farm.world.random('chaos');
      const [node, control] = [random.pick(farm.agents).id, random.pick(farm.replicas).id];
      const pairs = [
        [node, '*'],
        [node, control],
        ['*', control],
      ] as const;
      const [from, to] = random.pick(pairs);
      const ms = someTime(farm);
      farm.world.note('network', `${from} does not reach ${to} for ${ms} ms`);
      farm.network.block(from, to, ms);
    },
  ],
  [
    'pause',
    (farm) => {
      const places: readonly Place<{ readonly process: { pausedUntil: number } }>[] = [
        ...farm.replicas,
        ...farm.agents,
      ];
      const place = anyOf(farm, places);
      const ms = Math.min(someTime(farm), farm.plan.faultMs + START - farm.world.now);
      farm.world.note(place?.id ?? 'nobody', `stands still for ${ms} ms`);
      if (place) place.running.process.pausedUntil = farm.world.now + ms;
    },
  ],
  [
    'leap',
    (farm) => {
      // Control planes on one database go by one time; that of one that has its file alone may be set.
      const place = farm.plan.isShared ? null : anyOf(farm, farm.replicas);
      if (!place) return;
      const ms = farm.world.random('chaos').pick([-3_600_000, -30_000, 5000, 30_000, 3_600_000]);
      farm.world.note(place.id, `its clock is set by ${ms} ms`);
      place.running.process.skewMs += ms;
      place.skewMs += ms;
    },
  ],
  [
    'storeOutage',
    (farm) => {
      const random = farm.world.random('chaos');
      const ms = Math.min(someTime(farm), 30_000);
      const place = anyOf(farm, farm.replicas);
      farm.world.note('database', `cannot be reached for ${ms} ms`);
      if (place && random.chance(0.5)) farm.database.cutOff(place.running.process, ms);
      else farm.database.outage(ms);
    },
  ],
  ['leader', (farm) => farm.database.breakLeadership()],
  [
    'disk',
    (farm) => {
      const disk = farm.diskOf(farm.world.random('chaos').pick(farm.agents).id);
      disk.isFull = !disk.isFull;
    },
  ],
  [
    'restart',
    (farm) => {
      const random = farm.world.random('chaos');
      if (farm.plan.isGentle || random.chance(0.5)) {
        void anyOf(farm, farm.replicas)?.running.stop();
        return;
      }
      const agent = anyOf(farm, farm.agents)?.running;
      agent?.shutdown();
      if (random.chance(0.7))
        farm.world.after(random.int(0, 20_000), () => agent?.shutdown(), agent?.process);
    },
  ],
];
