import { toNode } from '../records.ts';
import { nodeExists } from '../refusals.ts';
import type { NodeRecord, TaskChange } from '../store.ts';
import type { NodeStore } from '../store-parts.ts';
import type { Context } from './context.ts';
import { taskAt } from './find.ts';
import { forgetInvitation } from './invitations.ts';
import { findNodeRow, nodeRow } from './node-row.ts';
import { changeTask } from './task-change.ts';

export function nodeMethods(context: Context): NodeStore {
  const { sql, writer } = context;

  /** Changes a node that exists. */
  function update(id: string, change: () => void): Promise<NodeRecord> {
    return writer.write(() => {
      nodeRow(context, id);
      change();
      return toNode(nodeRow(context, id));
    });
  }

  return {
    createNode: (node, now) => writer.write(() => create(context, node, now)),

    rotateNode: (id) =>
      update(id, () => sql.run('update nodes set generation = generation + 1 where id = ?', id)),

    retireGenerations: (id, below) =>
      update(id, () =>
        // Never the newest one: a node must keep a secret that works.
        sql.run(
          `update nodes set retired_generation = max(retired_generation, min(? - 1, generation - 1)) where id = ?`,
          below,
          id,
        ),
      ),

    registerNode: (id, registration, now) =>
      update(id, () =>
        sql.run(
          `update nodes set roles = ?, hostname = ?, host_ip = ?, agent_version = ?, capabilities = ?, last_seen_at = ?
           where id = ?`,
          JSON.stringify(registration.roles),
          registration.hostname,
          registration.hostIp,
          registration.agentVersion,
          JSON.stringify(registration.capabilities),
          now,
          id,
        ),
      ),

    setIntent: (id, intent) =>
      update(id, () => sql.run('update nodes set intent = ? where id = ?', intent, id)),

    resumeNode: (id) =>
      update(id, () =>
        sql.run(
          `update nodes set intent = 'enabled', quarantined_at = null, quarantine_reason = null,
             blocked_templates = '[]', streaks = null
           where id = ?`,
          id,
        ),
      ),

    removeNode: (id, now) => writer.write(() => remove(context, id, now)),

    async getNode(id) {
      const row = findNodeRow(context, id);
      return row === null ? null : toNode(row);
    },

    async listNodes() {
      return sql.all('select * from nodes where removed_at is null order by id').map(toNode);
    },

    saveBeats: (beats) =>
      writer.write(() => {
        for (const { nodeId, at } of beats) {
          sql.run(
            'update nodes set last_seen_at = max(coalesce(last_seen_at, 0), ?) where id = ?',
            at,
            nodeId,
          );
        }
      }),
  };
}

function create(context: Context, { id, name }: { id: string; name: string }, now: number): NodeRecord {
  const { sql, memory } = context;
  if (memory.nodes.has(id)) throw nodeExists(id);
  const old = sql.get('select generation from nodes where id = ?', id);
  const retired = Number(old?.generation ?? 0);
  if (old !== null) sql.run('delete from nodes where id = ?', id);
  sql.run(
    `insert into nodes (id, name, generation, retired_generation, intent, blocked_templates, roles, created_at)
     values (?, ?, ?, ?, 'enabled', '[]', '[]', ?)`,
    id,
    name,
    retired + 1,
    retired,
    now,
  );
  memory.nodes.add(id);
  return toNode(nodeRow(context, id));
}

/** Leaves only the id and the generation behind. */
function remove(context: Context, id: string, now: number): readonly TaskChange[] {
  const { sql, memory } = context;
  nodeRow(context, id);
  sql.run(
    `update nodes set removed_at = ?, retired_generation = generation, capabilities = null, streaks = null where id = ?`,
    now,
    id,
  );
  forgetInvitation(sql, id);
  memory.nodes.delete(id);
  const error = { code: 'ABORTED', message: `node ${id} was removed from the farm`, retryable: true };
  return sql
    .all(
      "select job_num, idx from tasks indexed by tasks_running where state = 'running' and node_id = ?",
      id,
    )
    .flatMap((row) => {
      const found = taskAt(context, { jobNum: Number(row.job_num), idx: Number(row.idx) });
      const change = changeTask(context, found, { type: 'release' }, { now, error });
      return change === null ? [] : [{ task: change.task, job: change.job, jobEnded: change.jobEnded }];
    });
}
