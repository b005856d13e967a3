import { toTemplate } from '../records.ts';
import { templateInUse, templateNotFound, templateVersionExists } from '../refusals.ts';
import type { TemplateRecord } from '../store.ts';
import type { TemplateStore } from '../store-parts.ts';
import { compareVersions, newestVersion } from '../version-order.ts';
import type { Context } from './context.ts';
import type { Sql } from './sql.ts';

export function templateMethods(context: Context): TemplateStore {
  const { sql, writer } = context;
  return {
    putTemplate: (template) => writer.write(() => put(sql, template)),

    async getTemplate(name, version) {
      const wanted = version ?? newestVersion(versionsOf(sql, name));
      return wanted === undefined ? null : find(sql, name, wanted);
    },

    async listTemplates() {
      return sql
        .all('select * from templates')
        .map(toTemplate)
        .sort((a, b) =>
          a.name === b.name ? compareVersions(b.version, a.version) : a.name < b.name ? -1 : 1,
        );
    },

    removeTemplate: (name, version) => writer.write(() => remove(context, name, version)),
  };
}

function versionsOf(sql: Sql, name: string): string[] {
  return sql.all('select version from templates where name = ?', name).map((row) => String(row.version));
}

function find(sql: Sql, name: string, version: string): TemplateRecord | null {
  const row = sql.get('select * from templates where name = ? and version = ?', name, version);
  return row === null ? null : toTemplate(row);
}

function put(sql: Sql, template: TemplateRecord): { template: TemplateRecord; already: boolean } {
  const { name, version, sha256 } = template;
  const stored = find(sql, name, version);
  if (stored !== null) {
    if (stored.sha256 === sha256) return { template: stored, already: true };
    throw templateVersionExists(stored);
  }
  sql.run(
    'insert into templates (name, version, sha256, size_bytes, manifest, pushed_at) values (?, ?, ?, ?, ?, ?)',
    name,
    version,
    sha256,
    template.sizeBytes,
    JSON.stringify(template.manifest),
    template.pushedAt,
  );
  return { template, already: false };
}

function remove({ sql, memory }: Context, name: string, version?: string): readonly TemplateRecord[] {
  const versions = version === undefined ? versionsOf(sql, name) : [version];
  const removed = versions.flatMap((each) => find(sql, name, each) ?? []);
  if (removed.length === 0) throw templateNotFound(name, version);
  let jobs = 0;
  for (const { body, open } of memory.bundles.values()) {
    if (body.template === name && (version === undefined || body.version === version)) jobs += open;
  }
  if (jobs > 0) throw templateInUse(name, version, jobs);
  for (const each of removed)
    sql.run('delete from templates where name = ? and version = ?', name, each.version);
  return removed.sort((a, b) => compareVersions(b.version, a.version));
}
