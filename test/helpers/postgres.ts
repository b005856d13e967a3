/**
 * A private PostgreSQL cluster for tests: an own directory, own server processes of an unprivileged user (the server refuses
 * root), a unix socket and a free loopback port. It goes away with the test process, however that ends.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './free-port.ts';

interface PostgresOptions {
  /** Everything on the disk before it is acknowledged, as in production. Default: only fast. */
  readonly durable?: boolean;
  /** Lines of postgresql.conf. */
  readonly settings?: readonly string[];
  /** PEM; the server then takes encrypted connections, too. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** A copy of that one which follows it (streaming replication) and only reads, until {@link Postgres.promote}. */
  readonly standbyOf?: Postgres;
}

interface DatabaseOptions {
  /** A database of this cluster that nobody is connected to, to be copied. Default: an empty one. */
  readonly template?: string;
}

export interface TestDatabase {
  readonly name: string;
  /** `postgres://…` by the loopback port, as a superuser with a password. */
  readonly url: string;
}

export interface Postgres extends AsyncDisposable {
  readonly port: number;
  /** For connections by the unix socket: `postgres://user@/db?host=…`. */
  readonly socketDirectory: string;
  /** Of the newest postmaster. */
  readonly pid: number;
  readonly user: string;
  readonly password: string;
  /** The address of a database of the cluster. */
  url(database: string, changes?: { readonly user?: string; readonly password?: string }): string;
  /** An empty database of its own, or a copy. */
  createDatabase(options?: DatabaseOptions): Promise<TestDatabase>;
  /** Runs SQL as the superuser; several statements only without values. */
  query(sql: string, database?: string): Promise<readonly Record<string, unknown>[]>;
  /** Puts a line before all others in pg_hba.conf; holds for new connections. */
  allowOnly(line: string): Promise<void>;
  /** What the server wrote to its log. */
  log(): string;
  /** Orderly (connections are ended) and up again. */
  restart(): Promise<void>;
  /** SIGKILL of the postmaster; its server processes end by themselves. Start it again with `start`: crash recovery. */
  kill(): Promise<void>;
  /** After `kill` or `stop`; resolves when it accepts connections. */
  start(): Promise<void>;
  /** Ends it at once, orderly; nothing is removed. */
  stop(): Promise<void>;
  /** A standby writes from now on. */
  promote(): Promise<void>;
}

/** Where the server's programs are; null: not installed. */
function findPrograms(): string | null {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  // On PATH last: there may be links to some of the programs.
  const places = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter).filter((path) => path !== ''),
  ];
  return (
    places.find((place) =>
      ['initdb', 'pg_ctl', 'postgres', 'pg_basebackup'].every((name) => existsSync(join(place, name))),
    ) ?? null
  );
}

const programs = process.platform === 'win32' ? null : findPrograms();

/** Why tests with PostgreSQL are skipped on this machine; false: they run. */
export const noPostgres: string | false =
  programs === null
    ? 'no PostgreSQL server here (Debian: apt-get install postgresql; test/provision.sh does it)'
    : false;

/** Makes and starts a cluster (1 to 3 s). One for each test file is enough: see `createDatabase`. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  if (programs === null) throw new Error(String(noPostgres));
  const as = unprivileged();
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-pg-'));
  chmodSync(directory, 0o700);
  if (as) chownSync(directory, as.uid, as.gid);
  const guard = guardOf(directory, as);
  const password = options.standbyOf?.password ?? randomBytes(9).toString('hex');
  const cluster = new Cluster(programs, directory, as, guard, password);
  try {
    await cluster.create(options);
    await cluster.start();
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Whom to run the server as when this is root. */
function unprivileged(): Account | null {
  if (process.getuid?.() !== 0) return null;
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { stdio: 'pipe' }).toString());
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // The next one.
    }
  }
  throw new Error('neither a user postgres nor a user nobody on this machine');
}

/**
 * A shell that waits for the end of its input, which comes when this process ends, also by SIGKILL; then it ends the server
 * and removes the directory.
 */
