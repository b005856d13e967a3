import { isJobOver } from '../../jobs/job-state.ts';
import { JobState } from '../../protocol/jobs.ts';
import { portableJson } from '../portable-text.ts';
import { toTemplate } from '../records.ts';
import { templateInUse, templateNotFound, templateVersionExists } from '../refusals.ts';
import type { TemplateRecord } from '../store.ts';
import type { TemplateStore } from '../store-parts.ts';
import { compareVersions, newestVersion } from '../version-order.ts';
import type { Context } from './context.ts';
import type { Queries } from './database.ts';

const UNFINISHED = JobState.options.filter((state) => !isJobOver(state));

export function templateMethods({ db, announce }: Context): TemplateStore {
  return {
    async putTemplate(template) {
      const put = await db.transaction((queries) => putOne(queries, template));
      if (!put.already) announce([{ kind: 'template', name: template.name }]);
      return put;
    },

    async getTemplate(name, version) {
      const wanted = version ?? newestVersion(await versionsOf(db, name));
      return wanted === undefined ? null : find(db, name, wanted);
    },

    async listTemplates() {
      const rows = await db.rows('select * from templates');
      return rows
        .map(toTemplate)
        .sort((a, b) =>
          a.name === b.name ? compareVersions(b.version, a.version) : a.name < b.name ? -1 : 1,
        );
    },

    async removeTemplate(name, version) {
      const removed = await db.transaction((queries) => remove(queries, name, version));
      announce([{ kind: 'template', name }]);
      return removed.toSorted((a, b) => compareVersions(b.version, a.version));
    },
  };
}

async function versionsOf(queries: Queries, name: string): Promise<string[]> {
  const rows = await queries.rows('select version from templates where name = $1', [name]);
  return rows.map((row) => String(row.version));
}

async function find(queries: Queries, name: string, version: string): Promise<TemplateRecord | null> {
  const [row] = await queries.rows('select * from templates where name = $1 and version = $2', [
    name,
    version,
  ]);
  return row === undefined ? null : toTemplate(row);
}

async function putOne(
  queries: Queries,
  template: TemplateRecord,
): Promise<{ readonly template: TemplateRecord; readonly already: boolean }> {
  const { name, version, sha256, sizeBytes, manifest, pushedAt } = template;
  const rows = await queries.rows(
    `insert into templates (name, version, sha256, size_bytes, manifest, pushed_at) values ($1, $2, $3, $4, $5, $6)
     on conflict (name, version) do nothing returning 1`,
    [name, version, sha256, sizeBytes, portableJson(manifest), pushedAt],
  );
  if (rows.length > 0) return { template, already: false };
  const stored = await find(queries, name, version);
  // Removed between the two statements: as if it had come before.
  if (stored === null) return putOne(queries, template);
  if (stored.sha256 !== sha256) throw templateVersionExists(stored);
  return { template: stored, already: true };
}

async function remove(
  queries: Queries,
  name: string,
  version: string | undefined,
): Promise<readonly TemplateRecord[]> {
  const rows = await queries.rows(
    'select * from templates where name = $1 and ($2::text is null or version = $2) for update',
    [name, version ?? null],
  );
  if (rows.length === 0) throw templateNotFound(name, version);
  const [counted] = await queries.rows(
    `select count(*) as n from jobs where template = $1 and state = any($2::text[])
       and ($3::text is null or version = $3)`,
    [name, UNFINISHED, version ?? null],
  );
  const jobs = Number(counted?.n);
  if (jobs > 0) throw templateInUse(name, version, jobs);
  await queries.rows('delete from templates where name = $1 and ($2::text is null or version = $2)', [
    name,
    version ?? null,
  ]);
  return rows.map(toTemplate);
}
