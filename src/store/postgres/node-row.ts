import { NO_STREAKS, type NodeStreaks } from '../../jobs/node-streaks.ts';
import type { Role } from '../../protocol/names.ts';
import type { Capabilities, NodeIntent } from '../../protocol/nodes.ts';
import { nodeNotFound } from '../refusals.ts';
import type { NodeRecord } from '../store.ts';
import type { Queries, Row } from './database.ts';
import { number, text } from './rows.ts';

/** Nodes that were not removed; the caller appends conditions to it. */
export const NODES = `select n.*, (select b.at from node_beats b where b.node_id = n.id) as last_seen_at
  from nodes n where n.removed_at is null`;

/** A row of {@link NODES}. */
export function toNode(row: Row): NodeRecord {
  const since = number(row.quarantined_at);
  return {
    id: String(row.id),
    name: String(row.name),
    generation: Number(row.generation),
    retiredGeneration: Number(row.retired_generation),
    intent: String(row.intent) as NodeIntent,
    quarantine: since === null ? null : { since, reason: text(row.quarantine_reason) ?? '' },
    blockedTemplates: row.blocked_templates as string[],
    roles: row.roles as Role[],
    hostname: text(row.hostname),
    hostIp: text(row.host_ip),
    agentVersion: text(row.agent_version),
    capabilities: row.capabilities as Capabilities | null,
    lastSeenAt: number(row.last_seen_at),
    createdAt: Number(row.created_at),
  };
}

/** What it failed since its last success; only kept while there is something. */
export function streaksOf(row: Row): NodeStreaks {
  return (row.streaks as NodeStreaks | null) ?? NO_STREAKS;
}

/** The row of a node that was not removed, or null. */
export async function findNodeRow(queries: Queries, id: string): Promise<Row | null> {
  const [row] = await queries.rows(`${NODES} and n.id = $1`, [id], 'node');
  return row ?? null;
}

/** The same, locked until the transaction ends; NODE_NOT_FOUND. */
export async function lockedNodeRow(queries: Queries, id: string): Promise<Row> {
  const [row] = await queries.rows(`${NODES} and n.id = $1 for update of n`, [id], 'node-locked');
  if (row === undefined) throw nodeNotFound(id);
  return row;
}