function guardOf(directory: string, as: Account | null): ChildProcess {
  const script = `
    trap '' INT TERM HUP
    cat >/dev/null
    pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
    if [ -n "$pid" ]; then
      kill -QUIT "$pid" 2>/dev/null
      for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
      kill -KILL "$pid" 2>/dev/null
    fi
    rm -rf "$1" || { sleep 1; rm -rf "$1"; }`;
  const guard = spawn('/bin/sh', ['-c', script, 'guard', directory], {
    ...as,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.unref();
  return guard;
}

class Cluster implements Postgres {
  readonly user = 'farmer';
  readonly password: string;
  port = 0;
  readonly #programs: string;
  readonly #directory: string;
  readonly #data: string;
  readonly #as: Account | null;
  readonly #guard: ChildProcess;
  #databases = 0;

  constructor(
    programs: string,
    directory: string,
    as: Account | null,
    guard: ChildProcess,
    password: string,
  ) {
    this.password = password;
    this.#programs = programs;
    this.#directory = directory;
    this.#data = join(directory, 'data');
    this.#as = as;
    this.#guard = guard;
  }

  get socketDirectory(): string {
    return this.#directory;
  }

  get pid(): number {
    return Number.parseInt(readFileSync(join(this.#data, 'postmaster.pid'), 'utf8'), 10);
  }

  async create({ durable = false, settings = [], tls, standbyOf }: PostgresOptions): Promise<void> {
    if (standbyOf) await this.#copy(standbyOf);
    else await this.#init();
    for (const [name, text] of tls
      ? [['server.crt', tls.cert] as const, ['server.key', tls.key] as const]
      : []) {
      const file = join(this.#data, name);
      writeFileSync(file, text, { mode: 0o600 });
      if (this.#as) chownSync(file, this.#as.uid, this.#as.gid);
    }
    // A killed process loses nothing without these either; only a machine that crashes does.
    const fast = ['fsync = off', 'full_page_writes = off'];
    appendFileSync(
      join(this.#data, 'postgresql.conf'),
      [
        "listen_addresses = '127.0.0.1'",
        `unix_socket_directories = '${this.#directory}'`,
        'max_connections = 200',
        'shared_buffers = 64MB',
        'max_wal_size = 1GB',
        // Nothing but the test's own work.
        'autovacuum_naptime = 10s',
        ...(durable ? [] : fast),
        ...(tls ? ['ssl = on'] : []),
        ...settings,
        '',
      ].join('\n'),
    );
  }

  async #init(): Promise<void> {
    const passwordFile = join(this.#directory, 'password');
    appendFileSync(passwordFile, this.password);
    if (this.#as) chownSync(passwordFile, this.#as.uid, this.#as.gid);
    await this.#run('initdb', [
      ...['--pgdata', this.#data, '--username', this.user, '--pwfile', passwordFile],
      ...['--auth-local=trust', '--auth-host=scram-sha-256', '--encoding=UTF8', '--locale=C'],
      ...['--no-sync', '--no-instructions'],
    ]);
  }

  async #copy({ socketDirectory, port }: Postgres): Promise<void> {
    await this.#run('pg_basebackup', [
      ...['--pgdata', this.#data, '--host', socketDirectory, '--port', String(port), '--username', this.user],
      ...['--write-recovery-conf', '--wal-method=stream', '--checkpoint=fast', '--no-sync'],
    ]);
  }

  async promote(): Promise<void> {
    await this.query('select pg_promote()');
  }

  url(database: string, { user = this.user, password = this.password } = {}): string {
    return `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${this.port}/${database}`;
  }

  async createDatabase({ template }: DatabaseOptions = {}): Promise<TestDatabase> {
    this.#databases += 1;
    const name = `farm_${this.#databases}`;
    await this.query(`create database ${name} template ${template ?? 'template0'}`);
    return { name, url: this.url(name) };
  }

  async query(sql: string, database = 'postgres'): Promise<readonly Record<string, unknown>[]> {
    const client = new pg.Client({ host: this.#directory, port: this.port, user: this.user, database });
    // A server that is killed meanwhile fails the query, and is nothing else to tell.
    client.on('error', () => undefined);
    await client.connect();
    try {
      const results: unknown = await client.query(sql);
      const last = (Array.isArray(results) ? results.at(-1) : results) as pg.QueryResult;
      return last.rows;
    } finally {
      await client.end();
    }
  }

  async allowOnly(line: string): Promise<void> {
    const file = join(this.#data, 'pg_hba.conf');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, `local all all trust\n${line}\n${before}`);
    const seen = this.log().length;
    await this.query('select pg_reload_conf()');
    // The postmaster reads it when it gets the signal, and says so in its log.
    while (!this.log().slice(seen).includes('reloading configuration files')) await setTimeout(10);
  }

  log(): string {
    const file = join(this.#directory, 'log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async start(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      if (this.port === 0) this.port = await freePort();
      try {
        const flags = `-p ${this.port}`;
        await this.#run('pg_ctl', [
          ...['start', '--silent', '--wait', '--timeout=60', '--pgdata', this.#data],
          ...['--log', join(this.#directory, 'log'), '--options', flags],
        ]);
        return;
      } catch (error) {
        // Server processes of a killed postmaster need a moment to notice and go; the port may have been taken meanwhile.
        if (tries >= 40) throw new Error(`${String(error)}\n${this.log().slice(-2000)}`);
        if (tries === 1 && this.#databases === 0) this.port = 0;
        await setTimeout(100);
      }
    }
  }

  async kill(): Promise<void> {
    const { pid } = this;
    process.kill(pid, 'SIGKILL');
    while (isThere(pid)) await setTimeout(5);
  }

  async stop(): Promise<void> {
    if (!existsSync(join(this.#data, 'postmaster.pid'))) return;
    await this.#run('pg_ctl', ['stop', '--silent', '--wait', '--mode=fast', '--pgdata', this.#data]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#guard.exitCode !== null) return;
    const gone = once(this.#guard, 'exit');
    this.#guard.ref();
    this.#guard.stdin?.end();
    await gone;
  }

  async #run(name: string, args: readonly string[]): Promise<void> {
    const child = spawn(join(this.#programs, name), args, {
      ...this.#as,
      cwd: '/',
      env: { PATH: process.env.PATH, LANG: 'C', LC_ALL: 'C', TZ: 'UTC' },
      // A file, not a pipe: the server would keep a pipe open.
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr.on('data', (chunk) => {
      text += String(chunk);
    });
    const [code] = await once(child, 'exit');
    child.stderr.destroy();
    if (code !== 0) throw new Error(`${name} ended with ${code}: ${text.trim()}`);
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // Ended, and nobody asked for its exit code yet.
    const stat = `/proc/${pid}/stat`;
    return !(existsSync(stat) && readFileSync(stat, 'utf8').includes(') Z '));
  } catch {
    return false;
  }
}
