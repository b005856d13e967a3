/** Opens the database file: permissions, exclusive lock, settings, migrations. */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { FlatrenderError } from '../../lib/errors.ts';
import { schemaFiles, schemaNewer } from '../schema-files.ts';
import { isBusy, toStoreError } from './store-error.ts';

/** "flrd": marks the file as ours, so that no other program's database is migrated by mistake. */
const APPLICATION_ID = 0x666c7264;

/** A control plane that just ended may need this long to let go of the file. */
const BUSY_MS = 500;

/** Names the process that has the database open; only for the message, the lock itself is SQLite's. */
function pidFile(path: string): string {
  return `${path}.pid`;
}

/**
 * Opens or creates the database, brings it to the newest schema and locks it for this process until it ends, however
 * it ends. ALREADY_RUNNING when another process has it; SCHEMA_NEWER when a newer flatrender wrote it.
 */
export function openDatabase(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // Created here because SQLite would use the umask; the -wal file gets the mode of the database.
    closeSync(openSync(path, 'a', 0o600));
    db = new DatabaseSync(path, { timeout: BUSY_MS, enableForeignKeyConstraints: true });
    lock(db, path);
    // Checkpoints every 16 MB instead of 4: fewer pauses under load; the log file is cut back after a burst.
    db.exec('pragma wal_autocheckpoint = 4000; pragma journal_size_limit = 67108864');
    // 16 MB of page cache: the upper levels of all indexes of a million jobs.
    db.exec('pragma cache_size = -16000; pragma temp_store = memory');
    migrate(db, path);
    writeFileSync(pidFile(path), `${process.pid}\n`, { mode: 0o600 });
    return db;
  } catch (error) {
    db?.close();
    throw toStoreError(error, path);
  }
}

/** Empties the write-ahead log into the database and lets go of it. */
export function closeDatabase(db: DatabaseSync, path: string): void {
  rmSync(pidFile(path), { force: true });
  db.exec('pragma wal_checkpoint(truncate)');
  db.close();
}

/**
 * Exclusive locking is the kernel's: it cannot be left behind by a killed process, and the write-ahead log needs no
 * shared memory.
 */
function lock(db: DatabaseSync, path: string): void {
  try {
    // normal: the log is put on the disk by wal-sync.ts, before anybody is answered.
    db.exec('pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = normal');
    db.exec('begin immediate; commit');
  } catch (error) {
    if (!isBusy(error)) throw error;
    const pid = readPid(path);
    throw new FlatrenderError(
      'ALREADY_RUNNING',
      `another process${pid === null ? '' : ` (pid ${pid})`} has the database ${path} open`,
      {
        cause: error,
        hint: 'run "flatrender control status"; "flatrender control stop" ends a control plane in the background',
        details: pid === null ? undefined : { pid },
      },
    );
  }
}

function readPid(path: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(pidFile(path), 'utf8'), 10);
    return Number.isSafeInteger(pid) ? pid : null;
  } catch {
    return null;
  }
}

function migrate(db: DatabaseSync, path: string): void {
  const files = schemaFiles('sqlite');
  const current = pragma(db, 'user_version');
  if (current === 0) claimFile(db, path);
  else if (pragma(db, 'application_id') !== APPLICATION_ID) throw foreign(path);
  if (current > files.length) throw schemaNewer(path, current, files.length);
  for (const { version, sql } of files.slice(current)) {
    db.exec(`begin immediate;\n${sql()}\n;pragma user_version = ${version}; commit`);
  }
}

/** A file without a schema version is ours only when it is empty. */
function claimFile(db: DatabaseSync, path: string): void {
  const tables = db.prepare('select count(*) as n from sqlite_schema').get();
  if (tables?.n !== 0) throw foreign(path);
  db.exec(`pragma application_id = ${APPLICATION_ID}`);
}

function foreign(path: string): FlatrenderError {
  return new FlatrenderError('CONFIG_INVALID', `${path} is a database of another program`, {
    hint: 'choose another path for the farm database',
  });
}

function pragma(db: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(db.prepare(`pragma ${name}`).get()?.[name]);
}
