import { afterFailure, afterSuccess } from '../../jobs/node-streaks.ts';
import type { RetryPolicy } from '../../jobs/retry-policy.ts';
import { portableJson } from '../portable-text.ts';
import type { NodeRecord } from '../store.ts';
import type { Queries } from './database.ts';
import { NODES, streaksOf, toNode } from './node-row.ts';

interface NodeReport {
  readonly nodeId: string;
  readonly template: string;
  readonly succeeded: boolean;
  readonly policy: RetryPolicy;
  readonly now: number;
}

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
export async function noteReport(queries: Queries, report: NodeReport): Promise<NodeRecord | null> {
  const { nodeId, template, succeeded, policy, now } = report;
  const [row] = await queries.rows(`${NODES} and n.id = $1 for no key update of n`, [nodeId], 'node-trust');
  if (row === undefined) return null;
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
  const isSame =
    after.blockedTemplates === before.blockedTemplates && after.quarantined === before.quarantined;
  await queries.rows(
    `update nodes set streaks = $2, blocked_templates = $3, quarantined_at = $4, quarantine_reason = $5,
       revision = case when $6 then revision else nextval('node_revisions') end where id = $1`,
    [
      nodeId,
      isClean ? null : portableJson(after.streaks),
      portableJson(after.blockedTemplates),
      quarantine?.since ?? null,
      quarantine?.reason ?? null,
      isSame,
    ],
  );
  return isSame ? null : { ...node, blockedTemplates: after.blockedTemplates, quarantine };
}
