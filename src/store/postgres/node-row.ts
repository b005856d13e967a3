import { nodeNotFound } from '../refusals.ts';
import type { Queries, Row } from './database.ts';

const NODE_NAMES =
  `id name generation retired_generation intent quarantined_at quarantine_reason blocked_templates streaks roles
  hostname host_ip agent_version capabilities created_at`.split(/\s+/);

/** Nodes that were not removed; the caller appends conditions to it. */
export const NODES = `select ${NODE_NAMES.map((name) => `n.${name}`).join(', ')},
  (select b.at from node_beats b where b.node_id = n.id) as last_seen_at
  from nodes n where n.removed_at is null`;

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
