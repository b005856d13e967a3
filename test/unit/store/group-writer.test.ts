import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import type { Context } from '../../../src/store/sqlite/context.ts';
import { closeDatabase, openDatabase } from '../../../src/store/sqlite/database.ts';
import { GroupWriter } from '../../../src/store/sqlite/group-writer.ts';
import { jobMethods } from '../../../src/store/sqlite/jobs.ts';
import { Memory } from '../../../src/store/sqlite/memory.ts';
import { Sql } from '../../../src/store/sqlite/sql.ts';
import { WalSync } from '../../../src/store/sqlite/wal-sync.ts';
import { assertCounted, newJob, refused } from '../../conformance/store-samples.ts';

interface Opened extends Context, AsyncDisposable {
  readonly flushes: () => number;
}

async function open(): Promise<Opened> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-writer-'));
  const path = join(directory, 'flatrender.db');
  const db = openDatabase(path);
  const sql = new Sql(db, path);
  const memory = new Memory();
  memory.load(sql);
  let flushes = 0;
  const flush = (): void => {
    flushes += 1;
    memory.flush(sql);
  };
  const walSync = new WalSync(path);
  const writer = new GroupWriter({ sql, walSync, path, flush, reload: () => memory.load(sql) });
  return {
    sql,
    memory,
    writer,
    flushes: () => flushes,
    async [Symbol.asyncDispose]() {
      await writer.close();
      walSync.close();
      closeDatabase(db, path);
      await rm(directory, { recursive: true });
    },
  };
}

const insert =
  'insert into templates (name, version, sha256, size_bytes, manifest, pushed_at) values (?, ?, ?, 1, ?, 1)';

function names({ sql }: Context): unknown[] {
  return sql.all('select name from templates order by name').map((row) => row.name);
}

test('writes of one turn share a transaction; a turn that writes nothing has none', async () => {
  await using opened = await open();
  const { sql, writer } = opened;
  let wasOpen = true;
  await Promise.all(
    ['a', 'b', 'c'].map((name) => writer.write(() => sql.run(insert, name, '1.0.0', 'x', '{}'))),
  );
  assert.equal(opened.flushes(), 1);
  await writer.write(() => {
    sql.get('select 1');
    wasOpen = sql.db.isTransaction;
  });
  assert.equal(wasOpen, false);
  assert.equal(opened.flushes(), 1);
});

test('an operation that fails half-way is undone and takes no other one down', async () => {
  await using opened = await open();
  const { sql, writer } = opened;
  const put = (name: string) => writer.write(() => sql.run(insert, name, '1.0.0', 'x', '{}'));
  const half = (error: Error) =>
    writer.write(() => {
      sql.run(insert, 'half', '1.0.0', 'x', '{}');
      throw error;
    });
  const results = await Promise.allSettled([
    put('a'),
    half(new Error('a bug')),
    half(new FlatrenderError('JOB_STATE', 'an answer after a write')),
    put('b'),
    put('a'),
    put('c'),
  ]);
  assert.deepEqual(
    results.map((each) => (each.status === 'fulfilled' ? 'ok' : each.reason.code)),
    ['ok', 'STORE_FAILED', 'JOB_STATE', 'ok', 'STORE_FAILED', 'ok'],
  );
  assert.deepEqual(names(opened), ['a', 'b', 'c']);
});

test('a refusal before the first write costs the others nothing', async () => {
  await using opened = await open();
  const { sql, writer } = opened;
  let runs = 0;
  const put = writer.write(() => {
    runs += 1;
    sql.run(insert, 'a', '1.0.0', 'x', '{}');
  });
  const refusal = writer.write(() => {
    throw new FlatrenderError('JOB_STATE', 'no');
  });
  await refused(refusal, 'JOB_STATE');
  await put;
  assert.equal(runs, 1);
});

test('writing outside of a turn is a bug that shows', async () => {
  await using opened = await open();
  assert.throws(() => opened.sql.run(insert, 'a', '1.0.0', 'x', '{}'), /outside of a transaction/);
});

