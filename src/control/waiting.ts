/** Why a queued task waits: what an operator asks first. */
import { isCapable, type Requirement } from '../jobs/requirements.ts';
import type { Registry } from './registry.ts';
import { nodeStatus } from './views.ts';

/**
 * One sentence, or null when there is nothing to cure: a node that could take it claims work, and is busy. Looks at every
 * node, so it is for one job that somebody looks at, not for lists.
 */
export function whyWaiting(registry: Registry, requirement: Requirement): string | null {
  if (registry.size === 0) return 'the farm has no node yet';
  const able = [...registry.all()].filter(({ facts }) => facts !== null && isCapable(requirement, facts));
  if (able.length === 0) return `no node can render it: it needs ${needsOf(requirement)}`;
  const wanted = requirement.node !== null && !requirement.fallback ? requirement.node : null;
  const eligible = wanted === null ? able : able.filter(({ id }) => id === wanted);
  if (eligible.length === 0) return `node ${wanted} cannot render it: it needs ${needsOf(requirement)}`;
  if (eligible.some((entry) => registry.claims(entry))) return null;
  const named = eligible.slice(0, 5).map((entry) => `${entry.id} (${nodeStatus(entry, 0)})`);
  const more = eligible.length > named.length ? ` and ${eligible.length - named.length} more` : '';
  return `no node that can render it takes work now: ${named.join(', ')}${more}`;
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
