/** Errors of PostgreSQL and of the connection to it, as operators see them. */
import { FlatrenderError } from '../../lib/errors.ts';

/** The commit was sent and its answer never came: it may have happened. */
export class CommitUnknown extends Error {
  constructor(cause: unknown) {
    super('the connection was lost while the database committed', { cause });
  }
}

/** All connections of the pool are in use, and none was given back for a while: says nothing about the server. */
export class PoolBusy extends Error {
  constructor(size: number, cause: unknown) {
    super(`all ${size} connections are in use`, { cause });
  }
}

/** PostgreSQL's SQLSTATE, or Node's error code of a connection; '' when there is none. */
export function codeOf(error: unknown): string {
  if (error instanceof CommitUnknown) return codeOf(error.cause);
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

const SERIALIZATION = new Set(['40001', '40P01']);

/** Nobody gave a connection back in time (pg-pool 3: index.js). */
const POOL_WORDS = /timeout exceeded when trying to connect/i;

/** Errors of the driver without a code (pg 8.23: client.js; pg-pool 3: index.js). */
const AWAY_WORDS = new RegExp(
  `Connection terminated|connection error|${POOL_WORDS.source}|timeout expired|Query read timeout|not queryable`,
  'i',
);

/** Whether the pool had no connection to give; why is for its owner to say. */
export function isPoolTimeout(error: unknown): boolean {
  return error instanceof Error && POOL_WORDS.test(error.message);
}

/** Whether the database is away rather than unhappy: connection refused or cut, shutting down, starting, read-only. */
export function isAway(error: unknown): boolean {
  const code = codeOf(error);
  if (/^(08|57P0|53300|25006|25P0[34])/.test(code)) return true;
  if (/^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT)/.test(code)) return true;
  const message = error instanceof Error ? error.message : '';
  return AWAY_WORDS.test(message);
}

/** Another control plane answered the same claim at the same time: the next try finds what it took. */
function isClaimedTwice(error: unknown): boolean {
  return (
    codeOf(error) === '23505' &&
    error instanceof Error &&
    'constraint' in error &&
    error.constraint === 'tasks_running'
  );
}

/**
 * A statement that this connection prepared does not work any more: a table was changed under it, or somebody in between
 * gave us another session. Nothing happened, and a new connection prepares it again.
 */
export function isStale(error: unknown): boolean {
  const code = codeOf(error);
  if (code === '26000') return true;
  return code === '0A000' && error instanceof Error && /cached plan must not change/i.test(error.message);
}

/** Whether nothing of it was committed, and another try may go well. */
export function isUncommitted(error: unknown): boolean {
  if (error instanceof CommitUnknown) return false;
  if (error instanceof PoolBusy || isStale(error)) return true;
  return SERIALIZATION.has(codeOf(error)) || isClaimedTwice(error) || isAway(error);
}

/** What the caller of the store gets; errors of flatrender itself pass through. `place`: without a password. */
export function toStoreError(error: unknown, place: string): FlatrenderError {
  if (error instanceof FlatrenderError) return error;
  if (error instanceof PoolBusy) {
    return new FlatrenderError(
      'UNAVAILABLE',
      `too much at once for the database ${place}: ${error.message}`,
      {
        cause: error,
        hint: 'try again in a few seconds; if it stays so, raise pool= in the address of the database (store)',
        details: { retryAfterMs: 2000 },
      },
    );
  }
  if (isStale(error)) {
    return new FlatrenderError(
      'UNAVAILABLE',
      `the database ${place} forgot a statement: ${messageOf(error)}`,
      {
        cause: error,
        hint: 'try again in a few seconds; if it stays so: a pooler in between (pgbouncer) must pool whole sessions',
        details: { retryAfterMs: 2000 },
      },
    );
  }
  if (error instanceof CommitUnknown || isUncommitted(error)) {
    return new FlatrenderError('UNAVAILABLE', `the database ${place} is away: ${messageOf(error)}`, {
      cause: error,
      hint: 'what was answered is kept, the rest may be sent again: in a few seconds',
      details: { retryAfterMs: 2000 },
    });
  }
  const code = codeOf(error);
  // Our own limits for waiting (lock_timeout, statement_timeout): what was asked is undone, and may go well later.
  if (code === '55P03' || code === '57014') {
    return new FlatrenderError('UNAVAILABLE', `the database ${place} is too busy: ${messageOf(error)}`, {
      cause: error,
      hint: 'try again in a few seconds; if it stays so, look for long transactions of others: select * from pg_stat_activity',
      details: { retryAfterMs: 2000 },
    });
  }
  if (code === '53100') {
    return new FlatrenderError('DISK_FULL', `the disk of the database ${place} is full`, {
      cause: error,
      hint: 'make room there; flatrender goes on by itself',
    });
  }
  const state = code === '' ? '' : ` (${code})`;
  return new FlatrenderError('STORE_FAILED', `the database ${place} failed: ${messageOf(error)}${state}`, {
    cause: error,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : codeOf(error) || String(error);
}
