import type { Clock } from '../../lib/clock.ts';
import type { DumpSource } from '../dump.ts';
import type { Store } from '../store.ts';
import { auditMethods } from './audit.ts';
import type { Context } from './context.ts';
import { closeDatabase, openDatabase } from './database.ts';
import { deliveryMethods } from './deliveries.ts';
import { dumpSqlite } from './dump.ts';
import { GroupWriter } from './group-writer.ts';
import { invitationMethods } from './invitations.ts';
import { jobMethods } from './jobs.ts';
import { leaseMethods } from './leases.ts';
import { logMethods } from './logs.ts';
import { Memory } from './memory.ts';
import { nodeMethods } from './nodes.ts';
import { retentionMethods } from './retention.ts';
import { settingMethods } from './settings.ts';
import { Sql } from './sql.ts';
import { toStoreError } from './store-error.ts';
import { templateMethods } from './templates.ts';
import { tokenMethods } from './tokens.ts';
import { WalSync } from './wal-sync.ts';

export interface SqliteStoreOptions {
  /** The database file; made when it is not there, with its directory, for this user only. */
  readonly path: string;
  readonly clock?: Clock;
}

/**
 * Opens the store in one SQLite file, which belongs to this process until `close` or its end. ALREADY_RUNNING when
 * another process has it, SCHEMA_NEWER when a newer flatrender wrote it, STORE_FAILED when it is damaged. Operations
 * fail with STORE_FAILED or DISK_FULL; after either the next one tries again, unless the disk refused a sync.
 */
export async function openSqliteStore({ path }: SqliteStoreOptions): Promise<Store & DumpSource> {
  const db = openDatabase(path);
  const sql = new Sql(db, path);
  const memory = new Memory();
  try {
    memory.load(sql);
  } catch (error) {
    db.close();
    throw toStoreError(error, path);
  }
  const walSync = new WalSync(path);
  const writer = new GroupWriter({
    sql,
    walSync,
    path,
    flush: () => memory.flush(sql),
    reload: () => memory.load(sql),
  });
  const context: Context = { sql, memory, writer };
  let closed: Promise<void> | undefined;
  return {
    ...jobMethods(context),
    ...leaseMethods(context),
    ...nodeMethods(context),
    ...invitationMethods(context),
    ...templateMethods(context),
    ...tokenMethods(context),
    ...logMethods(context),
    ...retentionMethods(context),
    ...deliveryMethods(context),
    ...auditMethods(context),
    ...settingMethods(context),
    dump: (signal) => dumpSqlite(db, path, signal),
    shared: null,
    failure: () => writer.failure,
    close() {
      closed ??= writer.close().then(() => {
        walSync.close();
        closeDatabase(db, path);
      });
      return closed;
    },
  };
}
