/** What a node lacks for a task, in words. */
import type { EngineName } from '../protocol/names.ts';
import { chooseEngine, type NodeFacts, type Requirement } from './requirements.ts';

/**
 * Each thing that keeps the node from ever running such a task; empty exactly when it is capable. `whyNot` gives an
 * engine's own words for why it is not available.
 */
export function shortfall(
  requirement: Requirement,
  node: NodeFacts,
  whyNot: (engine: EngineName) => string | undefined = () => undefined,
): string[] {
  const { role, engines, memoryMb = 0, vramMb = 0, tags, template } = requirement;
  const missing = tags.filter((tag) => !node.tags.includes(tag));
  return [
    ...(node.roles.includes(role) ? [] : [`the role ${role}`]),
    ...(chooseEngine(requirement, node) === null
      ? [engines.map((engine) => engineShortfall(engine, requirement, node, whyNot)).join(' or ')]
      : []),
    ...(memoryMb > node.memoryMb ? [`${memoryMb} MB of memory (it has ${node.memoryMb})`] : []),
    ...(vramMb > node.vramMb ? [`${vramMb} MB of video memory (it has ${node.vramMb})`] : []),
    ...(missing.length > 0 ? [`the ${missing.length === 1 ? 'tag' : 'tags'} ${missing.join(', ')}`] : []),
    ...(node.blockedTemplates.includes(template)
      ? [`a clean record: it failed ${template} too often in a row`]
      : []),
  ];
}

function engineShortfall(
  engine: EngineName,
  { minVersions }: Requirement,
  node: NodeFacts,
  whyNot: (engine: EngineName) => string | undefined,
): string {
  const version = node.engines[engine];
  const wanted = [engine, minVersions?.[engine]].filter(Boolean).join(' ');
  if (version !== undefined) return `${wanted} (it has ${version || 'another version'})`;
  const reason = whyNot(engine);
  return reason === undefined ? wanted : `${wanted} (${reason})`;
}
