/** What people get to see of a broken promise: how to play it again, what it needs, and how it came to it. */
import { FAULTS, type Fault, type PlanChoice } from './plan.ts';
import type { Broken } from './schedules.ts';
import { type Outcome, simulate } from './simulate.ts';

const LAST_LINES = 80;

/** Leaves out one kind of trouble after the other as long as the same promise is broken. */
export async function shrink(broken: Broken, choice: PlanChoice): Promise<Outcome> {
  let best = await simulate(broken.seed, { ...choice, trace: true });
  const without: Fault[] = [...(choice.without ?? [])];
  for (const fault of FAULTS) {
    if (!best.plan.faults.has(fault)) continue;
    const outcome = await simulate(broken.seed, { ...choice, without: [...without, fault], trace: true });
    if (outcome.violation?.invariant !== broken.violation?.invariant) continue;
    without.push(fault);
    best = outcome;
  }
  return best;
}

/** The flags of `run.ts` that play this again. */
export function flagsOf(
  seed: number,
  { without, only, store, replicas, shared, gentle }: PlanChoice,
): string {
  return [
    `--seed ${seed}`,
    ...(store === undefined ? [] : [`--store ${store}`]),
    ...(replicas === undefined ? [] : [`--replicas ${replicas}`]),
    ...(shared === undefined ? [] : [shared ? '--shared' : '--no-shared']),
    ...(gentle === undefined ? [] : [gentle ? '--gentle' : '--no-gentle']),
    ...(only === undefined ? [] : [`--only ${only.join(',')}`]),
    ...(without?.length ? [`--without ${without.join(',')}`] : []),
  ].join(' ');
}

/** A broken promise in text. */
export async function describeBroken(broken: Broken, choice: PlanChoice): Promise<string> {
  const least = await shrink(broken, choice);
  const { plan, violation, lines } = least;
  const spare = FAULTS.filter((fault) => !plan.faults.has(fault));
  return [
    `seed ${broken.seed}: ${broken.violation?.invariant}`,
    `  ${broken.violation?.message}`,
    `  again:    node test/simulation/run.ts ${flagsOf(broken.seed, choice)} --trace`,
    `  it needs: ${[...plan.faults].join(', ') || 'no trouble at all'}`,
    `  shortest: node test/simulation/run.ts ${flagsOf(broken.seed, { ...choice, without: spare })} --trace`,
    `  there, after ${((violation?.at ?? 0) / 1000).toFixed(3)} s:`,
    ...lines.slice(-LAST_LINES).map((line) => `    ${line}`),
  ].join('\n');
}
