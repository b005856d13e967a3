import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { loadControlConfig } from '../../src/config/control-config.ts';
import { backupFarm, backupHeader, migrateFarm, restoreFarm } from '../../src/control/copy-farm.ts';
import { openStore } from '../../src/control/open-store.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { DumpRow } from '../../src/store/dump.ts';
import { backupStream, writeBackup } from '../../src/store/dump-file.ts';
import { loadPostgresFarm } from '../../src/store/postgres/load-farm.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import type { Store } from '../../src/store/store.ts';
import {
  claim,
  claimOne,
  fence,
  hopeless,
  newJob,
  nodes,
  policy,
  result,
} from '../conformance/store-samples.ts';
import { startTestControl } from '../helpers/control.ts';
import { failureOf } from '../helpers/failure-of.ts';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';

/** A state directory with some of everything in its SQLite database. */
async function farm(t: TestContext): Promise<{ directory: string; running: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-copy-'));
  t.after(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, 'flatrender.yaml'), '# mine\nfarm:\n  name: orchard # where apples grow\n');
  const store = await openStore(directory, loadControlConfig({ directory, env: {} }));
  const running = await fill(store);
  await store.close();
  return { directory, running };
}

async function fill(store: Store): Promise<string> {
  await nodes(store, 'a', 'b', 'gone');
  await store.removeNode('gone', 1500);
  await store.submit(
    [newJob({ webhook: 'https://example.com/hook', inputs: { title: 'Grüße \u0000 字', n: 1.5 } })],
    {
      ...{ key: 'once', bodySha256: 'f'.repeat(64) },
    },
  );
  const done = await claimOne(store, 'a');
  await store.appendLog(done.id, done.epoch, [{ at: 5, stream: 'engine', line: 'a\0b' }], 1000);
  await store.complete(fence(done), result, policy, 2000);
  await store.submit([newJob({ outputs: 2 }), newJob({ priority: 90, runAt: 9_000_000 })]);
  const failed = await claimOne(store, 'a');
  await store.fail(fence(failed), hopeless, policy, 2100);
  const { id } = await claimOne(store, 'b');
  await store.putTemplate({
    ...{
      name: 'card',
      version: '1.0.0',
      sha256: 'a'.repeat(64),
      sizeBytes: 5,
      pushedAt: 1,
      manifest: { schema: 1 },
    },
  });
  await store.appendAudit({
    ...{
      at: 7,
      actor: 'ops',
      action: 'cancelJob',
      subject: 'j',
      outcome: '200',
      from: '10.0.0.1',
      details: { a: 1 },
    },
  });
  return id;
}

const options = (directory: string) => ({
  directory,
  config: loadControlConfig({ directory, env: {} }),
  signal: new AbortController().signal,
});

const nameOf = (url: string): string => url.split('/').at(-1) ?? '';

/** A program: a control plane says that it is alive. */
const JOIN = `
  import pg from 'pg';
  const client = new pg.Client({ connectionString: process.argv[1] });
  await client.connect();
  await client.query("insert into replicas (id, hostname, version, started_at, pid, announced) values ('x', 'late', '1', 1, 0, 0)");
  await client.end();
`;

