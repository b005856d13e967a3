/** One schedule: a farm through a time of trouble and a time of rest, and the verdict. */
import { startChaos } from './chaos.ts';
import { type Bug, Farm } from './farm.ts';
import { memoryData, sqliteData } from './farm-data.ts';
import { Operators } from './operators.ts';
import { INVARIANTS } from './oracle.ts';
import { type Plan, type PlanChoice, planOf } from './plan.ts';
import { enter } from './sandbox.ts';
import { startWatch } from './watch.ts';
import { START, type Violation, World } from './world.ts';

/** What came of a schedule. */
export interface Outcome {
  readonly seed: number;
  readonly plan: Plan;
  readonly violation: Violation | null;
  readonly steps: number;
  /** Of everything that happened: the same seed gives the same. */
  readonly digest: string;
  readonly virtualSeconds: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly lines: readonly string[];
}

export interface SimulateOptions extends PlanChoice {
  readonly bug?: Bug | undefined;
  readonly trace?: boolean;
  readonly maxSteps?: number;
}

// Nodes try again after a minute at the latest.
const SETTLE_MS = 75_000;
// A lost lease, three tries of the longest render, and the queue before it.
const END_MS = 900_000;
const QUIET_MS = 8000;
const PROBES = 3;
const MAX_STEPS = 200_000;

/** Plays the schedule of a seed. */
export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Outcome> {
  const { bug = {}, trace = false, maxSteps = MAX_STEPS } = options;
  const plan = planOf(seed, options);
  const world = new World(seed, trace);
  enter(world);
  try {
    const data = plan.store === 'sqlite' ? sqliteData() : memoryData();
    using _ = { [Symbol.dispose]: () => data.close() };
    const farm = new Farm(world, plan, bug, data);
    const operators = new Operators(farm);
    await farm.start();
    operators.start();
    startChaos(farm);
    let isDone = false;
    let isResting = false;
    startWatch(farm, () => isResting);
    world.after(plan.faultMs, () => {
      farm.heal();
      void operators.tidy();
      // What was on its way when the trouble ended has arrived by now: a removal, for instance.
      world.after(30_000, () => void operators.tidy());
      world.after(SETTLE_MS, () => {
        isResting = true;
        rest(farm, operators, () => {
          isDone = true;
        });
      });
    });
    await world.run(() => isDone, maxSteps);
    if (!isDone && world.violations.length === 0)
      world.violate('a schedule comes to its end', `${world.steps} steps`);
    if (world.violations.length === 0) farm.oracle.checkEnd(farm.data.view, operators.acknowledged);
    for (const { running } of [...farm.replicas, ...farm.agents]) running?.process.kill('the end');
    return {
      seed,
      plan,
      violation: world.violations[0] ?? null,
      steps: world.steps,
      digest: world.digest,
      virtualSeconds: (world.now - START) / 1000,
      counts: farm.oracle.counts,
      lines: world.lines,
    };
  } finally {
    enter(null);
  }
}

/** All is well: new jobs are taken at once, everything ends, and memory follows the store. */
function rest(farm: Farm, operators: Operators, done: () => void): void {
  const { world } = farm;
  const { view: core } = farm.data;
  const random = world.random('probes');
  for (let i = 0; i < PROBES; i += 1) {
    operators.open += 1;
    world.after(random.int(0, 10_000), () => void operators.submit({ template: 'card', priority: 50 }));
  }
  const deadline = world.now + END_MS;
  let quietSince: number | null = null;
  const look = (): void => {
    const open = core.listJobs({ limit: 1000, states: ['scheduled', 'queued', 'running'] });
    if (open.length > 0 || operators.open > 0) quietSince = null;
    else quietSince ??= world.now;
    if (quietSince !== null && world.now - quietSince >= QUIET_MS) {
      for (const { id, running } of farm.replicas) {
        const size = running?.control.leases.size ?? 0;
        if (size > 0) world.violate(INVARIANTS.table, `${id} holds ${size} leases of tasks that are over`);
      }
      done();
      return;
    }
    if (world.now > deadline) {
      const names = open.map(({ job }) => `${job.id} is ${job.state}`);
      world.violate(INVARIANTS.ends, `${names.join(', ')}, ${operators.open} submissions without an answer`);
    }
    world.after(1000, look);
  };
  world.after(11_000, look);
}
