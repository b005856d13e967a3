import { linesWithRoom } from '../log-room.ts';
import { attemptNotFound } from '../refusals.ts';
import type { LogLine } from '../store.ts';
import type { LogStore } from '../store-parts.ts';
import type { Context } from './context.ts';
import { findTask } from './find.ts';

export function logMethods(context: Context): LogStore {
  const { sql, writer } = context;
  return {
    appendLog: (taskId, epoch, lines, maxBytes) =>
      writer.write(() => append(context, taskId, epoch, lines, maxBytes)),

    async readLog(jobId, after, limit) {
      const rows = sql.all(
        `select n, idx, epoch, at, stream, line from logs
         where job_num = (select num from jobs where id = ?) and n > ? order by n limit ?`,
        jobId,
        after,
        limit,
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

function append(
  context: Context,
  taskId: string,
  epoch: number,
  lines: readonly LogLine[],
  maxBytes: number,
): void {
  const { sql } = context;
  const found = findTask(context, taskId);
  if (found === null) throw attemptNotFound(taskId, epoch);
  const place = [found.job.num, found.task.record.index] as const;
  const attempt = sql.get(
    'select log_bytes from attempts where job_num = ? and idx = ? and epoch = ?',
    ...place,
    epoch,
  );
  if (attempt === null) throw attemptNotFound(taskId, epoch);
  const stored = Number(attempt.log_bytes);
  const kept = linesWithRoom(lines, stored, maxBytes);
  let n = Number(sql.get('select max(n) as n from logs where job_num = ?', found.job.num)?.n ?? 0);
  for (const { at, stream, line } of kept.lines) {
    n += 1;
    sql.run(
      'insert into logs (job_num, n, idx, epoch, at, stream, line) values (?, ?, ?, ?, ?, ?, ?)',
      found.job.num,
      n,
      found.task.record.index,
      epoch,
      at,
      stream,
      line,
    );
  }
  if (kept.bytes === stored) return;
  sql.run(
    'update attempts set log_bytes = ? where job_num = ? and idx = ? and epoch = ?',
    kept.bytes,
    ...place,
    epoch,
  );
}
