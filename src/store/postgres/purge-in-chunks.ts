import type { Database } from './database.ts';

/** Runs a `delete` of at most $2 rows before $1 until nothing is left of it or `limit` is reached; returns how many. */
export async function purgeInChunks(
  db: Database,
  statement: string,
  before: number,
  { limit, chunk }: { readonly limit: number; readonly chunk: number },
): Promise<number> {
  let purged = 0;
  while (purged < limit) {
    const size = Math.min(chunk, limit - purged);
    const [row] = await db.rows(`with gone as (${statement} returning 1) select count(*) as n from gone`, [
      before,
      size,
    ]);
    const count = Number(row?.n);
    purged += count;
    if (count < size) break;
  }
  return purged;
}
