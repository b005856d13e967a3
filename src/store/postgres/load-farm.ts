import { systemClock } from '../../lib/clock.ts';
import type { DumpRow } from '../dump.ts';
import { Database } from './database.ts';
import { toStoreError } from './database-error.ts';
import { type LoadOptions, loadPostgres } from './dump.ts';
import { prepareSchema } from './prepare-schema.ts';

/**
 * Writes a farm into an empty PostgreSQL database, all or none. CONFIG_INVALID when there is one in it already,
 * ALREADY_RUNNING when a control plane has it open; UNAVAILABLE.
 */
export async function loadPostgresFarm(
  url: string,
  rows: AsyncIterable<DumpRow>,
  options: LoadOptions,
): Promise<void> {
  const db = new Database({ url, clock: systemClock });
  try {
    await prepareSchema(db.servers);
    await loadPostgres(db, rows, options);
  } catch (error) {
    throw toStoreError(error, db.place);
  } finally {
    await db.close();
  }
}
