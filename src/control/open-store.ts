/** Opens the store that a configuration names. */
import { setTimeout } from 'node:timers/promises';
import { type ControlConfig, resolveInHome } from '../config/control-config.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { DumpSource } from '../store/dump.ts';
import { openSqliteStore } from '../store/sqlite/sqlite-store.ts';
import type { Store } from '../store/store.ts';

// A database that comes up with the machines around it takes a minute or two; a service manager starts this again anyway.
const DATABASE_SECONDS = 120;
const TRY_AGAIN_MS = 1000;
const SAY_AGAIN_SECONDS = 15;

/**
 * The store of this configuration, for a tool: it does no background work and never leads the farm. ALREADY_RUNNING,
 * SCHEMA_NEWER, STORE_FAILED; UNAVAILABLE when a database server is away.
 */
export async function openStore(
  directory: string,
  config: ControlConfig,
  clock: Clock = systemClock,
): Promise<Store & DumpSource> {
  return await open(directory, config, { joins: false, clock });
}

async function open(
  directory: string,
  config: ControlConfig,
  { clock, ...options }: { readonly joins: boolean; readonly clock: Clock; readonly logger?: Logger },
): Promise<Store & DumpSource> {
  if (config.store.startsWith('sqlite:'))
    return await openSqliteStore({
      path: resolveInHome(directory, config.store.slice('sqlite:'.length)),
      clock,
    });
  // Loaded only where it is used: the start of everybody else stays as quick as it is.
  const { openPostgresStore } = await import('../store/postgres/postgres-store.ts');
  return await openPostgresStore({ url: config.store, clock, ...options });
}

/** The configured store for people: without the password. */
export function shownStore({ store }: ControlConfig): string {
  return store.replace(/^([a-z]+:\/\/[^:@/]*):[^@]*@/, '$1:…@');
}

/** A `store` setting for messages: without its password. */
export function storePlace(store: string): string {
  if (store.startsWith('sqlite:') || !URL.canParse(store)) return store.replace(/\/\/[^@/]*@/, '//');
  const url = new URL(store);
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** The store of a control plane that starts: waits up to two minutes for a database server, and says so. */
export async function waitForStore(options: {
  readonly directory: string;
  readonly config: ControlConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal?: AbortSignal | undefined;
}): Promise<Store & DumpSource> {
  const { directory, config, clock, logger, signal } = options;
  const startedAt = performance.now();
  let saidAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    try {
      return await open(directory, config, { joins: true, clock, logger });
    } catch (error) {
      signal?.throwIfAborted();
      const isAway = error instanceof FlatrenderError && error.code === 'UNAVAILABLE' && error.retryable;
      const waited = (performance.now() - startedAt) / 1000;
      if (!isAway || waited >= DATABASE_SECONDS) throw error;
      if (waited - saidAt >= SAY_AGAIN_SECONDS) {
        saidAt = waited;
        const seconds = Math.round(DATABASE_SECONDS - waited);
        logger.warn('control.waiting-for-database', { message: error.message, hint: error.hint, seconds });
      }
      // Nothing else keeps the process alive while it waits.
      await setTimeout(TRY_AGAIN_MS, undefined, { signal });
    }
  }
}
