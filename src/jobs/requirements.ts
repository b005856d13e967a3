/**
 * What a task asks of a node. Equal requirements form one class; a farm has few classes however many tasks it
 * has, which is what keeps claiming flat.
 */
import { type EngineName, MOCK_MODE_VERSION, type Role } from '../protocol/names.ts';

export interface Requirement {
  readonly role: Role;
  /** Any of these will do, best first. */
  readonly engines: readonly EngineName[];
  /** The oldest version of an engine that will do, for engines where it matters. */
  readonly minVersions?: Readonly<Partial<Record<EngineName, string>>>;
  /** Memory of the machine and of its graphics card, MB. */
  readonly memoryMb?: number;
  readonly vramMb?: number;
  readonly template: string;
  /** Tags a node must have, sorted. */
  readonly tags: readonly string[];
  /** The node asked for by name. */
  readonly node: string | null;
  /** With `node`: whether another may take it while that one is not available. */
  readonly fallback: boolean;
  /** The node the last attempt failed on: another one is preferred. */
  readonly avoid: string | null;
}

/** What of a node decides whether it may take a task. */
export interface NodeFacts {
  readonly id: string;
  readonly roles: readonly Role[];
  /** Available engines and their versions; '' when the engine has none. */
  readonly engines: Readonly<Partial<Record<EngineName, string>>>;
  /** In all, MB. */
  readonly memoryMb: number;
  readonly vramMb: number;
  readonly tags: readonly string[];
  readonly blockedTemplates: readonly string[];
}

/** The same requirement in the one form that is kept of all that are equal to it. */
export function canonicalRequirement(requirement: Requirement): Requirement {
  const fallback = requirement.node === null || requirement.fallback;
  return { ...requirement, tags: [...requirement.tags].sort(), fallback };
}

/** The canonical text of a requirement: equal requirements give equal text. */
export function requirementKey(requirement: Requirement): string {
  const { role, engines, template, tags, node, fallback, avoid, minVersions, memoryMb, vramMb } = requirement;
  const versions = Object.entries(minVersions ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const machine = [versions, memoryMb ?? 0, vramMb ?? 0];
  const place = [node, node === null || fallback, avoid];
  return JSON.stringify([role, engines, template, [...tags].sort(), ...place, ...machine]);
}

/** Whether the node could ever run such a task: role, engine, memory, tags, template; not `node` or `avoid`. */
export function isCapable(requirement: Requirement, node: NodeFacts): boolean {
  return (
    node.roles.includes(requirement.role) &&
    chooseEngine(requirement, node) !== null &&
    (requirement.memoryMb ?? 0) <= node.memoryMb &&
    (requirement.vramMb ?? 0) <= node.vramMb &&
    requirement.tags.every((tag) => node.tags.includes(tag)) &&
    !node.blockedTemplates.includes(requirement.template)
  );
}

/**
 * Whether this node may take such a task now. `available` are the nodes that are online and claim work: a task for
 * another, unavailable node is taken only with fallback; a task that just failed here is left to any other capable one.
 */
export function mayTake(requirement: Requirement, node: NodeFacts, available: Iterable<NodeFacts>): boolean {
  if (!isCapable(requirement, node)) return false;
  if (requirement.node !== null && requirement.node !== node.id) {
    if (!requirement.fallback) return false;
    // Where it just failed it is not waited for: that node leaves it to the others.
    if (requirement.avoid !== requirement.node) {
      for (const other of available)
        if (other.id === requirement.node && isCapable(requirement, other)) return false;
    }
  }
  if (requirement.avoid === node.id && (requirement.node !== node.id || requirement.fallback)) {
    for (const other of available) if (other.id !== node.id && isCapable(requirement, other)) return false;
  }
  return true;
}

/**
 * The engine a node renders such a task with: the first of the requirement that it has, new enough. Mock mode plays every
 * version of After Effects, and is the last choice.
 */
export function chooseEngine(requirement: Requirement, node: NodeFacts): EngineName | null {
  for (const engine of requirement.engines) {
    const version = node.engines[engine];
    if (version === undefined || isMockMode(engine, node)) continue;
    const minimum = requirement.minVersions?.[engine];
    if (minimum === undefined || isAtLeast(version, minimum)) return engine;
  }
  return requirement.engines.find((engine) => isMockMode(engine, node)) ?? null;
}

/** Whether the node would make test pictures of such a task: it is in mock mode, and has no other engine for it. */
export function wouldMock(requirement: Requirement, node: NodeFacts): boolean {
  const engine = chooseEngine(requirement, node);
  return engine !== null && isMockMode(engine, node);
}

/**
 * Whether the node would make test pictures of a task that another one of the farm could render: it does so only when it was
 * asked for by name. That one may be offline for a while, or have failed the template: nobody wants test pictures then either.
 */
export function leavesToOthers(
  requirement: Requirement,
  node: NodeFacts,
  registered: Iterable<NodeFacts>,
): boolean {
  if (requirement.node === node.id || !wouldMock(requirement, node)) return false;
  for (const other of registered) {
    const able = isCapable(requirement, { ...other, blockedTemplates: [] });
    if (able && !wouldMock(requirement, other)) return true;
  }
  return false;
}

function isMockMode(engine: EngineName, node: NodeFacts): boolean {
  return engine === 'aerender' && node.engines[engine] === MOCK_MODE_VERSION;
}

/** Whether a program's version is `minimum` or newer, by its leading numbers: `5.1.9-0+deb12u1` is at least `5.1`. */
export function isAtLeast(version: string, minimum: string): boolean {
  const numbers = (text: string): number[] => (/\d+(\.\d+)*/.exec(text)?.[0] ?? '').split('.').map(Number);
  const has = numbers(version);
  for (const [i, wanted] of numbers(minimum).entries()) {
    const difference = (has[i] ?? 0) - wanted;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
