import { judgeNode, type NodeReport } from '../node-trust.ts';
import { portableJson } from '../portable-text.ts';
import { streaksOf, toNode } from '../records.ts';
import type { NodeRecord } from '../store.ts';
import type { Queries } from './database.ts';
import { NODES } from './node-row.ts';
import { jsonText } from './rows.ts';

/** Of these nodes, those that have something to forget: a success of any other changes nothing. */
export async function nodesWithStreaks(
  queries: Queries,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await queries.rows(
    'select id from nodes where id = any($1) and streaks is not null',
    [ids],
    'nodes-with-streaks',
  );
  return new Set(rows.map(({ id }) => String(id)));
}

/**
 * Counts a success or a failure that may be the node's fault; returns the node when its blocks or its quarantine
 * changed. Locks the node.
 */
export async function noteReport(
  queries: Queries,
  nodeId: string,
  report: NodeReport,
): Promise<NodeRecord | null> {
  const [row] = await queries.rows(`${NODES} and n.id = $1 for no key update of n`, [nodeId], 'node-trust');
  const verdict = row === undefined ? null : judgeNode(toNode(row), streaksOf(row), report);
  if (verdict === null) return null;
  const { streaks, node, isNews } = verdict;
  await queries.rows(
    `update nodes set streaks = $2, blocked_templates = $3, quarantined_at = $4, quarantine_reason = $5,
       revision = case when $6 then nextval('node_revisions') else revision end where id = $1`,
    [
      nodeId,
      jsonText(streaks),
      portableJson(node.blockedTemplates),
      node.quarantine?.since ?? null,
      node.quarantine?.reason ?? null,
      isNews,
    ],
  );
  return isNews ? node : null;
}
