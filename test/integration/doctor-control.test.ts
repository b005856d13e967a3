/** What doctor says on the machine of a control plane. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { checkFarmDatabase } from '../../src/cli/doctor/database-check.ts';
import { ControlConfigSchema } from '../../src/config/control-schema.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { runCli, runCliJson } from '../helpers/cli.ts';
import { freePort } from '../helpers/free-port.ts';
import { noPostgres, startPostgres } from '../helpers/postgres.ts';

interface Result {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly fix?: string;
}

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'flatrender-doctor-'));
});
after(() => rm(dir, { recursive: true, force: true }));

async function farmHome(name: string): Promise<{ home: string; port: number }> {
  const home = join(dir, name);
  await mkdir(home);
  const port = await freePort();
  const { exitCode, stderr } = await runCli(['control', 'init', '--port', String(port)], { home });
  assert.equal(exitCode, 0, stderr);
  return { home, port };
}

async function findings(home: string): Promise<(name: string) => Result | undefined> {
  const { json } = await runCliJson<{ checks: Result[] }>(['doctor'], { home });
  return (name) => json.checks.find((check) => check.name === name);
}

test('a database of a newer version is told as control run tells it', async () => {
  const { home } = await farmHome('newer');
  assert.equal((await findings(home))('database')?.status, 'ok');
  using db = new DatabaseSync(join(home, '.flatrender', 'flatrender.db'));
  db.exec('pragma user_version = 999');
  db.close();
  const refused = await runCliJson<{ error: { message: string; hint: string } }>(['control', 'run'], {
    home,
  });
  const database = (await findings(home))('database');
  assert.equal(database?.status, 'failed');
  assert.ok(database?.message.startsWith(refused.json.error.message), refused.json.error.message);
  assert.equal(database?.fix, refused.json.error.hint);
});

test('the same in PostgreSQL; what works with this version is well', { skip: noPostgres }, async () => {
  await using cluster = await startPostgres();
  const { url, name } = await cluster.createDatabase();
  const config = ControlConfigSchema.parse({ store: url });
  assert.match((await checkFarmDatabase(config, dir)).message, /but there is no farm in it/);
  await (await openPostgresStore({ url })).close();
  assert.equal((await checkFarmDatabase(config, dir)).status, 'ok');
  await cluster.query('insert into flatrender_schema (version, works_with) values (999, 1)', name);
  assert.equal((await checkFarmDatabase(config, dir)).status, 'ok');
  await cluster.query('update flatrender_schema set works_with = 999 where version = 999', name);
  const refused = await openPostgresStore({ url }).catch((error: Error) => error);
  assert.ok(refused instanceof Error);
  const { status, message } = await checkFarmDatabase(config, dir);
  assert.equal(status, 'failed');
  assert.ok(message.startsWith(refused.message), `${message}\n${refused.message}`);
});

test('a control plane whose database is away is told as such, not as another program', async () => {
  const { home, port } = await farmHome('away');
  const error = {
    code: 'UNAVAILABLE',
    message: 'cannot reach PostgreSQL at db:5432',
    hint: 'is it running?',
    details: { part: 'database' },
  };
  const server = createServer((_, response) => {
    response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '1' });
    response.end(JSON.stringify({ error }));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  try {
    const gateway = (await findings(home))('gateway');
    assert.equal(gateway?.status, 'failed');
    assert.match(gateway?.message ?? '', /runs at .*, but its database fails: cannot reach PostgreSQL/);
    assert.equal(gateway?.fix, 'is it running?');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
