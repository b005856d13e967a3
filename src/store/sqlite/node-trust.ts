import { judgeNode, type NodeReport } from '../node-trust.ts';
import { streaksOf, toNode } from '../records.ts';
import type { NodeRecord } from '../store.ts';
import type { Context } from './context.ts';
import { findNodeRow } from './node-row.ts';
import { jsonText } from './rows.ts';

/**
 * Counts a success or a failure that may be the node's fault; returns the node when its blocks or its quarantine
 * changed.
 */
export function noteReport(context: Context, nodeId: string, report: NodeReport): NodeRecord | null {
  const { sql } = context;
  // Almost always nothing to forget: one short look instead of reading the node.
  const isTrusted = 'select 1 from nodes where id = ? and streaks is not null';
  if (report.succeeded && sql.get(isTrusted, nodeId) === null) return null;
  const row = findNodeRow(context, nodeId);
  const verdict = row === null ? null : judgeNode(toNode(row), streaksOf(row), report);
  if (verdict === null) return null;
  const { streaks, node, isNews } = verdict;
  sql.run(
    'update nodes set streaks = ?, blocked_templates = ?, quarantined_at = ?, quarantine_reason = ? where id = ?',
    jsonText(streaks),
    JSON.stringify(node.blockedTemplates),
    node.quarantine?.since ?? null,
    node.quarantine?.reason ?? null,
    nodeId,
  );
  return isNews ? node : null;
}
