import type { SQLInputValue } from 'node:sqlite';
import { JobState } from '../../protocol/jobs.ts';
import type { JobFilter } from '../store.ts';
import type { Sql } from './sql.ts';

/**
 * Numbers of the jobs that match, newest first. Each query walks one index from its end and stops at the limit; with
 * several states the walks are merged.
 */
export function listJobNums(sql: Sql, filter: JobFilter): readonly number[] {
  const below = filter.before === undefined ? Number.MAX_SAFE_INTEGER : numBelow(sql, filter.before);
  return walks(filter)
    .flatMap(({ where, values }) =>
      sql
        .all(
          `select num from jobs where ${where} num < ? order by num desc limit ?`,
          ...values,
          below,
          filter.limit,
        )
        .map((row) => Number(row.num)),
    )
    .sort((a, b) => b - a)
    .slice(0, filter.limit);
}

/** The job's number; of a job that was removed meanwhile: where its id would be. */
function numBelow(sql: Sql, id: string): number {
  const row = sql.get('select id, num from jobs where id <= ? order by id desc limit 1', id);
  if (row === null) return 0;
  return Number(row.num) + (row.id === id ? 0 : 1);
}

interface Walk {
  readonly where: string;
  readonly values: readonly SQLInputValue[];
}

function walks({ states, template, batchId }: JobFilter): readonly Walk[] {
  if (batchId !== undefined) return [batchWalk(batchId, states, template)];
  if (template !== undefined) {
    return (states ?? JobState.options).map((state) => ({
      where: 'template = ? and state = ? and',
      values: [template, state],
    }));
  }
  if (states === undefined) return [{ where: '', values: [] }];
  return states.map((state) => ({ where: 'state = ? and', values: [state] }));
}

/** A batch is at most some thousand jobs: its own index, the rest is looked at job by job. */
function batchWalk(
  batchId: string,
  states: readonly JobState[] | undefined,
  template: string | undefined,
): Walk {
  const where = ['batch_id = ?'];
  const values = [batchId];
  if (template !== undefined) {
    // The plus keeps SQLite from choosing the other index.
    where.push('+template = ?');
    values.push(template);
  }
  if (states !== undefined) {
    where.push(`+state in (${states.map(() => '?').join(', ')})`);
    values.push(...states);
  }
  return { where: `${where.join(' and ')} and`, values };
}
