/** The control planes of a farm by their rows, and which of them leads. */
import type { ClientBase } from 'pg';
import type { Replica } from '../shared.ts';
import { LOCK_CLASS } from './migrate.ts';

/** The second number of the leader's lock; the migration has another. */
const LEADER_LOCK = 2;

/**
 * Not heard of for this long, a control plane counts as gone: another one takes the lead, and all compare what they have in
 * memory. In seconds, by the clock of the database.
 */
export const GONE_SECONDS = 5;
/** Rows of those that went without a goodbye are kept as long, for `control status`. */
const FORGOTTEN_SECONDS = 600;

export interface ReplicaRow extends Replica {
  /** Heard of within {@link GONE_SECONDS}. */
  readonly isAlive: boolean;
  /** The number of the last notification that it sent. */
  readonly announced: number;
}

export interface OwnRow {
  readonly id: string;
  readonly hostname: string;
  readonly version: string;
  readonly startedAt: number;
  readonly announced: number;
}

/** Says that this one is alive, on the connection that holds its lock. */
export async function beat(client: ClientBase, own: OwnRow): Promise<void> {
  await client.query({
    name: 'replica-beat',
    text: `insert into replicas (id, hostname, version, started_at, pid, announced)
      values ($1, $2, $3, $4, pg_backend_pid(), $5)
      on conflict (id) do update set seen_at = now(), pid = excluded.pid, announced = excluded.announced`,
    values: [own.id, own.hostname, own.version, own.startedAt, own.announced],
  });
}

/** All that were heard of lately, the oldest first. */
export async function readReplicas(client: ClientBase): Promise<readonly ReplicaRow[]> {
  const { rows } = await client.query({
    name: 'replicas',
    text: `select r.id, r.hostname, r.version, r.started_at, r.announced,
        round(extract(epoch from r.seen_at) * 1000) as seen_at,
        r.seen_at > now() - make_interval(secs => $3) as is_alive,
        exists (select 1 from pg_locks l where l.pid = r.pid and ${LEADER}) as is_leader
      from replicas r order by r.started_at, r.id`,
    values: [LOCK_CLASS, LEADER_LOCK, GONE_SECONDS],
  });
  return rows.map((row) => ({
    id: String(row.id),
    hostname: String(row.hostname),
    version: String(row.version),
    startedAt: Number(row.started_at),
    seenAt: Number(row.seen_at),
    isLeader: row.is_leader === true && row.is_alive === true,
    isAlive: row.is_alive === true,
    announced: Number(row.announced),
  }));
}

/**
 * Tries to become the leader. Whoever holds the lock without being heard of (stopped, or cut off while the server waits for
 * it) loses its connection and with it the lock: the next try gets it.
 */
export async function tryToLead(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query({
    name: 'lead',
    text: 'select pg_try_advisory_lock($1, $2) as leads',
    values: [LOCK_CLASS, LEADER_LOCK],
  });
  if (rows[0]?.leads === true) return true;
  await client.query({
    name: 'unseat',
    text: `select pg_terminate_backend(l.pid) from pg_locks l join pg_stat_activity a on a.pid = l.pid
      where ${LEADER} and a.application_name like 'flatrender%' and not exists (
        select 1 from replicas r where r.pid = l.pid and r.seen_at > now() - make_interval(secs => $3))`,
    values: [LOCK_CLASS, LEADER_LOCK, GONE_SECONDS],
  });
  return false;
}

/** What the leader tidies up now and then. */
export async function forgetOld(client: ClientBase, previewsBefore: number): Promise<void> {
  await client.query('delete from replicas where seen_at < now() - make_interval(secs => $1)', [
    FORGOTTEN_SECONDS,
  ]);
  await client.query('delete from previews where at < $1', [previewsBefore]);
}

/** Clean end: others need not wait for anything. */
export async function sayGoodbye(client: ClientBase, id: string): Promise<void> {
  await client.query('delete from replicas where id = $1', [id]);
}

/** Of pg_locks: the leader's lock in this database; bigint keys split in two show themselves so (objsubid 2: two numbers). */
const LEADER = `l.locktype = 'advisory' and l.granted and l.objsubid = 2 and l.classid = $1::bigint::oid
  and l.objid = $2::bigint::oid and l.database = (select oid from pg_database where datname = current_database())`;
