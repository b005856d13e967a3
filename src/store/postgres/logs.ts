import { jobIdOf } from '../../lib/ids.ts';
import { linesWithRoom } from '../log-room.ts';
import { attemptNotFound } from '../refusals.ts';
import type { LogLine } from '../store.ts';
import type { LogStore } from '../store-parts.ts';
import type { Context } from './context.ts';
import type { Queries } from './database.ts';

export function logMethods({ db, announce }: Context): LogStore {
  return {
    async appendLog(taskId, epoch, lines, maxBytes) {
      const after = await db.transaction((queries) => append(queries, taskId, epoch, lines, maxBytes));
      if (after !== null) announce([{ kind: 'log', jobId: jobIdOf(taskId), after }]);
    },

    async readLog(jobId, after, limit) {
      const rows = await db.rows(
        `select n, idx, epoch, at, stream, line from logs
         where job_num = (select num from jobs where id = $1) and n > $2 order by n limit $3`,
        [jobId, after, limit],
        'log-read',
      );
      return {
        lines: rows.map((row) => ({
          taskId: `${jobId}.${row.idx}`,
          epoch: Number(row.epoch),
          at: Number(row.at),
          stream: row.stream === 'agent' ? 'agent' : 'engine',
          line: String(row.line),
        })),
        next: Number(rows.at(-1)?.n ?? after),
      };
    },
  };
}

/** Returns the cursor before the first line that was added; null: none was. */
async function append(
  queries: Queries,
  taskId: string,
  epoch: number,
  lines: readonly LogLine[],
  maxBytes: number,
): Promise<number | null> {
  const jobId = jobIdOf(taskId);
  const index = Number(taskId.slice(jobId.length + 1));
  if (!/^\d{1,9}$/.test(taskId.slice(jobId.length + 1))) throw attemptNotFound(taskId, epoch);
  // One at a time for each job: whoever reads on at a number has seen all smaller ones. Not by the job's row, which claims
  // and reports change. The job cannot be purged meanwhile.
  const [job] = await queries.rows(
    'select num, pg_advisory_xact_lock(num) from jobs where id = $1 for key share',
    [jobId],
    'log-job',
  );
  if (job === undefined) throw attemptNotFound(taskId, epoch);
  const [attempt] = await queries.rows(
    `select log_bytes, (select n from logs where job_num = $1 order by n desc limit 1) as last from attempts
     where job_num = $1 and idx = $2 and epoch = $3`,
    [job.num, index, epoch],
    'log-attempt',
  );
  if (attempt === undefined) throw attemptNotFound(taskId, epoch);
  const stored = Number(attempt.log_bytes);
  const last = Number(attempt.last ?? 0);
  const kept = linesWithRoom(lines, stored, maxBytes);
  if (kept.bytes === stored) return null;
  await queries.rows(
    `with added as (
       insert into logs (job_num, n, idx, epoch, at, stream, line)
       select $1, $4::bigint + w.i, $2, $3, w.at, w.stream, w.line
       from unnest($5::bigint[], $6::text[], $7::text[]) with ordinality as w (at, stream, line, i)
     )
     update attempts set log_bytes = $8 where job_num = $1 and idx = $2 and epoch = $3`,
    [
      ...[job.num, index, epoch, last],
      kept.lines.map(({ at }) => at),
      kept.lines.map(({ stream }) => stream),
      kept.lines.map(({ line }) => line),
      kept.bytes,
    ],
    'log-append',
  );
  return last;
}
