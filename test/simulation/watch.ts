/** What is looked at every second: what must go on by itself, once everything is healed. */
import { isCapable, type NodeFacts, type Requirement } from '../../src/jobs/requirements.ts';
import type { Farm } from './farm.ts';
import { INVARIANTS } from './oracle.ts';

const STARVE_SECONDS = 6;
// Delayed jobs that nobody told of are looked for every ten seconds.
const DUE_SECONDS = 13;

/** Counts how long something has been wrong without a break. */
class Since {
  readonly #since = new Map<string, number>();

  /** Ids that have been in here for more than `limit` looks in a row. */
  look(ids: readonly string[], limit: number): string[] {
    for (const id of this.#since.keys()) if (!ids.includes(id)) this.#since.delete(id);
    for (const id of ids) this.#since.set(id, (this.#since.get(id) ?? 0) + 1);
    return ids.filter((id) => (this.#since.get(id) ?? 0) > limit);
  }
}

/** Looks every second from now on; `isResting`: all is healed and everybody has had time to notice. */
export function startWatch(farm: Farm, isResting: () => boolean): void {
  const { world, oracle } = farm;
  const { view: core } = farm.data;
  const [starving, due] = [new Since(), new Since()];
  const look = (): void => {
    oracle.lookAtRenders(farm.isHealed);
    if (!isResting()) {
      world.after(1000, look);
      return;
    }
    for (const id of starving.look(neglected(farm), STARVE_SECONDS))
      world.violate(INVARIANTS.starving, `${id} waits for more than ${STARVE_SECONDS} s`);
    const late = core
      .listJobs({ limit: 1000, states: ['scheduled'] })
      .filter(
        ({ job }) => (job.runAt ?? 0) < Math.min(...farm.replicas.map((each) => world.now + each.skewMs)),
      );
    for (const id of due.look(
      late.map(({ job }) => job.id),
      DUE_SECONDS,
    ))
      world.violate(INVARIANTS.due, `${id} has been due for more than ${DUE_SECONDS} s`);
    world.after(1000, look);
  };
  look();
}

/** Queued tasks that a node with a free slot may take. */
function neglected({ data, agents, plan }: Farm): string[] {
  const { view: core } = data;
  const available: NodeFacts[] = [];
  const free: NodeFacts[] = [];
  for (const { id, running } of agents) {
    const record = core.getNode(id);
    if (!record?.capabilities || record.intent !== 'enabled' || record.quarantine) continue;
    const { blockedTemplates } = record;
    const facts: NodeFacts = {
      id,
      roles: ['render'],
      engines: { mock: '1' },
      memoryMb: 8000,
      vramMb: 0,
      tags: [],
      blockedTemplates,
    };
    available.push(facts);
    const { processing, pending } = running?.board?.queue() ?? { processing: plan.slots, pending: 0 };
    if (processing + pending < plan.slots && !running?.isStopping) free.push(facts);
  }
  // Said anew, not with the program's own words: the node that was asked for comes first unless it just failed there.
  const isWanted = (requirement: Requirement): boolean => {
    const { node, fallback, avoid } = requirement;
    const capable = available.filter((facts) => isCapable(requirement, facts));
    const named = capable.find(({ id }) => id === node);
    if (node !== null && !fallback) return free.some(({ id }) => id === node);
    if (named && avoid !== node) return free.includes(named);
    const better = capable.filter(({ id }) => id !== avoid);
    return free.some((facts) => (better.length > 0 ? better : capable).includes(facts));
  };
  return core
    .queued()
    .filter(({ requirement }) => isWanted(requirement))
    .map(({ id, epoch }) => `${id} ${epoch}`);
}
