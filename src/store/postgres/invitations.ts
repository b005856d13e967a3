import { toInvitation, toNode } from '../records.ts';
import { invitationExpired, invitationReplaced, invitationUsed } from '../refusals.ts';
import type { InvitationRecord, InvitationUse, NodeRecord } from '../store.ts';
import type { InvitationStore } from '../store-parts.ts';
import type { Context } from './context.ts';
import type { Queries } from './database.ts';
import { lockedNodeRow } from './node-row.ts';

const COLUMNS = `i.node_id, i.number, i.created_at, i.expires_at, i.temporary_key, i.used_at, i.used_by, i.public_key,
  i.applied, i.generation`;

export function invitationMethods({ db, announce }: Context): InvitationStore {
  return {
    async issueInvitation(nodeId, { expiresAt, temporaryKey }, now) {
      const issued = await db.transaction(async (queries) => {
        await lockedNodeRow(queries, nodeId);
        const [row = {}] = await queries.rows(
          `insert into invitations as i (node_id, number, created_at, expires_at, temporary_key) values ($1, 1, $2, $3, $4)
           on conflict (node_id) do update set number = i.number + 1, created_at = excluded.created_at,
             expires_at = excluded.expires_at, temporary_key = excluded.temporary_key, used_at = null, used_by = null,
             public_key = null, applied = false, generation = null
           returning ${COLUMNS}`,
          [nodeId, now, expiresAt, temporaryKey],
        );
        return toInvitation(row);
      });
      announce([{ kind: 'node', nodeId }]);
      return issued;
    },

    async useInvitation(nodeId, use, now) {
      const used = await db.transaction((queries) => useOne(queries, nodeId, use, now));
      announce([{ kind: 'node', nodeId }]);
      return used;
    },

    async setInvitationApplied(nodeId, numberOf) {
      await db.rows('update invitations set applied = true where node_id = $1 and number = $2', [
        nodeId,
        numberOf,
      ]);
      announce([{ kind: 'node', nodeId }]);
    },

    async listInvitations() {
      const rows = await db.rows(
        // 0: only the number is left of it, see forgetInvitation.
        `select ${COLUMNS} from invitations i join nodes n on n.id = i.node_id
         where n.removed_at is null and i.expires_at > 0 order by i.node_id`,
      );
      return rows.map(toInvitation);
    },
  };
}

/** The node is gone: nobody may use its invitation, nor one of that number for a later node of the same id. */
export async function forgetInvitation(queries: Queries, nodeId: string): Promise<void> {
  await queries.rows(
    `update invitations set number = number + 1, expires_at = 0, temporary_key = null, used_at = null, used_by = null,
       public_key = null, applied = false, generation = null where node_id = $1`,
    [nodeId],
  );
}

/** The lock on the node is the lock on its invitation, too. */
async function useOne(
  queries: Queries,
  nodeId: string,
  { number: numberOf, publicKey, hostname }: InvitationUse,
  now: number,
): Promise<{ readonly invitation: InvitationRecord; readonly node: NodeRecord }> {
  const node = toNode(await lockedNodeRow(queries, nodeId));
  const [row] = await queries.rows(`select ${COLUMNS} from invitations i where node_id = $1`, [nodeId]);
  if (row === undefined) throw invitationReplaced(nodeId);
  const record = toInvitation(row);
  if (record.number !== numberOf) throw invitationReplaced(nodeId);
  if (record.usedAt !== null) {
    // The answer was lost on the way: the same machine gets it again, also after the time has run out. But once the secret
    // in it was used, it has arrived: then only somebody with a copy would ask, and the public key is no secret.
    const hasArrived = node.retiredGeneration >= (record.generation ?? 0) - 1;
    if (record.publicKey === publicKey && !hasArrived) return { invitation: record, node };
    throw invitationUsed(record);
  }
  if (record.expiresAt <= now) throw invitationExpired(record);
  const generation = node.generation + 1;
  await queries.rows("update nodes set generation = $2, revision = nextval('node_revisions') where id = $1", [
    nodeId,
    generation,
  ]);
  const [used = {}] = await queries.rows(
    `update invitations i set used_at = $2, used_by = $3, public_key = $4, generation = $5 where node_id = $1
     returning ${COLUMNS}`,
    [nodeId, now, hostname, publicKey, generation],
  );
  return { invitation: toInvitation(used), node: { ...node, generation } };
}
