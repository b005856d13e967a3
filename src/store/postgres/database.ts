/** Connections, transactions and errors of the PostgreSQL store. */
import { performance } from 'node:perf_hooks';
import pg from 'pg';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { FlatrenderError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import {
  CommitUnknown,
  isAway,
  isPoolTimeout,
  isStale,
  isUncommitted,
  PoolBusy,
  toStoreError,
} from './database-error.ts';
import { Servers } from './servers.ts';

/** One connection, inside a transaction or outside. */
export interface Queries {
  /** Rows of one statement. With a name it is prepared once per connection. */
  rows(text: string, values?: readonly unknown[], name?: string): Promise<Row[]>;
}

/** Inside a transaction: statements go out at once, one behind the other; only who needs an answer waits for it. */
export interface Transaction extends Queries {
  /** A statement whose answer nobody needs. When it fails, the transaction does. */
  send(text: string, values?: readonly unknown[], name?: string): void;
}

/** Thrown inside a transaction: it is taken back, `first` is done without it, then it is made again from the start. */
export class NeedsFirst extends Error {
  readonly first: (queries: Queries) => Promise<unknown>;

  constructor(first: NeedsFirst['first']) {
    super('something is to be done before the transaction');
    this.first = first;
  }
}

/** A row as pg gives it: json columns parsed, bigint columns as numbers. */
export type Row = Record<string, unknown>;

export interface DatabaseOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
}

/** A database that is away is waited for so long: a restart, a fail-over. Then the caller hears UNAVAILABLE. */
const PATIENCE_MS = 6000;
/** Transactions in each other's way (deadlock, the same claim twice): nearly always the second try goes well. */
const CONFLICTS = 20;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;

/** A pool of connections to one database. */
export class Database implements Queries {
  readonly servers: Servers;
  readonly #pool: pg.Pool;
  readonly #clock: Clock;
  readonly #logger: Logger | undefined;
  readonly #closing = new AbortController();
  #failure: FlatrenderError | null = null;
  /** Connections of the pool that somebody works with at this moment. */
  #inUse = 0;

  /** CONFIG_INVALID for an address that is none. */
  constructor({ url, clock, logger }: DatabaseOptions) {
    this.servers = new Servers(url);
    this.#clock = clock;
    this.#logger = logger;
    this.#pool = this.servers.createPool();
    // A connection that breaks while nobody uses it is replaced by the next query.
    this.#pool.on('error', () => undefined);
  }

  /** Hosts and database, for messages. */
  get place(): string {
    return this.servers.place;
  }

  /** Why nothing gets through at the moment; null: something did just now. */
  get failure(): FlatrenderError | null {
    return this.#failure;
  }

  /** Outside of a transaction: reads, and writes of one statement that may come twice. */
  rows(text: string, values?: readonly unknown[], name?: string): Promise<Row[]> {
    return this.#again(() => this.#on((client) => queriesOf(client).rows(text, values, name)));
  }

