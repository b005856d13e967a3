/** What an operator reads when the database cannot be used, and which of several servers is taken. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { parseAddress } from '../../src/store/postgres/address.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { localCertificate } from '../helpers/certificate.ts';
import { ListenerLog } from '../helpers/listener-log.ts';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';

/** Opening this fails; everything that a person could see of it. */
async function failure(url: string): Promise<{ code: string; text: string }> {
  try {
    const store = await openPostgresStore({ url });
    await store.close();
  } catch (error) {
    assert.ok(error instanceof FlatrenderError, String(error));
    return { code: error.code, text: `${error.message} · ${error.hint}` };
  }
  return assert.fail('it opened');
}

test('an address is read with all its parts', () => {
  const { ssl, ...read } = parseAddress(
    'postgresql://me%40x:p%40ss:w@db1,db2:5433,[::1]:5434/farm?sslmode=require&pool=4&connect_timeout=9',
  );
  assert.deepEqual(read, {
    hosts: [
      { host: 'db1', port: 5432 },
      { host: 'db2', port: 5433 },
      { host: '::1', port: 5434 },
    ],
    ...{ user: 'me@x', password: 'p@ss:w', database: 'farm', poolSize: 4, connectMs: 9000 },
    place: 'db1,db2:5433,[::1]:5434/farm',
  });
  assert.deepEqual(ssl, { rejectUnauthorized: false });
  const socket = parseAddress('postgres://me@/farm?host=/var/run/postgresql');
  assert.deepEqual(socket.hosts, [{ host: '/var/run/postgresql', port: 5432 }]);
  assert.equal(socket.password, null);
  assert.equal(parseAddress('postgres://me@db').database, 'me');
});

test('a wrong address is refused with the place, the next step, and without the password', () => {
  for (const [url, message] of [
    ['postgres://me:geheim@db:99999/x', /a port of it is none/],
    ['postgres://me:geheim@db/x?sslmode=prefer', /sslmode prefer/],
    ['postgres://me:geheim@db/x?colour=red', /no parameter colour/],
    ['postgres://me:geheim@db/x?target_session_attrs=standby', /target_session_attrs standby/],
    ['postgres://me:geheim@db/x?pool=1', /pool 1/],
    ['postgres://me:geheim/@db/x', /not postgres:/],
    ['postgres://me:geheim', /a host of it is none/],
    ['postgres://me:geheim%@db/x', /% in it/],
    ['postgres://me:geheim@db/x?passwordFile=/nowhere/file', /passwordFile .nowhere.file cannot be read/],
    ['mysql://me:geheim@db/x', /not postgres:/],
  ] as const) {
    assert.throws(
      () => parseAddress(url),
      (error) => {
        assert.ok(error instanceof FlatrenderError && error.code === 'CONFIG_INVALID');
        assert.match(error.message, message);
        assert.ok(error.hint);
        assert.doesNotMatch(`${error.message} ${error.hint}`, /geheim/);
        return true;
      },
    );
  }
});

