import { requireUnicode } from './check-database.ts';
import { connectFailure } from './connect-error.ts';
import { migrate } from './migrate.ts';
import type { Servers } from './servers.ts';

/**
 * Brings the database to the newest schema, on a connection of its own: its failures say what is wrong, and a migration of many
 * rows may take its time. UNAVAILABLE, CONFIG_INVALID, SCHEMA_NEWER.
 */
export async function prepareSchema(servers: Servers): Promise<void> {
  const client = await servers.connect({ unlimited: true });
  try {
    await requireUnicode(client, servers.address);
    await migrate(client, servers.place);
  } catch (error) {
    throw connectFailure(error, servers.address, servers.place);
  } finally {
    await client.end().catch(() => undefined);
  }
}
