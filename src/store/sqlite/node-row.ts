import { NO_STREAKS, type NodeStreaks } from '../../jobs/node-streaks.ts';
import type { Role } from '../../protocol/names.ts';
import type { Capabilities, NodeIntent } from '../../protocol/nodes.ts';
import { nodeNotFound } from '../refusals.ts';
import type { NodeRecord } from '../store.ts';
import type { Context } from './context.ts';
import { json, number, text } from './rows.ts';
import type { Row } from './sql.ts';

export function toNode(row: Row): NodeRecord {
  const since = number(row.quarantined_at);
  return {
    id: String(row.id),
    name: String(row.name),
    generation: Number(row.generation),
    retiredGeneration: Number(row.retired_generation),
    intent: String(row.intent) as NodeIntent,
    quarantine: since === null ? null : { since, reason: text(row.quarantine_reason) ?? '' },
    blockedTemplates: json<string[]>(row.blocked_templates) ?? [],
    roles: json<Role[]>(row.roles) ?? [],
    hostname: text(row.hostname),
    hostIp: text(row.host_ip),
    agentVersion: text(row.agent_version),
    capabilities: json<Capabilities>(row.capabilities),
    lastSeenAt: number(row.last_seen_at),
    createdAt: Number(row.created_at),
  };
}

/** What it failed since its last success; only kept while there is something. */
export function streaksOf(row: Row): NodeStreaks {
  return json<NodeStreaks>(row.streaks) ?? NO_STREAKS;
}

/** The row of a node that was not removed, or null. */
export function findNodeRow({ sql }: Context, id: string): Row | null {
  return sql.get('select * from nodes where id = ? and removed_at is null', id);
}

/** The same; NODE_NOT_FOUND. */
export function nodeRow(context: Context, id: string): Row {
  const row = findNodeRow(context, id);
  if (row === null) throw nodeNotFound(id);
  return row;
}
