import { FlatrenderError } from '../../lib/errors.ts';

/** Result codes of SQLite that people can do something about (sqlite.org/rescode.html); the low byte counts. */
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** The primary result code of an error of node:sqlite; null for any other error. */
function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}

/** Whether the database is held by another connection. */
export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_BUSY;
}

/** A failure of the database as STORE_FAILED or DISK_FULL; errors that are already translated stay as they are. */
export function toStoreError(error: unknown, path: string): FlatrenderError {
  if (error instanceof FlatrenderError) return error;
  const message = error instanceof Error ? error.message : String(error);
  switch (sqliteCode(error)) {
    case SQLITE_FULL:
      return new FlatrenderError('DISK_FULL', `no space left to write ${path}`, {
        cause: error,
        hint: 'free some disk space, or lower the retention limits in flatrender.yaml',
      });
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new FlatrenderError('STORE_FAILED', `${path} is damaged or no database: ${message}`, {
        cause: error,
        hint: 'restore a backup, or move the file away to start with an empty farm',
        retryable: false,
      });
    default:
      return new FlatrenderError('STORE_FAILED', `the database ${path} failed: ${message}`, { cause: error });
  }
}
