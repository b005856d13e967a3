import { JobState } from '../../protocol/jobs.ts';
import type { JobFilter } from '../store.ts';
import type { Queries } from './database.ts';

/**
 * Numbers of the jobs that match, newest first. Each walk goes along one index from its end and stops at the limit; with
 * several states the walks are merged.
 */
export async function listJobNums(queries: Queries, filter: JobFilter): Promise<readonly number[]> {
  const { states, template, batchId, before, limit } = filter;
  const below = before === undefined ? Number.MAX_SAFE_INTEGER : await numBelow(queries, before);
  if (batchId !== undefined) return batch(queries, filter, below);
  const walked = template === undefined ? states : (states ?? JobState.options);
  if (walked === undefined) {
    const rows = await queries.rows('select num from jobs where num < $1 order by num desc limit $2', [
      below,
      limit,
    ]);
    return rows.map(({ num }) => Number(num));
  }
  const own = template === undefined ? '' : 'and j.template = $4';
  const rows = await queries.rows(
    `select j.num from unnest($1::text[]) as w (state) cross join lateral (
       select num from jobs j where j.state = w.state ${own} and j.num < $2 order by j.num desc limit $3
     ) j order by j.num desc limit $3`,
    [walked, below, limit, ...(template === undefined ? [] : [template])],
  );
  return rows.map(({ num }) => Number(num));
}

/** A batch is at most some thousand jobs. */
async function batch(queries: Queries, filter: JobFilter, below: number): Promise<readonly number[]> {
  const { states = null, template = null, batchId, limit } = filter;
  const rows = await queries.rows(
    `select num from jobs where batch_id = $1 and num < $2 and ($3::text[] is null or state = any($3))
       and ($4::text is null or template = $4) order by num desc limit $5`,
    [batchId, below, states, template, limit],
  );
  return rows.map(({ num }) => Number(num));
}

/** The job's number; of a job that was removed meanwhile: where its id would be. */
async function numBelow(queries: Queries, id: string): Promise<number> {
  const [row] = await queries.rows('select id, num from jobs where id <= $1 order by id desc limit 1', [id]);
  if (row === undefined) return 0;
  return Number(row.num) + (row.id === id ? 0 : 1);
}
