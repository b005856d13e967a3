import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { packageRoot } from '../../../src/lib/paths.ts';
import { closeDatabase, openDatabase } from '../../../src/store/sqlite/database.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { newJob, refused } from '../../conformance/store-samples.ts';

interface Place extends AsyncDisposable {
  readonly directory: string;
  readonly path: string;
}

async function place(): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-db-'));
  return {
    directory,
    path: join(directory, 'farm', 'flatrender.db'),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

test('directory and files belong to this user only', {
  skip: process.platform === 'win32' && 'no modes on Windows',
}, async () => {
  await using at = await place();
  const store = await openSqliteStore({ path: at.path });
  await store.submit([newJob()]);
  const mode = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);
  assert.equal(await mode(join(at.directory, 'farm')), '700');
  const files = await readdir(join(at.directory, 'farm'));
  assert.deepEqual(files.sort(), ['flatrender.db', 'flatrender.db-wal', 'flatrender.db.pid']);
  for (const file of files) assert.equal(await mode(join(at.directory, 'farm', file)), '600', file);
  await store.close();
  assert.deepEqual(await readdir(join(at.directory, 'farm')), ['flatrender.db']);
});

test('commits go to a write-ahead log that the store itself syncs, with foreign keys and an exclusive lock', async () => {
  await using at = await place();
  const db = openDatabase(at.path);
  const pragma = (name: string): unknown => db.prepare(`pragma ${name}`).get()?.[name];
  assert.deepEqual(['synchronous', 'journal_mode', 'foreign_keys', 'locking_mode'].map(pragma), [
    1,
    'wal',
    1,
    'exclusive',
  ]);
  closeDatabase(db, at.path);
});

test('a second opening is refused with the pid of the first', async () => {
  await using at = await place();
  const store = await openSqliteStore({ path: at.path });
  const error = await refused(openSqliteStore({ path: at.path }), 'ALREADY_RUNNING');
  assert.match(error.message, new RegExp(`pid ${process.pid}\\b.*flatrender\\.db`));
  assert.match(error.hint ?? '', /control status/);
  await store.submit([newJob()]);
  await store.close();
  const again = await openSqliteStore({ path: at.path });
  assert.equal(again.stats().jobs.queued, 1);
  await again.close();
});

test('a database of a newer flatrender is refused and left alone', async () => {
  await using at = await place();
  await (await openSqliteStore({ path: at.path })).close();
  const db = new DatabaseSync(at.path);
  db.exec('pragma user_version = 9999');
  db.close();
  const error = await refused(openSqliteStore({ path: at.path }), 'SCHEMA_NEWER');
  assert.match(error.message, /schema 9999; this flatrender knows up to \d+$/);
});

test('a file that is no database, and a database of another program, are refused by name', async () => {
  await using at = await place();
  await mkdir(join(at.directory, 'farm'));
  await writeFile(at.path, 'this is not a database at all, only some text that is long enough'.repeat(100));
  const damaged = await refused(openSqliteStore({ path: at.path }), 'STORE_FAILED');
  assert.match(damaged.message, /flatrender\.db is damaged or no database/);
  assert.equal(damaged.retryable, false);
  await rm(at.path);
  const db = new DatabaseSync(at.path);
  db.exec('create table other (a)');
  db.close();
  await refused(openSqliteStore({ path: at.path }), 'CONFIG_INVALID');
});

test('a place that cannot be written says so', async () => {
  await using at = await place();
  await writeFile(join(at.directory, 'farm'), '');
  const error = await refused(openSqliteStore({ path: at.path }), 'STORE_FAILED');
  assert.match(error.message, /flatrender\.db/);
});

test('migrations are numbered from 1 without a gap', async () => {
  const files = (await readdir(join(packageRoot(), 'src', 'store', 'sqlite', 'migrations'))).sort();
  for (const [i, file] of files.entries())
    assert.match(file, new RegExp(`^${String(i + 1).padStart(4, '0')}_[a-z-]+\\.sql$`));
});
