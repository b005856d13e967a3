/** When a node is kept away from a template, or from all work: rules over its reports in their order. */
import type { RetryPolicy } from './retry-policy.ts';

export interface NodeStreaks {
  /** Failures since the last success, by template; only templates that have some. */
  readonly failures: Readonly<Record<string, number>>;
  /** Different templates failed since the last success of any. */
  readonly failedTemplates: readonly string[];
}

export interface NodeTrust {
  readonly streaks: NodeStreaks;
  /** Not offered to the node until somebody resumes it. */
  readonly blockedTemplates: readonly string[];
  /** Why the node gets no work at all until somebody resumes it. */
  readonly quarantined: string | null;
}

/** A node nobody has anything against. */
export const NO_STREAKS: NodeStreaks = { failures: {}, failedTemplates: [] };

/** After a success; the same object when nothing changed. Blocks and quarantine stay until somebody resumes the node. */
export function afterSuccess(trust: NodeTrust, template: string): NodeTrust {
  const { failures, failedTemplates } = trust.streaks;
  if (failedTemplates.length === 0 && !Object.hasOwn(failures, template)) return trust;
  return { ...trust, streaks: { failures: without(failures, template), failedTemplates: [] } };
}

/**
 * After a failure that may be the node's fault: retryable ones. (A missing glyph or a wrong input says nothing about
 * the machine.)
 */
export function afterFailure(
  trust: NodeTrust,
  template: string,
  policy: Pick<RetryPolicy, 'blockAfter' | 'quarantineAfter'>,
): NodeTrust {
  // A template may be called "constructor": only own keys count.
  const { failures } = trust.streaks;
  const count = (Object.hasOwn(failures, template) ? (failures[template] ?? 0) : 0) + 1;
  const failedTemplates = [...new Set([...trust.streaks.failedTemplates, template])];
  const isBlocked = trust.blockedTemplates.includes(template);
  const block = count >= policy.blockAfter && !isBlocked;
  const rest = without(failures, template);
  return {
    streaks: { failures: block || isBlocked ? rest : { ...rest, [template]: count }, failedTemplates },
    blockedTemplates: block ? [...trust.blockedTemplates, template].sort() : trust.blockedTemplates,
    quarantined:
      trust.quarantined ??
      (failedTemplates.length >= policy.quarantineAfter
        ? `${failedTemplates.length} different templates failed in a row: ${failedTemplates.join(', ')}`
        : null),
  };
}

function without(counts: Readonly<Record<string, number>>, template: string): Record<string, number> {
  const { [template]: _, ...rest } = counts;
  return rest;
}