suite('with PostgreSQL', { skip: noPostgres }, () => {
  let cluster: Postgres | undefined;
  before(async () => {
    cluster = await startPostgres();
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  test('a farm moves from SQLite to PostgreSQL with its running tasks, and back through a backup', async (t) => {
    const { directory, running } = await farm(t);
    const { url: to } = (await cluster?.createDatabase()) ?? assert.fail();
    const moved = await migrateFarm({ ...options(directory), to });
    assert.equal(moved.sums.jobs?.rows, 3);
    assert.equal(moved.sums.nodes?.rows, 3, 'a removed node is remembered');
    const yaml = await readFile(join(directory, 'flatrender.yaml'), 'utf8');
    assert.match(yaml, /^# mine\nfarm:\n {2}name: orchard # where apples grow\n/);
    assert.ok(yaml.includes(`store: ${to}`), yaml);

    const store = await openStore(directory, loadControlConfig({ directory, env: {} }));
    const task = await store.getTask(running);
    assert.deepEqual([task?.state, task?.nodeId], ['running', 'b']);
    const again = await store.submit([newJob()], { key: 'once', bodySha256: 'f'.repeat(64) });
    assert.equal(again.repeated, true);
    assert.deepEqual(again.jobs[0]?.inputs, { title: 'Grüße \u{fffd} 字', n: 1.5 }, 'PostgreSQL has no NUL');
    await store.complete({ taskId: running, epoch: task?.epoch ?? 0, nodeId: 'b' }, result, policy, 3000);
    const [fresh] = (await store.submit([newJob()])).jobs;
    assert.equal((await claim(store, 'a'))?.job.id, fresh?.id, 'numbers go on');
    await store.close();

    const path = join(directory, 'farm.backup');
    const backup = await backupFarm({ ...options(directory), path });
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const home = join(directory, 'restored');
    await mkdir(home);
    const restored = await restoreFarm({ ...options(home), path });
    assert.deepEqual(restored.sums, backup.sums);
    const sqlite = await openStore(home, loadControlConfig({ directory: home, env: {} }));
    assert.equal((await sqlite.getJob(again.jobs[0]?.id ?? ''))?.job.state, 'succeeded');
    assert.equal(
      (await sqlite.submit([newJob()], { key: 'once', bodySha256: 'f'.repeat(64) })).repeated,
      true,
    );
    const { tasks } = sqlite.stats();
    assert.deepEqual([tasks.succeeded, tasks.failed, tasks.running, tasks.blocked], [2, 1, 1, 1]);
    await sqlite.close();
  });

  test('a database with a farm in it is refused, and the farm stays where it is', async (t) => {
    const { directory } = await farm(t);
    const { url: to } = (await cluster?.createDatabase()) ?? assert.fail();
    const before = options(directory);
    await migrateFarm({ ...before, to });
    await writeFile(join(directory, 'flatrender.yaml'), 'farm: { name: orchard }\n');
    const error = await failureOf(migrateFarm({ ...options(directory), to }));
    assert.equal(error.code, 'CONFIG_INVALID');
    assert.match(error.message, /there is a farm in the database [^@]*$/);
    assert.equal(await readFile(join(directory, 'flatrender.yaml'), 'utf8'), 'farm: { name: orchard }\n');
  });

  test('databases that control planes have open are left alone, but backed up', async (t) => {
    const { directory } = await farm(t);
    const { url: from } = (await cluster?.createDatabase()) ?? assert.fail();
    const { url: to } = (await cluster?.createDatabase()) ?? assert.fail();
    const path = join(directory, 'farm.backup');
    const refused = async (copy: Promise<unknown>): Promise<void> => {
      const error = await failureOf(copy);
      assert.equal(error.code, 'ALREADY_RUNNING');
      assert.ok(error.message.endsWith(` is in use by the control plane on ${hostname()}`), error.message);
      assert.doesNotMatch(error.message, /@/, 'no password');
    };

    const atTarget = await openPostgresStore({ url: from });
    await refused(migrateFarm({ ...options(directory), to: from }));
    await atTarget.close();
    await migrateFarm({ ...options(directory), to: from });

    const atSource = await openPostgresStore({ url: from });
    await refused(migrateFarm({ ...options(directory), to }));
    await backupFarm({ ...options(directory), path });
    await atSource.close();
    const yaml = await readFile(join(directory, 'flatrender.yaml'), 'utf8');
    assert.ok(yaml.includes(`store: ${from}`), yaml);

    const home = join(directory, 'other');
    await mkdir(home);
    await writeFile(join(home, 'flatrender.yaml'), `store: ${to}\n`);
    const atRestore = await openPostgresStore({ url: to });
    await refused(restoreFarm({ ...options(home), path }));
    await atRestore.close();
    await restoreFarm({ ...options(home), path });
  });

  test('a control plane that is started during the copy is noticed before anything is kept', async (t) => {
    const { directory } = await farm(t);
    const { url: from } = (await cluster?.createDatabase()) ?? assert.fail();
    const { url: to } = (await cluster?.createDatabase()) ?? assert.fail();
    await migrateFarm({ ...options(directory), to: from });
    for (const url of [from, to]) {
      // As soon as the source is read.
      const onProgress = (): void => {
        execFileSync(process.execPath, ['--input-type=module', '-e', JOIN, url]);
      };
      const error = await failureOf(migrateFarm({ ...options(directory), to, onProgress }));
      assert.equal(error.code, 'ALREADY_RUNNING');
      assert.match(error.message, /on late$/);
      await cluster?.query('delete from replicas', nameOf(url));
    }
    const yaml = await readFile(join(directory, 'flatrender.yaml'), 'utf8');
    assert.ok(yaml.includes(`store: ${from}`), yaml);
    await migrateFarm({ ...options(directory), to });
  });

  test('a database that control planes had open while there was no farm can be copied into', async (t) => {
    const { directory } = await farm(t);
    const { url: to } = (await cluster?.createDatabase()) ?? assert.fail();
    await (await startTestControl({ config: { store: to } }))[Symbol.asyncDispose]();
    // The helper makes one for itself.
    await cluster?.query('delete from tokens', nameOf(to));
    const agreed = async (): Promise<string[]> => {
      const store = await openStore(directory, { ...options(directory).config, store: to });
      const settings = await store.listSettings('agreed:');
      await store.close();
      return settings.map(({ key }) => key);
    };
    assert.deepEqual(await agreed(), ['agreed:farm-secret', 'agreed:objects']);
    await migrateFarm({ ...options(directory), to });
    assert.deepEqual(await agreed(), [], 'of that farm, not of this one');
  });

  test('what control planes agreed upon is not copied, also out of a backup that has it', async (t) => {
    const { directory } = await farm(t);
    const path = join(directory, 'farm.backup');
    const old = async function* (): AsyncGenerator<DumpRow> {
      const store = await openStore(directory, options(directory).config);
      await store.changeSetting('hooks', () => '[]');
      yield* store.dump(new AbortController().signal);
      await store.close();
      for (const key of ['agreed:farm-secret', 'agreed:objects'])
        yield { table: 'settings', data: { key, value: 'x' } };
    };
    await writeBackup(path, backupStream(backupHeader('orchard'), old()), new AbortController().signal);
    const { url } = (await cluster?.createDatabase()) ?? assert.fail();
    const postgres = join(directory, 'postgres');
    const sqlite = join(directory, 'sqlite');
    for (const home of [postgres, sqlite]) await mkdir(home);
    await writeFile(join(postgres, 'flatrender.yaml'), `store: ${url}\n`);
    for (const home of [postgres, sqlite]) {
      await restoreFarm({ ...options(home), path });
      const store = await openStore(home, options(home).config);
      assert.deepEqual(await store.listSettings(''), [{ key: 'hooks', value: '[]' }]);
      await store.close();
    }
    const control = await openPostgresStore({ url });
    await control.shared?.agree('objects', 'y');
    const tables: string[] = [];
    for await (const { table } of control.dump(new AbortController().signal)) tables.push(table);
    assert.equal(tables.filter((table) => table === 'settings').length, 1);
    await control.close();
  });

  test('a copy that turns out to be another is not kept', async (t) => {
    const { directory } = await farm(t);
    const { url } = (await cluster?.createDatabase()) ?? assert.fail();
    const source = await openStore(directory, options(directory).config);
    const { signal } = new AbortController();
    const failing = loadPostgresFarm(url, source.dump(signal), {
      signal,
      async verify(written) {
        let rows = 0;
        for await (const _ of written) rows += 1;
        assert.ok(rows > 10);
        throw new FlatrenderError('STORE_FAILED', 'another');
      },
    });
    assert.equal((await failureOf(failing)).message, 'another');
    await source.close();
    await migrateFarm({ ...options(directory), to: url });
  });

  test('neither a source that starts slowly nor a reader that pauses ends a copy', async () => {
    const { signal } = new AbortController();
    // Longer than a control plane may stand still in a transaction.
    const pause = (): Promise<void> => setTimeout(11_000);
    const row = (key: string): DumpRow => ({ table: 'settings', data: { key, value: 'v' } });
    const load = async (rows: AsyncIterable<DumpRow>): Promise<void> => {
      const { url } = (await cluster?.createDatabase()) ?? assert.fail();
      await loadPostgresFarm(url, rows, { signal, verify: async () => undefined });
      const store = await openPostgresStore({ url });
      const dumped: DumpRow[] = [];
      for await (const each of store.dump(signal)) dumped.push(each);
      assert.deepEqual(dumped, [row('a'), row('b')]);
      await store.close();
    };
    const read = async (): Promise<void> => {
      const { url } = (await cluster?.createDatabase()) ?? assert.fail();
      const store = await openPostgresStore({ url });
      for (let i = 0; i < 1500; i += 1) await store.changeSetting(`k${i}`, () => 'v');
      let rows = 0;
      for await (const _ of store.dump(signal)) {
        if (rows === 0) await pause();
        rows += 1;
      }
      assert.equal(rows, 1500);
      await store.close();
    };
    await Promise.all([
      load(
        (async function* () {
          await pause();
          yield* [row('a'), row('b')];
        })(),
      ),
      load(
        (async function* () {
          yield row('a');
          await pause();
          yield row('b');
        })(),
      ),
      read(),
    ]);
  });
});

test('a backup of a control plane that works is whole, and can be restored', async (t) => {
  await using control = await startTestControl();
  await control.addTemplate();
  await control.addNode('studio-1');
  for (let i = 0; i < 30; i += 1) await control.submit();
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-copy-'));
  t.after(() => rm(directory, { recursive: true }));
  const answer = await fetch(`${control.url}/v1/backup`, {
    ...{ method: 'POST', headers: { authorization: `Bearer ${control.token}` } },
  });
  assert.equal(answer.status, 200);
  const path = join(directory, 'live.backup');
  await writeFile(path, Buffer.from(await answer.arrayBuffer()));
  const { sums } = await restoreFarm({ ...options(directory), path });
  assert.deepEqual([sums.jobs?.rows, sums.nodes?.rows], [30, 1]);
});

test('a backup that is cut off, changed or something else is refused before anything is written', async (t) => {
  const { directory } = await farm(t);
  const path = join(directory, 'farm.backup');
  await backupFarm({ ...options(directory), path });
  const whole = await readFile(path);
  const home = join(directory, 'restored');
  const attempt = async (): Promise<string> =>
    (await failureOf(restoreFarm({ ...options(home), path }))).message;
  await truncate(path, whole.length - 20);
  assert.match(await attempt(), /its end is missing/);
  const text = gunzipSync(whole).toString();
  await writeFile(path, gzipSync(text.replace('"priority":90', '"priority":91')));
  assert.match(await attempt(), /changed or damaged: jobs/);
  await writeFile(path, gzipSync(text.slice(0, text.lastIndexOf('\n{"end"') + 1)));
  assert.match(await attempt(), /its end is missing/);
  await writeFile(path, gzipSync(text.replace('"version":1', '"version":2')));
  assert.match(await attempt(), /too old for it/);
  await writeFile(path, 'hello');
  assert.match(await attempt(), /no backup of flatrender/);
  for (const at of [30, Math.floor(whole.length / 2), whole.length - 6]) {
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] ?? 0) ^ 0x10;
    await writeFile(path, flipped);
    assert.match(await attempt(), /damaged|no backup of flatrender|its end is missing/, `byte ${at}`);
  }
  await rm(path);
  assert.match(await attempt(), /cannot be read \(ENOENT\)/);
  await assert.rejects(stat(join(home, 'flatrender.db')), { code: 'ENOENT' });
});
