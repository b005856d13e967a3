import { portableJson } from '../portable-text.ts';
import { toNode } from '../records.ts';
import { nodeExists, nodeNotFound } from '../refusals.ts';
import type { NodeRecord, TaskChange } from '../store.ts';
import type { NodeStore } from '../store-parts.ts';
import type { Context } from './context.ts';
import type { Queries } from './database.ts';
import { forgetInvitation } from './invitations.ts';
import { changing } from './leases.ts';
import { findNodeRow, lockedNodeRow, NODES } from './node-row.ts';
import { TASK_COLUMNS } from './rows.ts';
import type { Work } from './work.ts';

/** Rows of one statement: a farm of ten thousand nodes is a few of them. */
const BEATS = 5000;

export function nodeMethods(context: Context): NodeStore {
  const { db, announce } = context;

  /** Changes a node that exists: assignments, with $1 for its id. */
  async function update(
    id: string,
    assignments: string,
    values: readonly unknown[] = [],
  ): Promise<NodeRecord> {
    const node = await db.transaction(async (queries) => {
      const rows = await queries.rows(
        `update nodes set ${assignments}, revision = nextval('node_revisions')
         where id = $1 and removed_at is null returning 1`,
        [id, ...values],
      );
      if (rows.length === 0) throw nodeNotFound(id);
      return readNode(queries, id);
    });
    announce([{ kind: 'node', nodeId: id }]);
    return node;
  }

  return {
    async createNode(node, now) {
      const created = await db.transaction((queries) => create(queries, node, now));
      announce([{ kind: 'node', nodeId: node.id }]);
      return created;
    },

    rotateNode: (id) => update(id, 'generation = generation + 1'),

    retireGenerations: (id, below) =>
      // Never the newest one: a node must keep a secret that works.
      update(id, 'retired_generation = greatest(retired_generation, least($2::int - 1, generation - 1))', [
        below,
      ]),

    async registerNode(id, registration, now) {
      const node = await db.transaction(async (queries) => {
        const rows = await queries.rows(
          `update nodes set roles = $2, hostname = $3, host_ip = $4, agent_version = $5, capabilities = $6,
             revision = nextval('node_revisions')
           where id = $1 and removed_at is null returning 1`,
          [
            id,
            portableJson(registration.roles),
            registration.hostname,
            registration.hostIp,
            registration.agentVersion,
            portableJson(registration.capabilities),
          ],
          'node-register',
        );
        if (rows.length === 0) throw nodeNotFound(id);
        await queries.rows(
          `insert into node_beats (node_id, at) values ($1, $2) on conflict (node_id) do update set at = excluded.at`,
          [id, now],
          'node-first-beat',
        );
        return readNode(queries, id);
      });
      announce([{ kind: 'node', nodeId: id }]);
      return node;
    },

    setIntent: (id, intent) => update(id, 'intent = $2', [intent]),

    resumeNode: (id) =>
      update(
        id,
        `intent = 'enabled', quarantined_at = null, quarantine_reason = null, blocked_templates = '[]', streaks = null`,
      ),

    async removeNode(id, now) {
      const changes = await changing(context, (work, queries) => remove(work, queries, id, now));
      announce([{ kind: 'nodeRemoved', nodeId: id }]);
      return changes;
    },

    async getNode(id) {
      const row = await findNodeRow(db, id);
      return row === null ? null : toNode(row);
    },

    async listNodes() {
      return (await db.rows(`${NODES} order by n.id`)).map(toNode);
    },

    async saveBeats(beats) {
      const newest = new Map<string, number>();
      for (const { nodeId, at } of beats) newest.set(nodeId, Math.max(at, newest.get(nodeId) ?? 0));
      // In one order everywhere: two control planes that write the same nodes never wait for each other in a circle.
      const sorted = [...newest].sort(([a], [b]) => (a < b ? -1 : 1));
      for (let i = 0; i < sorted.length; i += BEATS) {
        const chunk = sorted.slice(i, i + BEATS);
        await db.rows(
          `insert into node_beats (node_id, at)
           select w.id, w.at from unnest($1::text[], $2::bigint[]) as w (id, at)
           join nodes n on n.id = w.id and n.removed_at is null order by w.id
           on conflict (node_id) do update set at = excluded.at where node_beats.at < excluded.at`,
          [chunk.map(([id]) => id), chunk.map(([, at]) => at)],
          'node-beats',
        );
      }
    },
  };
}

async function readNode(queries: Queries, id: string): Promise<NodeRecord> {
  const row = await findNodeRow(queries, id);
  if (row === null) throw nodeNotFound(id);
  return toNode(row);
}

async function create(
  queries: Queries,
  { id, name }: { readonly id: string; readonly name: string },
  now: number,
): Promise<NodeRecord> {
  const rows = await queries.rows(
    `insert into nodes as n (id, name, generation, retired_generation, intent, blocked_templates, roles, created_at)
     values ($1, $2, 1, 0, 'enabled', '[]', '[]', $3)
     on conflict (id) do update set revision = nextval('node_revisions'), name = excluded.name,
       generation = n.generation + 1, retired_generation = n.generation, intent = excluded.intent, quarantined_at = null,
       quarantine_reason = null, blocked_templates = excluded.blocked_templates, streaks = null, roles = excluded.roles,
       hostname = null, host_ip = null, agent_version = null, capabilities = null, created_at = excluded.created_at,
       removed_at = null
     where n.removed_at is not null
     returning 1`,
    [id, name, now],
  );
  if (rows.length === 0) throw nodeExists(id);
  await queries.rows('delete from node_beats where node_id = $1', [id]);
  return readNode(queries, id);
}

/** Leaves only the id and the generation behind. */
async function remove(work: Work, queries: Queries, id: string, now: number): Promise<readonly TaskChange[]> {
  // Tasks before nodes, as everywhere. Then the node: claims for it that are under way end before, and there are none after.
  await work.take(await runningTasks(queries, id));
  await lockedNodeRow(queries, id);
  await work.take(await runningTasks(queries, id));
  await queries.rows(
    `update nodes set removed_at = $2, retired_generation = generation, capabilities = null, streaks = null,
       revision = nextval('node_revisions') where id = $1`,
    [id, now],
  );
  await queries.rows('delete from node_beats where node_id = $1', [id]);
  await forgetInvitation(queries, id);
  const error = { code: 'ABORTED', message: `node ${id} was removed from the farm`, retryable: true };
  const changes: TaskChange[] = [];
  for (const task of work.tasks()) {
    const change = work.change(task, { type: 'release' }, { now, error });
    if (change !== null) changes.push(change);
  }
  return changes;
}

function runningTasks(queries: Queries, nodeId: string) {
  return queries.rows(
    `select ${TASK_COLUMNS} from tasks t where t.state = 'running' and t.node_id = $1
     order by t.job_num, t.idx for update of t`,
    [nodeId],
  );
}
