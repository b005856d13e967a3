import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { openSession, withBindLock } from '../../../src/engines/aerender/machine/session.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';

const MODULE = join(import.meta.dirname, '../../../src/engines/aerender/machine/session.ts');
const { signal } = new AbortController();

function temporary(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'flatrender-session-'));
  t.after(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}

type Child = ChildProcessByStdio<null, Readable, null>;

/** Another process that runs some lines with session.ts at hand, until it is killed or done. */
function other(t: TestContext, stateDir: string, lines: string): Child {
  const program = [
    `const { openSession, withBindLock } = await import(${JSON.stringify(MODULE)});`,
    `const stateDir = ${JSON.stringify(stateDir)};`,
    'const { signal } = new AbortController();',
    'const forever = () => new Promise(() => setInterval(() => {}, 1000));',
    lines,
  ].join('\n');
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

/** Kills it and waits for its end. */
async function killed(child: Child): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

test('tasks of one node know of each other and of their programs', async (t) => {
  const stateDir = temporary(t);
  await using first = await openSession({ stateDir, taskId: 'j1.0', signal });
  {
    await using second = await openSession({ stateDir, taskId: 'j2.0', signal });
    await second.track(process.ppid);
    const [seen, ...more] = await first.others();
    assert.deepEqual(more, []);
    assert.deepEqual([seen?.taskId, seen?.isAlive, seen?.owner.pid], ['j2.0', true, process.pid]);
    assert.deepEqual(await first.siblings(), [process.pid, process.ppid]);
    assert.deepEqual(
      (await second.others()).map(({ taskId }) => taskId),
      ['j1.0'],
    );
  }
  assert.deepEqual(await first.others(), []);
});

test('a session whose process was killed is known as such, with what it started, until it is forgotten', async (t) => {
  const stateDir = temporary(t);
  const child = other(
    t,
    stateDir,
    `const session = await openSession({ stateDir, taskId: 'j9.0', signal });
     await session.track(process.ppid);
     console.log('open');
     await forever();`,
  );
  await once(child.stdout, 'data');
  await using session = await openSession({ stateDir, taskId: 'j1.0', signal });
  assert.deepEqual(await session.siblings(), [child.pid, process.pid]);
  await killed(child);
  const [left] = await session.others();
  assert.deepEqual([left?.taskId, left?.isAlive], ['j9.0', false]);
  assert.deepEqual(
    left?.children.map(({ pid }) => pid),
    [process.pid],
  );
  assert.deepEqual(await session.siblings(), []);
  if (left) await session.forget(left);
  assert.deepEqual(await session.others(), []);
});

test('a process id that went to another program is not believed', {
  skip: process.platform === 'win32' && 'without start times the age of the file decides',
}, async (t) => {
  const stateDir = temporary(t);
  await using session = await openSession({ stateDir, taskId: 'j1.0', signal });
  const [file = ''] = readdirSync(join(stateDir, 'sessions'));
  const content = JSON.parse(readFileSync(join(stateDir, 'sessions', file), 'utf8')) as {
    owner: { startedAt: string };
  };
  content.owner.startedAt += '1';
  writeFileSync(join(stateDir, 'sessions', `${process.pid}-old.json`), JSON.stringify(content));
  writeFileSync(join(stateDir, 'sessions', `${process.pid}-broken.json`), '{');
  assert.deepEqual(
    (await session.others()).map(({ id, isAlive }) => [id, isAlive]),
    [[`${process.pid}-old`, false]],
  );
});

test('what processes left that were killed while they wrote is removed, what the living write is not', async (t) => {
  const stateDir = temporary(t);
  const child = other(t, stateDir, '');
  await once(child, 'exit');
  const queue = join(stateDir, 'bind-queue');
  mkdirSync(queue);
  const living = [`drawing-${process.pid}-a.json.b.part`, `${process.pid}-99999999-a.json.b.part`];
  for (const name of [
    ...living,
    `drawing-${child.pid}-a.json.b.part`,
    `000000000001-${child.pid}-a.json.b.part`,
  ])
    writeFileSync(join(queue, name), '{');
  await using _ = await openSession({ stateDir, taskId: 'j1.0', signal });
  assert.deepEqual(readdirSync(queue).sort(), living.sort());
});

test('an aborted task opens no session and does not bind', async (t) => {
  const stateDir = temporary(t);
  const aborted = AbortSignal.abort(new FlatrenderError('ABORTED', 'over'));
  await assert.rejects(openSession({ stateDir, taskId: 'j1.0', signal: aborted }), /over/);
  await assert.rejects(
    withBindLock(stateDir, aborted, () => assert.fail('bound')),
    /over/,
  );
  assert.deepEqual(readdirSync(stateDir), []);
});

test('one binds at a time, and whoever fails passes the turn on', async (t) => {
  const stateDir = temporary(t);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 2, maxLength: 5 }), async (fails) => {
      let inside = 0;
      const order: number[] = [];
      const work = async (index: number, isFailing: boolean): Promise<number> => {
        inside += 1;
        assert.equal(inside, 1);
        await new Promise((resolve) => setImmediate(resolve));
        order.push(index);
        inside -= 1;
        if (isFailing) throw new Error('failed');
        return index;
      };
      const all = await Promise.allSettled(
        fails.map((isFailing, index) => withBindLock(stateDir, signal, () => work(index, isFailing))),
      );
      assert.deepEqual(
        all.map(({ status }) => status === 'rejected'),
        fails,
      );
      assert.equal(order.length, fails.length);
    }),
    { numRuns: 8 },
  );
  assert.deepEqual(readdirSync(join(stateDir, 'bind-queue')), []);
});

