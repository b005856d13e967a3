/** Connections, transactions and errors of the PostgreSQL store. */
import pg from 'pg';
import { type Clock, sleep } from '../../lib/clock.ts';
import { CommitUnknown, isUncommitted, toStoreError } from './database-error.ts';

/** One connection, inside a transaction or outside. */
export interface Queries {
  /** Rows of one statement. With a name it is prepared once per connection. */
  rows(text: string, values?: readonly unknown[], name?: string): Promise<Row[]>;
}

/** A row as pg gives it: json columns parsed, bigint columns as numbers. */
export type Row = Record<string, unknown>;

export interface DatabaseOptions {
  readonly url: string;
  readonly clock: Clock;
}

// Everything in a farm's database counts from zero, or in milliseconds: far below 2^53.
const INT8 = 20;
const CONNECTIONS = 10;
const TRIES = 8;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;

/** A pool of connections to one database. */
export class Database implements Queries {
  readonly pool: pg.Pool;
  readonly place: string;
  readonly #clock: Clock;
  readonly #closing = new AbortController();

  constructor({ url, clock }: DatabaseOptions) {
    this.place = placeOf(url);
    this.#clock = clock;
    this.pool = new pg.Pool({ ...connectionOf(url), max: CONNECTIONS });
    // A connection that breaks while nobody uses it is replaced by the next query.
    this.pool.on('error', () => undefined);
  }

  /** Outside of a transaction: reads, and writes of one statement. */
  rows(text: string, values?: readonly unknown[], name?: string): Promise<Row[]> {
    return this.#again(async () => queriesOf(this.pool).rows(text, values, name));
  }

  /**
   * Runs `work` in a transaction and commits. Tried again when the database took it back by itself (deadlock, connection lost
   * before the commit was sent): `work` must do nothing but queries. UNAVAILABLE when the database is away, or when nobody
   * can know whether the commit arrived.
   */
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    return this.#again(() => this.#once(work));
  }

  /** One connection for as long as `work` takes: for what is no single transaction. */
  session<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    return this.#again(async () => {
      const client = await this.pool.connect();
      try {
        return await work(client);
      } finally {
        client.release();
      }
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.pool.end();
  }

  async #once<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    const onError = (error: Error): void => {
      broken = error;
    };
    client.on('error', onError);
    try {
      await client.query('begin');
      const result = await work(queriesOf(client));
      await commit(client);
      return result;
    } catch (error) {
      // Commits nothing; a connection that cannot even do that is thrown away.
      await client.query('rollback').catch((failure: Error) => {
        broken = failure;
      });
      throw error;
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }

  async #again<T>(work: () => Promise<T>): Promise<T> {
    let pause = FIRST_PAUSE_MS;
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        if (tries >= TRIES || !isUncommitted(error) || this.#closing.signal.aborted) {
          throw toStoreError(error, this.place);
        }
        await sleep(pause * (0.5 + Math.random() / 2), this.#clock, this.#closing.signal);
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      }
    }
  }
}

function queriesOf(target: pg.Pool | pg.PoolClient): Queries {
  return {
    async rows(text, values = [], name) {
      const { rows } = await target.query({ text, values: [...values], ...(name ? { name } : {}) });
      return rows as Row[];
    },
  };
}

async function commit(client: pg.PoolClient): Promise<void> {
  try {
    await client.query('commit');
  } catch (error) {
    // The server's own refusal is a clear no; without an answer nobody knows.
    throw error instanceof pg.DatabaseError ? error : new CommitUnknown(error);
  }
}

/** The address without its password, for messages. */
function placeOf(url: string): string {
  if (!URL.canParse(url)) return 'postgres://?';
  const { host, pathname } = new URL(url);
  return `postgres://${host}${pathname}`;
}

function connectionOf(url: string): pg.PoolConfig {
  return {
    connectionString: url,
    application_name: 'flatrender',
    connectionTimeoutMillis: 5000,
    keepAlive: true,
    types: {
      getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
        oid === INT8
          ? Number
          : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
    },
  };
}
