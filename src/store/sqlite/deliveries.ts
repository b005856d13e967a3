import { type DeliveryRecord, type DeliveryStore, deliveryHost, type NewDelivery } from '../deliveries.ts';
import { number, toDelivery } from '../records.ts';
import { deliveryNotFound } from '../refusals.ts';
import type { JobRecord } from '../store.ts';
import { CHUNK, type Context } from './context.ts';
import type { Sql } from './sql.ts';

export function deliveryMethods({ sql, writer }: Context): DeliveryStore {
  return {
    addDelivery: (delivery) =>
      writer.write(() => {
        const earlier = find(sql, delivery.id);
        if (earlier !== null) return earlier;
        insert(sql, delivery);
        return existing(sql, delivery.id);
      }),

    takeDeliveries: (now, hiddenUntil, limit, exceptHosts = []) =>
      writer.write(() => ({
        deliveries: take(sql, now, hiddenUntil, limit, exceptHosts),
        nextAt: number(sql.get("select min(due_at) as at from deliveries where state = 'waiting'")?.at),
      })),

    settleDelivery: (id, { state, at, status, error, dueAt, body }) =>
      writer.write(() => {
        existing(sql, id);
        sql.run(
          `update deliveries set state = ?, attempts = attempts + 1, last_attempt_at = ?, last_status = ?, last_error = ?,
             due_at = coalesce(?, due_at), ended_at = ?, body = coalesce(?, body)
           where id = ? and state = 'waiting'`,
          state,
          at,
          status,
          error,
          dueAt,
          state === 'waiting' ? null : at,
          body,
          id,
        );
        return existing(sql, id);
      }),

    replayDelivery: (id, now) =>
      writer.write(() => {
        existing(sql, id);
        sql.run(
          "update deliveries set state = 'waiting', attempts = 0, due_at = ?, ended_at = null where id = ?",
          now,
          id,
        );
        return existing(sql, id);
      }),

    getDelivery: async (id) => find(sql, id),

    async listDeliveries({ state, jobId, limit }) {
      const conditions = [
        ...(jobId === undefined ? [] : ['job_id = ?']),
        ...(state === undefined ? [] : ['state = ?']),
      ];
      const values = [jobId, state].filter((value) => value !== undefined);
      const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
      return sql
        .all(`select * from deliveries ${where} order by created_at desc, id desc limit ?`, ...values, limit)
        .map(toDelivery);
    },

    async purgeDeliveries(endedBefore, limit) {
      let purged = 0;
      while (purged < limit) {
        const size = Math.min(CHUNK, limit - purged);
        const count = await writer.write(() =>
          sql.run(
            `delete from deliveries where rowid in (
               select rowid from deliveries where ended_at < ? order by ended_at limit ?)`,
            endedBefore,
            size,
          ),
        );
        purged += count;
        if (count < size) break;
      }
      return purged;
    },
  };
}

/** The delivery that a job's end makes, in the transaction that ends it. */
export function deliverEnd({ sql }: Context, { id, webhook, endedAt }: JobRecord): void {
  if (webhook === null || endedAt === null) return;
  const delivery = {
    id: `job.ended.${id}.${endedAt}`,
    type: 'job.ended',
    jobId: id,
    url: webhook,
    body: null,
  };
  insert(sql, { ...delivery, createdAt: endedAt, dueAt: endedAt });
}

function insert(sql: Sql, delivery: NewDelivery): void {
  sql.run(
    `insert into deliveries (id, type, job_id, url, host, body, created_at, due_at, state)
     values (?, ?, ?, ?, ?, ?, ?, ?, 'waiting') on conflict (id) do nothing`,
    delivery.id,
    delivery.type,
    delivery.jobId,
    delivery.url,
    deliveryHost(delivery.url),
    delivery.body,
    delivery.createdAt,
    delivery.dueAt,
  );
}

function take(
  sql: Sql,
  now: number,
  hiddenUntil: number,
  limit: number,
  exceptHosts: readonly string[],
): readonly DeliveryRecord[] {
  const due = sql.all(
    `select id from deliveries where state = 'waiting' and due_at <= ?
       and host not in (select value from json_each(?)) order by due_at, rowid limit ?`,
    now,
    JSON.stringify(exceptHosts),
    limit,
  );
  return due.map((row) => {
    const id = String(row.id);
    sql.run('update deliveries set due_at = ? where id = ?', hiddenUntil, id);
    return existing(sql, id);
  });
}

function find(sql: Sql, id: string): DeliveryRecord | null {
  const row = sql.get('select * from deliveries where id = ?', id);
  return row === null ? null : toDelivery(row);
}

function existing(sql: Sql, id: string): DeliveryRecord {
  const found = find(sql, id);
  if (found !== null) return found;
  throw deliveryNotFound(id);
}