  /**
   * Runs `work` in a transaction and commits. Tried again when the database took it back by itself (deadlock, connection lost
   * before the commit was sent): `work` must do nothing but queries. UNAVAILABLE when the database is away, or when nobody
   * can know whether the commit arrived. It must not ask the pool for a second connection: when all are held by transactions
   * that do so, none gets on. See {@link NeedsFirst}.
   */
  async transaction<T>(work: (queries: Transaction) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await this.#again(() => this.#on((client) => once(client, work)));
      } catch (error) {
        if (!(error instanceof NeedsFirst)) throw error;
        await error.first(this);
      }
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#pool.end();
  }

  /**
   * Runs `work` on a connection of the pool; one that broke, whose server only reads, or whose statements became stale is
   * thrown away.
   */
  async #on<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const { current } = this.servers;
    let client: pg.PoolClient | undefined;
    let isBroken = false;
    const onError = (): void => {
      isBroken = true;
    };
    try {
      client = await this.#connection();
      this.#inUse += 1;
      client.on('error', onError);
      return await work(client);
    } catch (error) {
      if (error instanceof CommitUnknown || isAway(error)) {
        isBroken = true;
        this.servers.failed(current);
      }
      if (isStale(error)) isBroken = true;
      throw error;
    } finally {
      client?.off('error', onError);
      if (client) this.#inUse -= 1;
      client?.release(isBroken);
    }
  }

  async #connection(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      // With no connection in use the pool is full of those that are still being made: the server does not answer.
      const isBusy = isPoolTimeout(error) && this.#inUse > 0;
      throw isBusy ? new PoolBusy(this.servers.address.poolSize, error) : error;
    }
  }

  async #again<T>(work: () => Promise<T>): Promise<T> {
    const until = performance.now() + PATIENCE_MS;
    let pause = FIRST_PAUSE_MS;
    for (let tries = 1; ; tries += 1) {
      try {
        const result = await work();
        this.#reached();
        return result;
      } catch (error) {
        if (error instanceof NeedsFirst) throw error;
        const failure = toStoreError(error, this.place);
        const isGone = error instanceof CommitUnknown || isAway(error);
        if (isGone) this.#gone(failure);
        const isTimed = isGone || error instanceof PoolBusy;
        // Each connection of the pool may be one with stale statements.
        const enough = isStale(error) ? CONFLICTS + this.servers.address.poolSize : CONFLICTS;
        const isOver = isTimed ? performance.now() + pause > until : tries >= enough;
        if (isOver || !isUncommitted(error) || this.#closing.signal.aborted) throw failure;
        await sleep(pause * (0.5 + Math.random() / 2), this.#clock);
        pause = isGone ? Math.min(pause * 2, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS;
      }
    }
  }

  #reached(): void {
    if (this.#failure === null) return;
    this.#failure = null;
    this.#logger?.info('database.back', { database: this.place });
  }

  #gone(failure: FlatrenderError): void {
    if (this.#failure === null) {
      this.#logger?.warn('database.away', { database: this.place, reason: failure.message });
    }
    this.#failure = failure;
  }
}

async function once<T>(client: pg.PoolClient, work: (queries: Transaction) => Promise<T>): Promise<T> {
  const sent: Promise<unknown>[] = [];
  const later = (answer: Promise<unknown>): void => {
    // Looked at in the end; until then nobody has to wait for it.
    answer.catch(() => undefined);
    sent.push(answer);
  };
  const queries = queriesOf(client);
  try {
    later(client.query('begin'));
    const result = await work({ ...queries, send: (...statement) => later(queries.rows(...statement)) });
    await commit(client);
    return result;
  } catch (error) {
    // The first failure is the reason of those behind it; but without an answer to the commit nobody knows.
    const [first] = (await Promise.allSettled(sent)).filter(({ status }) => status === 'rejected');
    const reason = first?.status === 'rejected' && !(error instanceof CommitUnknown) ? first.reason : error;
    // A connection that is gone needs none; one that cannot even do that is thrown away by the next statement.
    const isGone = reason instanceof CommitUnknown || isAway(reason);
    if (!isGone) await client.query('rollback').catch(() => undefined);
    throw reason;
  }
}

function queriesOf(client: pg.PoolClient): Queries {
  return {
    async rows(text, values = [], name) {
      const { rows } = await client.query({ text, values: values.map(storable), ...(name ? { name } : {}) });
      return rows as Row[];
    },
  };
}

/** PostgreSQL's text has no NUL: engines print them, and clients send them. */
function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.includes('\0') ? value.replaceAll('\0', '\uFFFD') : value;
  return Array.isArray(value) ? value.map(storable) : value;
}

async function commit(client: pg.PoolClient): Promise<void> {
  let command: string;
  try {
    ({ command } = await client.query('commit'));
  } catch (error) {
    // The server's own refusal is a clear no, but not its farewell; without an answer nobody knows.
    const isRefused = error instanceof pg.DatabaseError && !/^(08|57P)/.test(error.code ?? '');
    throw isRefused ? error : new CommitUnknown(error);
  }
  // How the server answers when a statement of the transaction failed and nobody looked.
  if (command === 'ROLLBACK') throw new Error('a failed transaction was committed');
}
