import { toInvitation, toNode } from '../records.ts';
import { invitationExpired, invitationReplaced, invitationUsed } from '../refusals.ts';
import type { InvitationRecord, InvitationUse } from '../store.ts';
import type { InvitationStore } from '../store-parts.ts';
import type { Context } from './context.ts';
import { nodeRow } from './node-row.ts';
import type { Sql } from './sql.ts';

export function invitationMethods(context: Context): InvitationStore {
  const { sql, writer } = context;
  return {
    issueInvitation: (nodeId, { expiresAt, temporaryKey }, now) =>
      writer.write(() => {
        nodeRow(context, nodeId);
        sql.run(
          `insert into invitations (node_id, number, created_at, expires_at, temporary_key) values (?, 1, ?, ?, ?)
           on conflict (node_id) do update set number = number + 1, created_at = excluded.created_at,
             expires_at = excluded.expires_at, temporary_key = excluded.temporary_key, used_at = null, used_by = null,
             public_key = null, applied = 0, generation = null`,
          nodeId,
          now,
          expiresAt,
          temporaryKey,
        );
        return newestOf(sql, nodeId);
      }),

    useInvitation: (nodeId, use, now) => writer.write(() => useOne(context, nodeId, use, now)),

    setInvitationApplied: (nodeId, numberOf) =>
      writer.write(() => {
        sql.run('update invitations set applied = 1 where node_id = ? and number = ?', nodeId, numberOf);
      }),

    async listInvitations() {
      return sql
        .all(
          // 0: only the number is left of it, see forgetInvitation.
          'select i.* from invitations i join nodes n on n.id = i.node_id where n.removed_at is null and i.expires_at > 0',
        )
        .map(toInvitation);
    },
  };
}

/** The node is gone: nobody may use its invitation, nor one of that number for a later node of the same id. */
export function forgetInvitation(sql: Sql, nodeId: string): void {
  sql.run(
    `update invitations set number = number + 1, expires_at = 0, temporary_key = null, used_at = null, used_by = null,
       public_key = null, applied = 0, generation = null where node_id = ?`,
    nodeId,
  );
}

function useOne(
  context: Context,
  nodeId: string,
  { number: numberOf, publicKey, hostname }: InvitationUse,
  now: number,
) {
  const { sql } = context;
  const node = nodeRow(context, nodeId);
  const record = newestOf(sql, nodeId);
  if (record.number !== numberOf) throw invitationReplaced(nodeId);
  if (record.usedAt !== null) {
    // The answer was lost on the way: the same machine gets it again, also after the time has run out. But once the secret
    // in it was used, it has arrived: then only somebody with a copy would ask, and the public key is no secret.
    const hasArrived = Number(node.retired_generation) >= (record.generation ?? 0) - 1;
    if (record.publicKey === publicKey && !hasArrived) return { invitation: record, node: toNode(node) };
    throw invitationUsed(record);
  }
  if (record.expiresAt <= now) throw invitationExpired(record);
  const generation = Number(node.generation) + 1;
  sql.run('update nodes set generation = ? where id = ?', generation, nodeId);
  sql.run(
    'update invitations set used_at = ?, used_by = ?, public_key = ?, generation = ? where node_id = ?',
    now,
    hostname,
    publicKey,
    generation,
    nodeId,
  );
  return { invitation: newestOf(sql, nodeId), node: toNode(nodeRow(context, nodeId)) };
}

function newestOf(sql: Sql, nodeId: string): InvitationRecord {
  const row = sql.get('select * from invitations where node_id = ?', nodeId);
  if (row === null) throw invitationReplaced(nodeId);
  return toInvitation(row);
}