test('a full disk fails writes with DISK_FULL, loses nothing that was acknowledged, and ends by itself', async () => {
  await using opened = await open();
  const { sql } = opened;
  const store = jobMethods(opened);
  await store.submit([newJob()]);
  const before = store.stats();
  const pages = Number(sql.get('pragma page_count')?.page_count);
  sql.get(`pragma max_page_count = ${pages}`);
  const big = () => newJob({ inputs: { title: 'x'.repeat(50_000) } });
  for (const submission of [store.submit([big()]), store.submit([newJob(), big()])]) {
    const error = await refused(submission, 'DISK_FULL');
    assert.ok(error.retryable);
    assert.match(error.hint ?? '', /free some disk space/);
  }
  sql.get('pragma max_page_count = 1000000');
  const after = newJob();
  await store.submit([after]);
  assert.deepEqual(store.stats(), {
    ...before,
    jobs: { ...before.jobs, queued: 2 },
    tasks: { ...before.tasks, queued: 2 },
  });
  assert.equal((await store.listJobs({ limit: 9 })).length, 2);
});

test('what memory counts survives a turn that was rolled back', async () => {
  await using opened = await open();
  const store = jobMethods(opened);
  const first = newJob();
  await store.submit([first]);
  await Promise.allSettled([
    store.submit([newJob(), first]),
    store.submit([newJob({ template: 'other' })]),
    store.cancelJob(first.id, 2000),
  ]);
  assert.deepEqual(
    { queued: store.stats().jobs.queued, cancelled: store.stats().jobs.cancelled },
    { queued: 1, cancelled: 1 },
  );
  await assertCounted(store);
});

test('what was refused is not counted, also while nothing else is written', async () => {
  await using opened = await open();
  const store = jobMethods(opened);
  const first = newJob();
  await store.submit([first]);
  await assert.rejects(store.submit([newJob(), first]));
  assert.deepEqual([store.stats().jobs.queued, store.stats().tasks.queued], [1, 1]);
});

/** A disk that takes its time, and then says what the test wants it to say. */
function slowDisk(): {
  walSync: { isPending: boolean; afterSync(tell: Tell): void };
  finish(error?: Error): void;
} {
  const waiting: Tell[] = [];
  return {
    walSync: {
      get isPending() {
        return waiting.length > 0;
      },
      afterSync(tell) {
        waiting.push(tell);
      },
    },
    finish(error) {
      for (const tell of waiting.splice(0)) tell(error ?? null);
    },
  };
}

type Tell = (error: Error | null) => void;

test('nobody is answered before the disk has what was written, nor a reader who may have seen it', async () => {
  await using opened = await open();
  const { sql } = opened;
  const { walSync, finish } = slowDisk();
  const nothing = (): void => undefined;
  const writer = new GroupWriter({ sql, walSync, path: 'farm.db', flush: nothing, reload: nothing });
  const answered: string[] = [];
  const put = writer.write(() => sql.run(insert, 'a', '1.0.0', 'x', '{}')).then(() => answered.push('write'));
  await turns(3);
  const look = writer.write(() => names(opened)).then((seen) => answered.push(`read ${seen}`));
  await turns(3);
  assert.deepEqual(names(opened), ['a'], 'it is committed');
  assert.deepEqual(answered, [], 'and nobody knows');
  finish();
  await Promise.all([put, look]);
  assert.deepEqual(answered, ['write', 'read a']);
});

test('a disk that refuses a sync ends the writer: what it holds is unknown', async () => {
  await using opened = await open();
  const { sql } = opened;
  const { walSync, finish } = slowDisk();
  const nothing = (): void => undefined;
  const writer = new GroupWriter({ sql, walSync, path: 'farm.db', flush: nothing, reload: nothing });
  const put = writer.write(() => sql.run(insert, 'a', '1.0.0', 'x', '{}'));
  await turns(3);
  finish(new Error('EIO'));
  const error = await refused(put, 'STORE_FAILED');
  assert.match(error.message, /farm\.db.*EIO/);
  await refused(
    writer.write(() => names(opened)),
    'STORE_FAILED',
  );
  assert.equal(writer.failure, error, 'and says so to whoever asks');
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
