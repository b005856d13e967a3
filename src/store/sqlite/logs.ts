import { FlatrenderError } from '../../lib/errors.ts';
import type { LogLine, Store } from '../store.ts';
import type { Context } from './context.ts';
import { findTask } from './find.ts';

type LogMethods = Pick<Store, 'appendLog' | 'readLog'>;

/** In `attempts.log_bytes`: the limit was reached and the line that says so written. */
const FULL = -1;

export function logMethods(context: Context): LogMethods {
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
  if (found === null) throw new FlatrenderError('TASK_NOT_FOUND', `there is no task ${taskId}`);
  const place = [found.job.num, found.task.record.index] as const;
  const attempt = sql.get(
    'select log_bytes from attempts where job_num = ? and idx = ? and epoch = ?',
    ...place,
    epoch,
  );
  if (attempt === null) {
    throw new FlatrenderError('TASK_NOT_FOUND', `task ${taskId} has no attempt with epoch ${epoch}`);
  }
  let bytes = Number(attempt.log_bytes);
  if (bytes === FULL) return;
  let n = Number(sql.get('select max(n) as n from logs where job_num = ?', found.job.num)?.n ?? 0);
  const insert = ({ at, stream, line }: LogLine): void => {
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
  };
  for (const line of lines) {
    // One more for the end of the line: a flood of empty lines is a flood, too.
    bytes += Buffer.byteLength(line.line) + 1;
    if (bytes > maxBytes) {
      insert({ at: line.at, stream: 'agent', line: `the log ends here: more than ${maxBytes} bytes` });
      bytes = FULL;
      break;
    }
    insert(line);
  }
  sql.run(
    'update attempts set log_bytes = ? where job_num = ? and idx = ? and epoch = ?',
    bytes,
    ...place,
    epoch,
  );
}
