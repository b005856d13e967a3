import { afterFailure, afterSuccess, type NodeStreaks } from '../jobs/node-streaks.ts';
import type { RetryPolicy } from '../jobs/retry-policy.ts';
import type { NodeRecord } from './store.ts';

/** A success, or a failure that may be the node's fault. */
export interface NodeReport {
  readonly template: string;
  readonly succeeded: boolean;
  readonly policy: RetryPolicy;
  readonly now: number;
}

/** What a report makes of a node. */
export interface NodeVerdict {
  /** null: nothing is held against it any more. */
  readonly streaks: NodeStreaks | null;
  readonly node: NodeRecord;
  /** Its blocks or its quarantine changed: others decide by that. */
  readonly isNews: boolean;
}

/** What the report makes of the node; null: nothing changes. */
export function judgeNode(
  node: NodeRecord,
  streaks: NodeStreaks,
  { template, succeeded, policy, now }: NodeReport,
): NodeVerdict | null {
  const before = {
    streaks,
    blockedTemplates: node.blockedTemplates,
    quarantined: node.quarantine?.reason ?? null,
  };
  const after = succeeded ? afterSuccess(before, template) : afterFailure(before, template, policy);
  if (after === before) return null;
  const { failures, failedTemplates } = after.streaks;
  const isClean = failedTemplates.length === 0 && Object.keys(failures).length === 0;
  const quarantine =
    after.quarantined === null ? null : (node.quarantine ?? { since: now, reason: after.quarantined });
  return {
    streaks: isClean ? null : after.streaks,
    node: { ...node, blockedTemplates: after.blockedTemplates, quarantine },
    isNews: after.blockedTemplates !== before.blockedTemplates || after.quarantined !== before.quarantined,
  };
}
