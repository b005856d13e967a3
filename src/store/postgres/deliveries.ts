import { type DeliveryRecord, type DeliveryStore, deliveryHost } from '../deliveries.ts';
import { number, toDelivery } from '../records.ts';
import { deliveryNotFound } from '../refusals.ts';
import { CHUNK, type Context } from './context.ts';
import { purgeInChunks } from './purge-in-chunks.ts';

export function deliveryMethods({ db, announce }: Context): DeliveryStore {
  async function find(id: string): Promise<DeliveryRecord | null> {
    const [row] = await db.rows('select * from deliveries where id = $1', [id]);
    return row === undefined ? null : toDelivery(row);
  }

  /** Changes one, or finds that it is as it should be already. */
  async function change(id: string, statement: string, values: readonly unknown[]): Promise<DeliveryRecord> {
    const row = await db.transaction(async (queries) => {
      const [changed] = await queries.rows(`${statement} returning *`, [id, ...values]);
      if (changed !== undefined) return changed;
      const [same] = await queries.rows('select * from deliveries where id = $1', [id]);
      return same;
    });
    if (row === undefined) throw deliveryNotFound(id);
    announce([{ kind: 'delivery' }]);
    return toDelivery(row);
  }

  return {
    addDelivery: ({ id, type, jobId, url, body, createdAt, dueAt }) =>
      change(
        id,
        `insert into deliveries (id, type, job_id, url, host, body, created_at, due_at, state)
         values ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting') on conflict (id) do nothing`,
        [type, jobId, url, deliveryHost(url), body, createdAt, dueAt],
      ),

    async takeDeliveries(now, hiddenUntil, limit, exceptHosts = []) {
      return db.transaction(async (queries) => {
        const taken = await queries.rows(TAKE, [now, hiddenUntil, limit, exceptHosts]);
        const [next] = await queries.rows("select min(due_at) as at from deliveries where state = 'waiting'");
        return {
          deliveries: taken.sort((a, b) => Number(a.place) - Number(b.place)).map(toDelivery),
          nextAt: number(next?.at),
        };
      });
    },

    settleDelivery: (id, { state, at, status, error, dueAt, body }) =>
      change(
        id,
        `update deliveries set state = $2, attempts = attempts + 1, last_attempt_at = $3, last_status = $4,
           last_error = $5, due_at = coalesce($6::bigint, due_at), ended_at = $7, body = coalesce($8, body)
         where id = $1 and state = 'waiting'`,
        [state, at, status, error, dueAt, state === 'waiting' ? null : at, body],
      ),

    replayDelivery: (id, now) =>
      change(
        id,
        "update deliveries set state = 'waiting', attempts = 0, due_at = $2, ended_at = null where id = $1",
        [now],
      ),

    getDelivery: find,

    async listDeliveries({ state, jobId, limit }) {
      const rows = await db.rows(
        `select * from deliveries where ($1::text is null or job_id = $1) and ($2::text is null or state = $2)
         order by created_at desc, id desc limit $3`,
        [jobId ?? null, state ?? null, limit],
      );
      return rows.map(toDelivery);
    },

    purgeDeliveries: (endedBefore, limit) =>
      purgeInChunks(
        db,
        'delete from deliveries where id in (select id from deliveries where ended_at < $1 order by ended_at limit $2)',
        endedBefore,
        { limit, chunk: CHUNK },
      ),
  };
}

const TAKE = `with due as materialized (
  select id, due_at, created_at from deliveries
  where state = 'waiting' and due_at <= $1 and host <> all($4::text[])
  order by due_at, created_at, id limit $3 for no key update skip locked
), placed as (
  select id as due_id, row_number() over (order by due_at, created_at, id) as place from due
)
update deliveries set due_at = $2 from placed where id = due_id returning *`;
