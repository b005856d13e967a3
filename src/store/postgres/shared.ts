import type { Requirement } from '../../jobs/requirements.ts';
import { taskIdOf } from '../../lib/ids.ts';
import type { TaskPhase } from '../../protocol/jobs.ts';
import { number } from '../records.ts';
import type { SharedStore } from '../shared.ts';
import type { Database } from './database.ts';
import { toStoreError } from './database-error.ts';
import type { FarmLink } from './farm-link.ts';
import { LOCK_CLASS } from './migrate.ts';

/** The others: migrations, the leader. */
const FILES_LOCK = 3;

/** What the control planes on one PostgreSQL database share. */
export function sharedStore(db: Database, link: FarmLink): SharedStore {
  return {
    replicaId: link.replicaId,

    get isLeader() {
      return link.isLeader;
    },

    listen: (listener) => link.listen(listener),

    async listLeases() {
      const rows = await db.rows(
        `select j.id, t.idx, t.epoch, t.node_id, t.lease_until, t.phase, t.frame, t.frames, t.fps
         from tasks t join jobs j on j.num = t.job_num where t.state = 'running'`,
        [],
        'leases',
      );
      return rows.map((row) => ({
        taskId: taskIdOf(String(row.id), Number(row.idx)),
        epoch: Number(row.epoch),
        nodeId: String(row.node_id),
        leaseUntil: Number(row.lease_until),
        phase: String(row.phase ?? 'claimed') as TaskPhase,
        frame: Number(row.frame),
        frames: number(row.frames),
        fps: number(row.fps),
      }));
    },

    async listNodeMarks() {
      const rows = await db.rows(
        `select n.id, n.revision, (select b.at from node_beats b where b.node_id = n.id) as last_seen_at
         from nodes n where n.removed_at is null`,
        [],
        'node-marks',
      );
      return rows.map((row) => ({
        nodeId: String(row.id),
        revision: Number(row.revision),
        lastSeenAt: number(row.last_seen_at),
      }));
    },

    async listQueued() {
      const rows = await db.rows(QUEUED, [], 'queued');
      return rows.map((row) => row.requirement as Requirement);
    },

    listReplicas: () => link.replicas(),

    async agree(key, value) {
      const own = `agreed:${key}`;
      await db.rows('insert into settings (key, value) values ($1, $2) on conflict (key) do nothing', [
        own,
        value,
      ]);
      const [row] = await db.rows('select value from settings where key = $1', [own]);
      return String(row?.value ?? value);
    },

    keepingFiles: (work) => locked(db, 'pg_advisory_lock_shared', work),
    removingFiles: (work) => locked(db, 'pg_advisory_lock', work),

    async savePreview(taskId, jpeg, at) {
      await db.rows(
        `insert into previews (task_id, at, jpeg) values ($1, $2, $3) on conflict (task_id)
         do update set at = excluded.at, jpeg = excluded.jpeg where previews.at <= excluded.at`,
        [taskId, at, Buffer.from(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength)],
        'preview-save',
      );
    },

    async loadPreview(taskId) {
      const [row] = await db.rows('select jpeg from previews where task_id = $1', [taskId], 'preview-load');
      return row === undefined ? null : (row.jpeg as Buffer);
    },
  };
}

/** One look into the index for each class with queued tasks, however many there are of them. */
const QUEUED = `with recursive heads as (
  (select class_id from tasks where state = 'queued' order by class_id limit 1)
  union all
  select (select t.class_id from tasks t where t.state = 'queued' and t.class_id > h.class_id order by t.class_id limit 1)
  from heads h where h.class_id is not null
)
select c.requirement from heads h join classes c on c.id = h.class_id`;

/** Lets go of the lock with its connection: not one of the pool, out of which `work` takes its own. */
async function locked<T>(
  db: Database,
  lock: 'pg_advisory_lock' | 'pg_advisory_lock_shared',
  work: () => Promise<T>,
): Promise<T> {
  const client = await db.servers.connect();
  try {
    await client.query(`select ${lock}($1, $2)`, [LOCK_CLASS, FILES_LOCK]).catch((error: unknown) => {
      throw toStoreError(error, db.place);
    });
    return await work();
  } finally {
    client.end().catch(() => undefined);
  }
}
