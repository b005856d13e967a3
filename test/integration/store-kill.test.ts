import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../../src/store/store.ts';
import { assertCounted, policy, refused } from '../conformance/store-samples.ts';

const program = join(import.meta.dirname, '..', 'fixtures', 'store', 'busy-store.ts');

function start(path: string): ChildProcess {
  return spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Lets the program acknowledge so many changes, kills it, and returns all lines that came out. */
async function runAndKill(path: string, acknowledged: number): Promise<string[]> {
  const child = start(path);
  const lines: string[] = [];
  assert.ok(child.stdout);
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === acknowledged) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  assert.equal(child.signalCode, 'SIGKILL');
  return lines;
}

async function assertAllThere(store: Store, lines: readonly string[]): Promise<void> {
  for (const line of lines) {
    const [what, id = ''] = line.split(' ');
    if (what === 'submitted') assert.ok(await store.getJob(id), line);
    else if (what === 'completed') assert.equal((await store.getTask(id))?.state, 'succeeded', line);
    else assert.equal((await store.getJob(id))?.job.state, 'cancelled', line);
  }
}

test('every acknowledged write is there after SIGKILL, 20 times in a row on one database', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-kill-'));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, 'flatrender.db');
  const all: string[] = [];
  for (let round = 1; round <= 20; round += 1) {
    all.push(...(await runAndKill(path, 37 * round)));
    const store = await openSqliteStore({ path });
    await assertAllThere(store, all);
    await assertCounted(store);
    // What was running when the process was killed can go on.
    for (const { task } of await store.expireLeases(9000, policy)) assert.equal(task.state, 'queued');
    await store.close();
  }
  assert.ok(
    all.some((line) => line.startsWith('completed')) && all.some((line) => line.startsWith('cancelled')),
  );
});

test('two processes cannot open one database; a killed one does not stay in the way', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-lock-'));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, 'flatrender.db');
  const child = start(path);
  t.after(() => child.kill('SIGKILL'));
  assert.ok(child.stdout);
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  const error = await refused(openSqliteStore({ path }), 'ALREADY_RUNNING');
  assert.deepEqual(error.details, { pid: child.pid });
  child.kill('SIGKILL');
  await once(child, 'exit');
  lines.close();
  const store = await openSqliteStore({ path });
  await assertCounted(store);
  await store.close();
});