suite('PostgreSQL servers', { skip: noPostgres, concurrency: 1 }, () => {
  let cluster: Postgres;
  let directory: string;
  before(async () => {
    cluster = await startPostgres();
    directory = await mkdtemp(join(tmpdir(), 'flatrender-address-'));
    await cluster.query("create role guest login password 'guest'");
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    if (directory) await rm(directory, { recursive: true });
  });

  test('each way in which a database cannot be used has its own words and next step', async (t) => {
    const { url, name } = await cluster.createDatabase();
    const at = `127.0.0.1:${cluster.port}`;
    const guest = { user: 'guest', password: 'guest' };
    // Since PostgreSQL 15 only the owner of a database may make tables in it; before, everybody.
    await cluster.query('revoke create on schema public from public', name);
    const cases: readonly [string, string, string, RegExp][] = [
      ['nothing listens', url.replace(at, '127.0.0.1:1'), 'UNAVAILABLE', /nothing answers.*listen_addresses/],
      [
        'unknown host',
        url.replace(at, 'no-such-host.invalid'),
        'UNAVAILABLE',
        /name .* not known .*getent hosts/,
      ],
      [
        'wrong password',
        cluster.url(name, { password: 'geheim' }),
        'CONFIG_INVALID',
        /refuses the password of farmer .*psql/,
      ],
      [
        'no password',
        url.replace(/:[^:@]*@/, '@'),
        'CONFIG_INVALID',
        /wants a password of farmer, and none was given .*passwordFile=.*FLATRENDER_STORE.*PGPASSWORD/,
      ],
      [
        'missing database',
        cluster.url('nowhere'),
        'CONFIG_INVALID',
        /no database nowhere .*createdb --owner farmer --template template0 --encoding UTF8 nowhere/,
      ],
      [
        'missing rights',
        cluster.url(name, guest),
        'CONFIG_INVALID',
        /guest may not make tables .*alter database/,
      ],
      ['no TLS there', `${url}?sslmode=require`, 'CONFIG_INVALID', /does not offer encrypted/],
      ['no such socket', `postgres://x@/x?host=${directory}`, 'UNAVAILABLE', /nothing answers/],
    ];
    for (const [what, address, code, words] of cases) {
      const { code: found, text } = await failure(address);
      t.diagnostic(`${what}: ${found} ${text}`);
      assert.equal(found, code, what);
      assert.match(text, words, what);
      for (const secret of [cluster.password, 'geheim']) assert.ok(!text.includes(secret), what);
    }
    await cluster.allowOnly('hostssl all all 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 reject');
    const refused = await failure(url);
    assert.equal(refused.code, 'CONFIG_INVALID');
    t.diagnostic(`not let in: ${refused.text}`);
    await cluster.allowOnly('host all all 127.0.0.1/32 scram-sha-256');
  });

  test('the password may stand in a file of its own, and the way may be a unix socket', async () => {
    const { name, url } = await cluster.createDatabase();
    const file = join(directory, 'password');
    writeFileSync(file, `${cluster.password}\n`);
    const byFile = await openPostgresStore({
      url: `${url.replace(/:[^:@]*@/, '@')}?passwordFile=${encodeURIComponent(file)}`,
    });
    await byFile.close();
    const place = encodeURIComponent(cluster.socketDirectory);
    const bySocket = await openPostgresStore({
      url: `postgres://${cluster.user}@/${name}?host=${place}&port=${cluster.port}`,
    });
    assert.deepEqual(await bySocket.listNodes(), []);
    await bySocket.close();
    assert.equal(readFileSync(file, 'utf8').trim(), cluster.password);
  });

  test('a line may be encrypted, with or without looking at the certificate', async () => {
    const certificate = localCertificate();
    await using secured = await startPostgres({ tls: certificate });
    await secured.allowOnly('hostssl all all 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 reject');
    const { url, name } = await secured.createDatabase();
    const file = (text: string, label: string): string => {
      const path = join(directory, `${label}.pem`);
      writeFileSync(path, text);
      return encodeURIComponent(path);
    };
    const plain = await failure(url);
    assert.match(plain.text, /only takes encrypted connections.*sslmode=require/);
    const own = file(certificate.cert, 'own');
    for (const query of ['sslmode=require', `sslrootcert=${own}`, `sslmode=verify-ca&sslrootcert=${own}`]) {
      const store = await openPostgresStore({ url: `${url}?${query}` });
      const rows = await secured.query(
        "select bool_and(ssl) as all_ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'flatrender'",
        name,
      );
      assert.equal(rows[0]?.all_ssl, true, query);
      await store.close();
    }
    const foreign = file(localCertificate().cert, 'foreign');
    for (const query of ['sslmode=verify-full', `sslrootcert=${foreign}`]) {
      const refused = await failure(`${url}?${query}`);
      assert.equal(refused.code, 'CONFIG_INVALID', refused.text);
      assert.match(refused.text, /certificate of the database .* is not accepted.*sslrootcert=/, query);
    }
  });

  test('of several servers the one that writes is taken, and the other one after a fail-over', async () => {
    await using other = await startPostgres();
    const { name } = await cluster.createDatabase();
    await other.query(`create database ${name}`);
    const readOnly = (postgres: Postgres, isReadOnly: boolean): Promise<unknown> =>
      postgres
        .query(`alter database ${name} set default_transaction_read_only = ${isReadOnly}`)
        .then(() =>
          postgres.query(
            `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}' and pid <> pg_backend_pid()`,
          ),
        );
    await readOnly(cluster, true);
    // One password for both, as after a replication.
    await other.query(`alter role ${other.user} password '${cluster.password}'`);
    const login = `${cluster.user}:${cluster.password}`;
    const url = `postgres://${login}@127.0.0.1:${cluster.port},127.0.0.1:${other.port}/${name}`;
    const only = await failure(cluster.url(name));
    assert.equal(only.code, 'UNAVAILABLE');
    assert.match(only.text, /can only be read.*pg_promote/);

    const store = await openPostgresStore({ url });
    const log = new ListenerLog(store);
    await store.createNode({ id: 'a', name: 'a' }, 1);
    assert.equal((await other.query('select count(*)::int as n from nodes', name))[0]?.n, 1);
    // The second one becomes a standby and the first one writes; here it has its own data, so only that it answers counts.
    const first = await (async () => {
      await readOnly(cluster, false);
      const prepared = await openPostgresStore({ url: cluster.url(name) });
      await prepared.createNode({ id: 'b', name: 'b' }, 1);
      await prepared.close();
      await readOnly(other, true);
      return await store.listNodes();
    })();
    assert.deepEqual(
      first.map(({ id }) => id),
      ['b'],
    );
    await store.setIntent('b', 'draining');
    await log.gap(/connection to the database was lost/);
    await log.leads();
    await store.close();
  });
});
