/** Commands of a control plane whose farm is in PostgreSQL, as an operator types them. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { runCli, startCli } from '../helpers/cli.ts';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';

suite('a control plane on PostgreSQL', { skip: noPostgres, concurrency: 1 }, () => {
  let cluster: Postgres;
  let home: string;
  before(async () => {
    cluster = await startPostgres();
    home = await mkdtemp(join(tmpdir(), 'flatrender-pg-commands-'));
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    if (home) await rm(home, { recursive: true, force: true, maxRetries: 3 });
  });

  test('control init says what is wrong with the database and writes nothing; then it works, and again says "already"', async () => {
    const { url, name } = await cluster.createDatabase();
    const config = join(home, '.flatrender', 'flatrender.yaml');
    const init = (store: string): ReturnType<typeof runCli> =>
      runCli(['control', 'init', '--yes', '--port', '18124', '--store', store], { home });
    const wrong = await init(cluster.url(name, { password: 'geheim' }));
    assert.equal(wrong.exitCode, 2);
    assert.match(
      wrong.stderr,
      /^error: the database 127\.0\.0\.1:\d+\/farm_1 refuses the password of farmer\nhint: /,
    );
    const missing = await init(cluster.url('nowhere'));
    assert.match(
      missing.stderr,
      /hint: create it there: createdb --owner farmer --template template0 --encoding UTF8 nowhere/,
    );
    assert.equal(existsSync(config), false);

    const made = await init(url);
    assert.equal(made.exitCode, 0, made.stderr);
    assert.match(made.stderr, /created database postgres:\/\/farmer:…@127\.0\.0\.1:\d+\/farm_1/);
    const again = await init(url);
    assert.match(again.stderr, /already database postgres:/);
    for (const { stdout, stderr } of [wrong, missing, made, again]) {
      for (const secret of [cluster.password, 'geheim']) assert.ok(!`${stdout}${stderr}`.includes(secret));
    }
    assert.match(readFileSync(config, 'utf8'), /# Where jobs, nodes[\s\S]*store: postgres:\/\/farmer:/);
  });

  test('control run makes nothing in an empty database', async () => {
    const { url, name } = await cluster.createDatabase();
    const run = await runCli(['control', 'run'], { home, env: { FLATRENDER_STORE: url } });
    assert.equal(run.exitCode, 2, run.stderr);
    assert.match(
      run.stderr,
      /^error: there is no farm in postgres:\/\/127\.0\.0\.1:\d+\/farm_\d+\nhint: correct FLAT/m,
    );
    assert.ok(!run.stderr.includes(cluster.password));
    const tables = await cluster.query("select 1 from pg_tables where schemaname = 'public'", name);
    assert.equal(tables.length, 0);
  });

  test('control run goes on by itself when the database is away for a while; doctor and the log name it', async () => {
    await using control = await startCli(['control', 'run'], { home });
    await control.waitFor(/control\.started/);
    const healthy = await runCli(['doctor'], { home });
    assert.match(
      healthy.stdout + healthy.stderr,
      /PostgreSQL \d+\.\d+ at 127\.0\.0\.1:\d+\/farm_1 answers in .* ms; 1 control plane on it now/,
    );
    await cluster.stop();
    await control.waitFor(/replicas\.connection_lost/);
    const [answer, sick] = await Promise.all([
      runCli(['job', 'list'], { home }),
      runCli(['doctor'], { home }),
    ]);
    assert.equal(answer.exitCode, 1, answer.stdout);
    assert.match(answer.stderr, /the database 127\.0\.0\.1:\d+\/farm_1 is away/);
    assert.match(sick.stdout + sick.stderr, /nothing answers for the database at 127\.0\.0\.1:\d+/);
    await cluster.start();
    await control.waitFor(/replicas\.connected/);
    assert.equal((await runCli(['job', 'list'], { home })).exitCode, 0);
    const { stdout, stderr } = control.output();
    assert.match(stderr, /database\.away/);
    assert.match(stderr, /database\.back/);
    assert.ok(!`${stdout}${stderr}${answer.stderr}${sick.stdout}`.includes(cluster.password), 'the password');
    assert.equal((await control.stop()).exitCode, 0);
  });
});
