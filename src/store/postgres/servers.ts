/** Connections to the one server of an address that can be written to. */
import pg from 'pg';
import { FlatrenderError } from '../../lib/errors.ts';
import { type DatabaseAddress, parseAddress, placeOf } from './address.ts';
import { connectFailure } from './connect-error.ts';

/** The oldest PostgreSQL that the statements work with, and that its makers still looked after when they were written. */
const OLDEST_MAJOR = 13;

/** Everything counts from zero, or in milliseconds: far below 2^53. */
const INT8 = 20;

/** No statement of ours takes so long; a connection whose other end vanished without a word does. */
const STATEMENT_MS = 30_000;

/**
 * - A control plane that stands still in the middle of a transaction (a paused machine) must not keep its locks.
 * - Nothing that was acknowledged may be lost, whatever the server's default is; stronger settings stay.
 * - The server finds out within half a minute that a control plane was cut off.
 * - Every statement finds its rows by an index, one by one. While a farm is new, reading the small tables whole looks cheaper to
 *   the server, and that plan would stay for a connection when the first hundred thousand jobs come in a minute.
 */
const SESSION = `
  set statement_timeout = ${STATEMENT_MS};
  set lock_timeout = '10s';
  set idle_in_transaction_session_timeout = '10s';
  set tcp_keepalives_idle = 10;
  set tcp_keepalives_interval = 5;
  set tcp_keepalives_count = 3;
  set jit = off;
  set enable_seqscan = off;
  set enable_hashjoin = off;
  set enable_mergejoin = off;
  select set_config('synchronous_commit', 'on', false)
    where current_setting('synchronous_commit') not in ('on', 'remote_apply');
  select current_setting('server_version_num')::int / 10000 as major,
    current_setting('server_version') as version,
    pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on' as is_read_only`;

/** The server only reads: a standby, or a primary that was told to. Counts as not reachable. */
class ReadOnlyServer extends Error {
  readonly code = '25006';
}

export class Servers {
  readonly address: DatabaseAddress;
  /** Which host is next; stays with one that works. */
  #next = 0;

  /** CONFIG_INVALID. */
  constructor(url: string) {
    this.address = parseAddress(url);
  }

  /** Hosts and database, for messages. */
  get place(): string {
    return this.address.place;
  }

  /** A pool whose connections go to the server that writes. */
  createPool(): pg.Pool {
    const { poolSize: max, connectMs } = this.address;
    // Statements of a transaction go out one behind the other, without waiting for the answer in between.
    const options = (): pg.ClientConfig & { pipeline: true } => ({ ...this.#options(), pipeline: true });
    class FarmClient extends pg.Client {
      constructor() {
        super(options());
        // Between its connection and its first use (`verify`) nobody else listens, and an error that nobody hears ends the
        // program (pg-pool 3.14, _acquireClient); the statements of a connection that breaks fail anyway.
        this.on('error', () => undefined);
      }
    }
    return new pg.Pool({
      Client: FarmClient,
      max,
      connectionTimeoutMillis: connectMs + 1000,
      idleTimeoutMillis: 60_000,
      verify: (client, done) => {
        this.#prepare(client).then(
          () => done(),
          (error: Error) => done(error),
        );
      },
    });
  }

  /** Number of the host that the next connection goes to. */
  get current(): number {
    return this.#next;
  }

  /** The host with this number is gone, or only reads: the next connection tries another. However many say so at once. */
  failed(host: number): void {
    if (host === this.#next) this.#next = (host + 1) % this.address.hosts.length;
  }

  /**
   * A connection of its own, which the caller ends: to the first host that takes it. The error says what is wrong with the
   * last one, in words: UNAVAILABLE, or CONFIG_INVALID when somebody has to do something. `unlimited`: for statements that
   * may take long.
   */
  async connect({ unlimited = false }: { readonly unlimited?: boolean } = {}): Promise<pg.Client> {
    const { hosts } = this.address;
    for (let tries = 1; ; tries += 1) {
      const client = new pg.Client({ ...this.#options(), ...(unlimited ? { query_timeout: 0 } : {}) });
      // A connection that breaks in use is an uncaught error otherwise; its statements fail anyway.
      client.on('error', () => undefined);
      const { current } = this;
      const host = hosts[current];
      try {
        await client.connect();
        await this.#prepare(client);
        if (unlimited) await client.query('set statement_timeout = 0; set lock_timeout = 0');
        return client;
      } catch (error) {
        // Not waited for: a server that does not answer does not answer this either.
        client.end().catch(() => undefined);
        this.failed(current);
        if (tries >= hosts.length) throw connectFailure(error, this.address, host ? placeOf(host) : '');
      }
    }
  }

  #options(): pg.ClientConfig {
    const { hosts, user, password, database, ssl, connectMs } = this.address;
    const { host, port } = hosts[this.#next] ?? { host: 'localhost', port: 5432 };
    return {
      ...{ host, port, user, database, ssl },
      ...(password === null ? {} : { password }),
      application_name: 'flatrender',
      connectionTimeoutMillis: connectMs,
      query_timeout: STATEMENT_MS + 5000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      types: {
        getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
          oid === INT8
            ? Number
            : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
      },
    };
  }

  /** Settings of a new connection, and whether the server is one for us. */
  async #prepare(client: pg.ClientBase): Promise<void> {
    const results = (await client.query(SESSION)) as unknown as readonly pg.QueryResult[];
    const facts = results.at(-1)?.rows[0] ?? {};
    if (Number(facts.major) < OLDEST_MAJOR) {
      throw new FlatrenderError(
        'CONFIG_INVALID',
        `the database ${this.place} is PostgreSQL ${facts.version}; flatrender needs ${OLDEST_MAJOR} or newer`,
        { hint: 'update the server (pg_upgrade keeps the data), or use another one' },
      );
    }
    if (facts.is_read_only === true) throw new ReadOnlyServer('the server only reads (a standby?)');
  }
}
