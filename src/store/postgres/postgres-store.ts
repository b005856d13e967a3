import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type Clock, systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logger.ts';
import { packageVersion } from '../../lib/paths.ts';
import type { DumpSource } from '../dump.ts';
import type { Store } from '../store.ts';
import { auditMethods } from './audit.ts';
import { Classes } from './classes.ts';
import type { Context } from './context.ts';
import { StateCounts } from './counts.ts';
import { Database } from './database.ts';
import { deliveryMethods } from './deliveries.ts';
import { dumpPostgres } from './dump.ts';
import { FarmLink } from './farm-link.ts';
import { invitationMethods } from './invitations.ts';
import { jobMethods } from './jobs.ts';
import { leaseMethods } from './leases.ts';
import { logMethods } from './logs.ts';
import { nodeMethods } from './nodes.ts';
import { Operations } from './operations.ts';
import { prepareSchema } from './prepare-schema.ts';
import { retentionMethods } from './retention.ts';
import { settingMethods } from './settings.ts';
import { sharedStore } from './shared.ts';
import { templateMethods } from './templates.ts';
import { tokenMethods } from './tokens.ts';

export interface PostgresStoreOptions {
  /** `postgres://user:password@host/database`. */
  readonly url: string;
  /** Whether this is a control plane, which may come to lead the farm; false: a tool with the database open. Default: true. */
  readonly joins?: boolean;
  readonly clock?: Clock;
  /** Told when the database goes and comes, and of the other control planes. */
  readonly logger?: Logger | undefined;
}

/**
 * Opens the store in a PostgreSQL database, which several control planes may have open at once. UNAVAILABLE when it cannot be
 * reached, SCHEMA_NEWER when a newer flatrender wrote it. Operations fail with UNAVAILABLE, STORE_FAILED or DISK_FULL; the next
 * one tries again.
 */
export async function openPostgresStore({
  url,
  joins = true,
  clock = systemClock,
  logger,
}: PostgresStoreOptions): Promise<Store & DumpSource> {
  const db = new Database({ url, clock, logger });
  const link = new FarmLink({
    connect: () => db.servers.connect(),
    replicaId: randomBytes(6).toString('hex'),
    hostname: hostname(),
    version: packageVersion(),
    joins,
    clock,
    logger,
  });
  const counts = new StateCounts(db);
  try {
    await prepareSchema(db.servers);
    await counts.start();
    await link.start();
  } catch (error) {
    await db.close();
    throw error;
  }
  const context: Context = {
    db,
    classes: new Classes(),
    counts,
    announce: (changes) => link.announce(changes),
  };
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
  const shared = sharedStore(db, link);
  let closed: Promise<void> | undefined;
  return {
    ...methods,
    stats: () => counts.stats,
    dump: (signal) => dumpPostgres(db, signal),
    shared,
    failure: () => db.failure,
    close() {
      closed ??= operations.close().then(async () => {
        counts.close();
        await link.close();
        await db.close();
      });
      return closed;
    },
  };
}
