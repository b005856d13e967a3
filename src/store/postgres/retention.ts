import type { RetentionStore } from '../store-parts.ts';
import { CHUNK, type Context } from './context.ts';
import type { Row } from './database.ts';

export function retentionMethods({ db, counts }: Context): RetentionStore {
  return {
    async purgeJobs({ endedBefore, keep, limit }) {
      const ids: string[] = [];
      while (ids.length < limit) {
        const size = Math.min(CHUNK, limit - ids.length);
        const rows = await db.transaction((queries) =>
          queries.rows(PURGE, [size, keep, endedBefore], 'purge-jobs'),
        );
        for (const row of rows) {
          counts.job(row.state as Parameters<typeof counts.job>[0], null);
          for (const state of row.tasks as Parameters<typeof counts.task>[0][]) counts.task(state, null);
        }
        ids.push(...rows.sort(byEnd).map((row) => String(row.id)));
        if (rows.length < size) break;
      }
      return ids;
    },

    async assetsInUse(sha256s) {
      const rows = await db.rows(
        `select w.sha256 from unnest($1::text[]) as w (sha256)
         where exists (select 1 from job_assets a where a.sha256 = w.sha256)`,
        [sha256s],
      );
      return new Set(rows.map((row) => String(row.sha256)));
    },

    async bundlesInUse(sha256s) {
      // limit: one look for each digest; a bare `exists` behind `or` may read the bundles of all unfinished jobs instead.
      const rows = await db.rows(
        `select w.sha256 from unnest($1::text[]) as w (sha256)
         where exists (select 1 from templates t where t.sha256 = w.sha256)
           or (select true from jobs j where j.bundle_sha256 = w.sha256 and j.ended_at is null limit 1)`,
        [sha256s],
      );
      return new Set(rows.map((row) => String(row.sha256)));
    },

    async purgeIdempotency(before) {
      const [row] = await db.rows(
        'with gone as (delete from idempotency where used_at < $1 returning 1) select count(*) as n from gone',
        [before],
      );
      return Number(row?.n);
    },
  };
}

/**
 * The jobs that ended first ($1 at most), as far as there are more than $2 that are over or they ended before $3. One that is
 * run again meanwhile is not over any more and stays.
 */
const PURGE = `with over as materialized (
  select count(*) as n from jobs where ended_at is not null
), oldest as materialized (
  select num, ended_at, row_number() over (order by ended_at, num) as i from (
    select num, ended_at from jobs where ended_at is not null order by ended_at, num limit $1
  ) first
), gone as (
  delete from jobs j using oldest o, over
  where j.num = o.num and j.ended_at = o.ended_at and (o.i <= over.n - $2::bigint or o.ended_at < $3)
  returning j.num, j.id, j.state, j.ended_at
)
select g.num, g.id, g.state, g.ended_at,
  array(select t.state from tasks t where t.job_num = g.num) as tasks from gone g`;

function byEnd(a: Row, b: Row): number {
  return Number(a.ended_at) - Number(b.ended_at) || Number(a.num) - Number(b.num);
}
