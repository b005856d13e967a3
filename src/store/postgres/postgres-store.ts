import { type Clock, systemClock } from '../../lib/clock.ts';
import type { FarmChange } from '../shared.ts';
import type { Store } from '../store.ts';
import { auditMethods } from './audit.ts';
import { Classes } from './classes.ts';
import type { Context } from './context.ts';
import { StateCounts } from './counts.ts';
import { Database } from './database.ts';
import { deliveryMethods } from './deliveries.ts';
import { invitationMethods } from './invitations.ts';
import { jobMethods } from './jobs.ts';
import { leaseMethods } from './leases.ts';
import { logMethods } from './logs.ts';
import { migrate } from './migrate.ts';
import { nodeMethods } from './nodes.ts';
import { Operations } from './operations.ts';
import { retentionMethods } from './retention.ts';
import { settingMethods } from './settings.ts';
import { templateMethods } from './templates.ts';
import { tokenMethods } from './tokens.ts';

export interface PostgresStoreOptions {
  /** `postgres://user:password@host/database`. */
  readonly url: string;
  readonly clock?: Clock;
}

/**
 * Opens the store in a PostgreSQL database, which several control planes may have open at once. UNAVAILABLE when it cannot be
 * reached, SCHEMA_NEWER when a newer flatrender wrote it. Operations fail with UNAVAILABLE, STORE_FAILED or DISK_FULL; the next
 * one tries again.
 */
export async function openPostgresStore({ url, clock = systemClock }: PostgresStoreOptions): Promise<Store> {
  const db = new Database({ url, clock });
  const counts = new StateCounts(db);
  try {
    await db.session((client) => migrate(client, db.place));
    await counts.start();
  } catch (error) {
    await db.close();
    throw error;
  }
  const announce = (_changes: readonly FarmChange[]): void => undefined;
  const context: Context = { db, classes: new Classes(), counts, announce };
  const operations = new Operations();
  const methods = operations.guard({
    ...jobMethods(context),
    ...leaseMethods(context),
    ...nodeMethods(context),
    ...invitationMethods(context),
    ...templateMethods(context),
    ...tokenMethods(context),
    ...logMethods(context),
    ...retentionMethods(context),
    ...auditMethods(context),
    ...deliveryMethods(context),
    ...settingMethods(context),
  });
  let closed: Promise<void> | undefined;
  return {
    ...methods,
    stats: () => counts.stats,
    shared: null,
    failure: () => null,
    close() {
      closed ??= operations.close().then(() => {
        counts.close();
        return db.close();
      });
      return closed;
    },
  };
}
