/** The check of the farm's database: is it there, is it a farm's, can this version work with it. Changes nothing in it. */
import { readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type ControlConfig, resolveInHome } from '../../config/control-config.ts';
import { FlatrenderError, toFlatrenderError } from '../../lib/errors.ts';
import { packageRoot } from '../../lib/paths.ts';
import type { Finding } from './checks.ts';

/** What a control plane would say of its database; `directory`: where its relative paths start. */
export async function checkFarmDatabase({ store }: ControlConfig, directory: string): Promise<Finding> {
  if (store.startsWith('sqlite:'))
    return await checkSqlite(resolveInHome(directory, store.slice('sqlite:'.length)));
  try {
    return await checkPostgres(store);
  } catch (error) {
    const { message, hint } = toFlatrenderError(error);
    return { status: 'failed', message, fix: hint ?? 'see the log of the database server' };
  }
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
    const known = knownSchemas('sqlite');
    return schema > known ? newer(path, schema, known) : { status: 'ok', message: path };
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
  const { version, worksWith } = await schemaOf(store);
  const known = knownSchemas('postgres');
  // What only added something says that it works with older programs.
  if (version > known && worksWith > known) return newer(place, version, known);
  const message = `${server}; ${controlPlanes} control plane${controlPlanes === 1 ? '' : 's'} on it now`;
  if (connectionsLeft >= connectionsNeeded) return { status: 'ok', message };
  return {
    status: 'warning',
    message: `${message}; only ${connectionsLeft} connections are left there, a control plane takes up to ${connectionsNeeded}`,
    fix: 'raise max_connections on the server, or ?pool=5 in the address of each control plane',
  };
}

async function schemaOf(store: string): Promise<{ version: number; worksWith: number }> {
  const { Servers } = await import('../../store/postgres/servers.ts');
  const client = await new Servers(store).connect();
  try {
    const { rows } = await client.query(
      'select max(version) as version, max(works_with) as works_with from flatrender_schema',
    );
    return { version: Number(rows[0]?.version ?? 0), worksWith: Number(rows[0]?.works_with ?? 0) };
  } catch (cause) {
    throw new FlatrenderError('STORE_FAILED', `the schema of the database cannot be read: ${String(cause)}`, {
      cause,
    });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** How many schemas this program knows. */
function knownSchemas(kind: 'sqlite' | 'postgres'): number {
  const directory = join(packageRoot(), 'src', 'store', kind, 'migrations');
  return readdirSync(directory).filter((name) => /^\d{4}_.*\.sql$/.test(name)).length;
}

function newer(place: string, schema: number, known: number): Finding {
  return {
    status: 'failed',
    message: `the database ${place} has schema ${schema}; this flatrender knows up to ${known}: no control plane of this version starts with it`,
    fix: 'update flatrender, or restore the backup from before the update',
  };
}
