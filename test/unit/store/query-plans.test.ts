import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { useAll } from '../../helpers/use-all.ts';

/** Tables that grow with the number of jobs. */
const BIG = /^SCAN (jobs|tasks|attempts|logs|job_assets|idempotency)\b/;

/** An index over the few rows that are running, due or finished, from one end. */
const PARTIAL = /USING (COVERING )?INDEX (tasks_running|tasks_ready|jobs_ended)\b/;

test('no statement walks a table that grows with the jobs', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-plans-'));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, 'flatrender.db');
  const prepare = DatabaseSync.prototype.prepare;
  const texts = new Set<string>();
  t.mock.method(DatabaseSync.prototype, 'prepare', function (this: DatabaseSync, text: string) {
    texts.add(text);
    return prepare.call(this, text);
  });
  const store = await openSqliteStore({ path });
  await useAll(store);
  await store.close();
  t.mock.restoreAll();

  const db = new DatabaseSync(path);
  const walks: string[] = [];
  for (const text of texts) {
    if (!/^\s*(select|insert|update|delete)\b/.test(text)) continue;
    for (const row of db.prepare(`explain query plan ${text}`).all()) {
      const detail = String(row.detail);
      if (BIG.test(detail) && !PARTIAL.test(detail)) walks.push(`${detail}: ${text}`);
      // From the newest job backwards until enough match: may be all of them.
      if (
        /^SEARCH jobs USING INTEGER PRIMARY KEY \(rowid<\?\)$/.test(detail) &&
        !text.includes('where  num <')
      ) {
        walks.push(`${detail}: ${text}`);
      }
      if (text.includes('where template = ? and state') && !detail.includes('INDEX jobs_template')) {
        walks.push(`${detail}: ${text}`);
      }
      if (/USE TEMP B-TREE/.test(detail)) walks.push(`${detail}: ${text}`);
    }
  }
  db.close();
  assert.deepEqual(walks, []);
  assert.ok(texts.size > 60, `${texts.size} statements`);
});
