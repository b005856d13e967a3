import type { ClientBase } from 'pg';
import { schemaFiles, schemaNewer } from '../schema-files.ts';

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
    const current = await requireKnownSchema(client, place);
    for (const file of schemaFiles('postgres').slice(current)) {
      const { version } = file;
      const sql = file.sql();
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

/** The schema of the database, or SCHEMA_NEWER; what only added something says that it works with older programs. */
export async function requireKnownSchema(client: ClientBase, place: string): Promise<number> {
  const { rows } = await client.query(
    'select max(version) as version, max(works_with) as works_with from flatrender_schema',
  );
  const version = Number(rows[0]?.version ?? 0);
  const known = schemaFiles('postgres').length;
  if (version > known && Number(rows[0]?.works_with) > known) throw schemaNewer(place, version, known);
  return version;
}
