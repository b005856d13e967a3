/** Why a queued task waits: what an operator asks first. */
import { isCapable, leavesToOthers, type Requirement, wouldMock } from '../jobs/requirements.ts';
import { shortfall } from '../jobs/shortfall.ts';
import type { NodeEntry, Registry } from './registry.ts';
import { nodeStatus } from './views.ts';

/**
 * One sentence, or null when there is nothing to cure: a node that could take it claims work, and is busy. Looks at every
 * node, so it is for one job that somebody looks at, not for lists.
 */
export function whyWaiting(registry: Registry, requirement: Requirement): string | null {
  if (registry.size === 0) return 'the farm has no node yet';
  const able = [...registry.all()].filter((entry) => isAble(registry, entry, requirement));
  if (able.length === 0) return `no node can render it: it needs ${needsOf(requirement)}`;
  const wanted = requirement.node !== null && !requirement.fallback ? requirement.node : null;
  const eligible = wanted === null ? able : able.filter(({ id }) => id === wanted);
  if (eligible.length === 0) return `node ${wanted} cannot render it: it needs ${needsOf(requirement)}`;
  if (eligible.some((entry) => registry.claims(entry))) return null;
  const named = eligible.slice(0, 5).map((entry) => `${entry.id} (${nodeStatus(entry, 0)})`);
  const more = eligible.length > named.length ? ` and ${eligible.length - named.length} more` : '';
  return `no node that can render it takes work now: ${named.join(', ')}${more}`;
}

/** Whether a node could ever take it; one in mock mode only what no other can render. */
function isAble(registry: Registry, { facts }: NodeEntry, requirement: Requirement): boolean {
  if (facts === null || !isCapable(requirement, facts)) return false;
  return !leavesToOthers(requirement, facts, registry.joined());
}

/** Nodes in mock mode that such a task would get; none when one that takes work can render it. */
export function whoOnlyMocks(registry: Registry, requirement: Requirement): readonly string[] {
  const able = [...registry.all()].filter(
    (entry) => registry.claims(entry) && isAble(registry, entry, requirement),
  );
  const named = able.filter(({ id }) => id === requirement.node);
  const takers = named.length > 0 ? named : able;
  const mocks = takers.filter(({ facts }) => facts !== null && wouldMock(requirement, facts));
  return mocks.length === takers.length ? mocks.slice(0, NAMED).map(({ id }) => id) : [];
}

/** Nodes named in one message. */
const NAMED = 5;

/** What keeps a node from rendering something. */
export interface NodeShortfall {
  readonly node: string;
  readonly status: string;
  readonly lacks: readonly string[];
}

/**
 * Why no online node can render it, node by node; null when one can, busy or not. With a node chosen and no fallback only
 * that one counts.
 */
export function whyNoneOnline(
  registry: Registry,
  requirement: Requirement,
): { readonly message: string; readonly nodes: readonly NodeShortfall[] } | null {
  const only = requirement.node !== null && !requirement.fallback ? requirement.node : null;
  const nodes: NodeShortfall[] = [];
  for (const entry of registry.all()) {
    if (only !== null && entry.id !== only) continue;
    const found = shortfallOf(registry, entry, requirement);
    if (found === null) return null;
    nodes.push(found);
  }
  const needs = `it needs ${needsOf(requirement)}`;
  if (nodes.length === 0) return { message: `${needs}, and the farm has no node yet`, nodes };
  // Those that only have to be switched on come first.
  nodes.sort((a, b) => a.lacks.length - b.lacks.length || (a.node < b.node ? -1 : 1));
  const named = nodes.slice(0, NAMED).map(({ node, status, lacks }) => {
    const states = lacks.length > 0 ? [`lacks ${lacks.join(', ')}`] : [];
    return `${node} ${[...(status === 'ready' ? [] : [`is ${status}`]), ...states].join(' and ')}`;
  });
  const more = nodes.length > NAMED ? `; and ${nodes.length - NAMED} more` : '';
  return { message: `${needs}; ${named.join('; ')}${more}`, nodes };
}

function shortfallOf(registry: Registry, entry: NodeEntry, requirement: Requirement): NodeShortfall | null {
  const { id, facts, record, liveness } = entry;
  // A node that missed a few beats is on its way back.
  const isOnline = liveness === 'online' || liveness === 'suspect';
  const engines = record.capabilities?.engines ?? [];
  const lacks =
    facts === null
      ? []
      : shortfall(requirement, facts, (name) => engines.find((engine) => engine.name === name)?.reason);
  if (facts !== null && leavesToOthers(requirement, facts, registry.joined()))
    lacks.push('After Effects (it is in mock mode)');
  if (facts !== null && isOnline && lacks.length === 0) return null;
  const status = isOnline ? 'ready' : facts === null ? 'not joined yet' : 'offline';
  return { node: id, status, lacks };
}

/** What a requirement asks of a node, in words: `lottie or ffmpeg 5.1 and 8000 MB of memory`. */
export function needsOf({ engines, minVersions, memoryMb, vramMb, tags }: Requirement): string {
  const named = engines.map((name) => (minVersions?.[name] ? `${name} ${minVersions[name]}` : name));
  return [
    named.join(' or '),
    memoryMb ? `${memoryMb} MB of memory` : '',
    vramMb ? `${vramMb} MB of video memory` : '',
    tags.length > 0 ? `the tags ${tags.join(', ')}` : '',
  ]
    .filter((need) => need !== '')
    .join(' and ');
}
