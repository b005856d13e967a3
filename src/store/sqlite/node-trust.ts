import { afterFailure, afterSuccess } from '../../jobs/node-streaks.ts';
import type { RetryPolicy } from '../../jobs/retry-policy.ts';
import type { NodeRecord } from '../store.ts';
import type { Context } from './context.ts';
import { findNodeRow, streaksOf, toNode } from './node-row.ts';

/**
 * Counts a success or a failure that may be the node's fault; returns the node when its blocks or its quarantine
 * changed.
 */
export function noteReport(
  context: Context,
  nodeId: string,
  template: string,
  succeeded: boolean,
  policy: RetryPolicy,
  now: number,
): NodeRecord | null {
  const { sql } = context;
  // Almost always nothing to forget: one short look instead of reading the node.
  if (succeeded && sql.get('select 1 from nodes where id = ? and streaks is not null', nodeId) === null)
    return null;
  const row = findNodeRow(context, nodeId);
  if (row === null) return null;
  const node = toNode(row);
  const before = {
    streaks: streaksOf(row),
    blockedTemplates: node.blockedTemplates,
    quarantined: node.quarantine?.reason ?? null,
  };
  const after = succeeded ? afterSuccess(before, template) : afterFailure(before, template, policy);
  if (after === before) return null;
  const { failures, failedTemplates } = after.streaks;
  const isClean = failedTemplates.length === 0 && Object.keys(failures).length === 0;
  const quarantine =
    after.quarantined === null ? null : (node.quarantine ?? { since: now, reason: after.quarantined });
  sql.run(
    'update nodes set streaks = ?, blocked_templates = ?, quarantined_at = ?, quarantine_reason = ? where id = ?',
    isClean ? null : JSON.stringify(after.streaks),
    JSON.stringify(after.blockedTemplates),
    quarantine?.since ?? null,
    quarantine?.reason ?? null,
    nodeId,
  );
  const isSame =
    after.blockedTemplates === before.blockedTemplates && after.quarantined === before.quarantined;
  return isSame ? null : { ...node, blockedTemplates: after.blockedTemplates, quarantine };
}
