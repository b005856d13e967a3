/** The check of the farm's database: is it there, is it a farm's, can this version work with it. Changes nothing in it. */
import { open } from 'node:fs/promises';
import { type ControlConfig, resolveInHome } from '../../config/control-config.ts';
import { toFlatrenderError } from '../../lib/errors.ts';
import { schemaFiles, schemaNewer } from '../../store/schema-files.ts';
import type { Finding } from './checks.ts';

/** What a control plane would say of its database; `directory`: where its relative paths start. */
export async function checkFarmDatabase({ store }: ControlConfig, directory: string): Promise<Finding> {
  if (store.startsWith('sqlite:'))
    return await checkSqlite(resolveInHome(directory, store.slice('sqlite:'.length)));
  try {
    return await checkPostgres(store);
  } catch (error) {
    return failure(error);
  }
}

function failure(error: unknown): Finding {
  const { message, hint } = toFlatrenderError(error);
  return { status: 'failed', message, fix: hint ?? 'see the log of the database server' };
}

/** Read from the file's header: a control plane that runs has it for itself. */
async function checkSqlite(path: string): Promise<Finding> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (file === null) {
    return {
      status: 'failed',
      message: `there is no farm in ${path}: no such file`,
      fix: 'a new farm: flatrender control init; that of a backup: flatrender control restore; another file: store in flatrender.yaml',
    };
  }
  try {
    const header = Buffer.alloc(100);
    const { bytesRead } = await file.read(header, 0, header.length, 0);
    // SQLite, "Database File Format", 1.3: the user version is at 60.
    const schema = bytesRead === header.length ? header.readUInt32BE(60) : 0;
    const known = schemaFiles('sqlite').length;
    return schema > known ? failure(schemaNewer(path, schema, known)) : { status: 'ok', message: path };
  } finally {
    await file.close();
  }
}

/** Whether the database is there, is a farm's, and has room for this control plane. */
async function checkPostgres(store: string): Promise<Finding> {
  const { checkDatabase } = await import('../../store/postgres/check-database.ts');
  const { place, serverVersion, answerMs, ...facts } = await checkDatabase(store);
  const { hasFarm, controlPlanes, connectionsLeft, connectionsNeeded } = facts;
  const server = `PostgreSQL ${serverVersion} at ${place} answers in ${answerMs.toFixed(1)} ms`;
  if (!hasFarm) {
    return {
      status: 'failed',
      message: `${server}, but there is no farm in it`,
      fix: 'a new farm: flatrender control init; that of a backup: flatrender control restore; another database: store in flatrender.yaml',
    };
  }
  const message = `${server}; ${controlPlanes} control plane${controlPlanes === 1 ? '' : 's'} on it now`;
  if (connectionsLeft >= connectionsNeeded) return { status: 'ok', message };
  return {
    status: 'warning',
    message: `${message}; only ${connectionsLeft} connections are left there, a control plane takes up to ${connectionsNeeded}`,
    fix: 'raise max_connections on the server, or ?pool=5 in the address of each control plane',
  };
}
