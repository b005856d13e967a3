import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientBase } from 'pg';
import { FlatrenderError } from '../../lib/errors.ts';
import { packageRoot } from '../../lib/paths.ts';

/** "flrd": of all advisory locks in the server, ours. */
export const LOCK_CLASS = 0x666c7264;
const MIGRATION_LOCK = 1;

/**
 * Brings the database to the newest schema; only one control plane does at a time. A schema may say which version of
 * flatrender's schemas still works with it (`works_with`): replicas of the version before go on while the new ones start.
 * SCHEMA_NEWER when this program is too old for it.
 */
export async function migrate(client: ClientBase, place: string): Promise<void> {
  await client.query('select pg_advisory_lock($1, $2)', [LOCK_CLASS, MIGRATION_LOCK]);
  try {
    await client.query(`create table if not exists flatrender_schema (
      version integer primary key, works_with integer not null, applied_at timestamptz not null default now())`);
    const { rows } = await client.query(
      'select max(version) as version, max(works_with) as works_with from flatrender_schema',
    );
    const current = Number(rows[0]?.version ?? 0);
    const files = migrationFiles();
    if (current > files.length && Number(rows[0]?.works_with) > files.length) {
      throw new FlatrenderError(
        'SCHEMA_NEWER',
        `the database ${place} has schema ${current}; this flatrender knows up to ${files.length}`,
        { hint: 'update flatrender, or restore the backup from before the update' },
      );
    }
    for (const { sql, version } of files.slice(current)) {
      // -- works with: N   in the first line: control planes that know only N schemas may go on.
      const worksWith = Number(/^-- works with: (\d+)$/m.exec(sql)?.[1] ?? version);
      await client.query('begin');
      try {
        await client.query(sql);
        await client.query('insert into flatrender_schema (version, works_with) values ($1, $2)', [
          version,
          worksWith,
        ]);
        await client.query('commit');
      } catch (error) {
        await client.query('rollback');
        throw error;
      }
    }
  } finally {
    await client.query('select pg_advisory_unlock($1, $2)', [LOCK_CLASS, MIGRATION_LOCK]);
  }
}

function migrationFiles(): { version: number; sql: string }[] {
  const directory = join(packageRoot(), 'src', 'store', 'postgres', 'migrations');
  return readdirSync(directory)
    .filter((name) => /^\d{4}_.*\.sql$/.test(name))
    .sort()
    .map((name) => ({
      version: Number.parseInt(name, 10),
      sql: readFileSync(join(directory, name), 'utf8'),
    }));
}
