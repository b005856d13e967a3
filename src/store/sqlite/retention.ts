import { isJobOver } from '../../jobs/job-state.ts';
import type { TaskState } from '../../protocol/jobs.ts';
import type { RetentionStore } from '../store-parts.ts';
import { CHUNK, type Context } from './context.ts';
import { JOB_COLUMNS, type StoredJob, toJob } from './rows.ts';

/** One job may have a hundred thousand log lines: removing goes on in the next turn after this long. */
const PURGE_MS = 10;

export function retentionMethods(context: Context): RetentionStore {
  const { sql, writer } = context;
  return {
    async purgeJobs({ endedBefore, keep, limit }) {
      const ids: string[] = [];
      while (ids.length < limit) {
        const size = Math.min(CHUNK, limit - ids.length);
        const chunk = await writer.write(() => purge(context, endedBefore, keep, size));
        ids.push(...chunk.ids);
        if (chunk.isLast) break;
      }
      return ids;
    },

    async assetsInUse(sha256s) {
      return only(
        sha256s,
        (sha256) => sql.get('select 1 from job_assets where sha256 = ? limit 1', sha256) !== null,
      );
    },

    async bundlesInUse(sha256s) {
      return only(
        sha256s,
        (sha256) =>
          sql.get('select 1 from templates where sha256 = ? limit 1', sha256) !== null ||
          sql.get('select 1 from bundles where sha256 = ? and unfinished > 0 limit 1', sha256) !== null,
      );
    },

    purgeIdempotency: (before) =>
      writer.write(() => sql.run('delete from idempotency where used_at < ?', before)),
  };
}

function only(sha256s: readonly string[], isUsed: (sha256: string) => boolean): ReadonlySet<string> {
  return new Set(sha256s.filter(isUsed));
}

/** Removes at most `size` of the jobs that ended first, with all that belongs to them. */
function purge(
  { sql, memory }: Context,
  endedBefore: number,
  keep: number,
  size: number,
): { readonly ids: readonly string[]; readonly isLast: boolean } {
  const { succeeded, failed, cancelled } = memory.jobs;
  const excess = succeeded + failed + cancelled - keep;
  const started = performance.now();
  const oldest = sql
    .all(
      `select ${JOB_COLUMNS} from jobs indexed by jobs_ended where ended_at is not null order by ended_at limit ?`,
      size,
    )
    .map((row) => toJob(row, memory));
  const ids: string[] = [];
  for (const [i, job] of oldest.entries()) {
    if (i >= excess && (job.record.endedAt ?? 0) >= endedBefore) return { ids, isLast: true };
    forget({ sql, memory }, job);
    ids.push(job.record.id);
    if (performance.now() - started > PURGE_MS) return { ids, isLast: false };
  }
  return { ids, isLast: oldest.length < size };
}

function forget({ sql, memory }: Pick<Context, 'sql' | 'memory'>, job: StoredJob): void {
  for (const row of sql.all('select class_id, state from tasks where job_num = ?', job.num)) {
    memory.classes.count(memory.classes.get(Number(row.class_id)), -1, 0);
    memory.countTask(String(row.state) as TaskState, null);
  }
  sql.run('delete from jobs where num = ?', job.num);
  memory.bundles.count(memory.bundles.get(job.bundleId), -1, isJobOver(job.record.state) ? 0 : -1);
  memory.countJob(job.record.state, null);
}