test('who waits to bind can be aborted, and leaves no trace', async (t) => {
  const stateDir = temporary(t);
  const waiting = new AbortController();
  await withBindLock(stateDir, signal, async () => {
    const queued = withBindLock(stateDir, waiting.signal, () => assert.fail('bound'));
    while (readdirSync(join(stateDir, 'bind-queue')).length < 2) await new Promise(setImmediate);
    waiting.abort(new FlatrenderError('ABORTED', 'enough'));
    await assert.rejects(queued, /enough/);
  });
  assert.deepEqual(readdirSync(join(stateDir, 'bind-queue')), []);
});

test('a process that is killed while it binds, waits or draws its number holds nobody up', async (t) => {
  const stateDir = temporary(t);
  const holder = other(
    t,
    stateDir,
    `await withBindLock(stateDir, signal, async () => { console.log('bound'); await forever(); });`,
  );
  await once(holder.stdout, 'data');
  const waiter = other(
    t,
    stateDir,
    `console.log('waits'); await withBindLock(stateDir, signal, async () => { console.log('bound'); await forever(); });`,
  );
  await once(waiter.stdout, 'data');
  const queue = join(stateDir, 'bind-queue');
  while (readdirSync(queue).filter((name) => /^\d.*json$/.test(name)).length < 2)
    await new Promise(setImmediate);
  // What one leaves that is killed between the two steps of drawing.
  const ticket = readdirSync(queue).find((name) => name.includes(`-${waiter.pid}-`)) ?? '';
  writeFileSync(join(queue, `drawing-${waiter.pid}-x.json`), readFileSync(join(queue, ticket)));
  const order: string[] = [];
  const own = withBindLock(stateDir, signal, async () => order.push('own'));
  order.push('killing');
  await killed(waiter);
  await killed(holder);
  await own;
  assert.deepEqual(order, ['killing', 'own']);
  assert.deepEqual(readdirSync(queue), []);
});

test('processes take turns: none sees another inside', async (t) => {
  const stateDir = temporary(t);
  const lines = `
    const { appendFileSync } = await import('node:fs');
    setInterval(() => {}, 1000); // timers of the clock keep no process alive
    for (let round = 0; round < 3; round += 1)
      await withBindLock(stateDir, signal, async () => {
        appendFileSync(stateDir + '/log', 'in ');
        await new Promise((resolve) => setTimeout(resolve, 5));
        appendFileSync(stateDir + '/log', 'out ');
      });
    process.exit(0);`;
  const children = [1, 2, 3].map(() => other(t, stateDir, lines));
  const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as number));
  assert.deepEqual(codes, [0, 0, 0]);
  assert.equal(readFileSync(join(stateDir, 'log'), 'utf8'), 'in out '.repeat(9));
});
