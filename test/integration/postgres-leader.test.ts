/** Who does the background work of a farm when the one that did it is gone, in whichever way it went. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, suite, type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { ListenerLog } from '../helpers/listener-log.ts';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';
import { startTcpProxy } from '../helpers/tcp-proxy.ts';

const program = join(import.meta.dirname, '..', 'fixtures', 'store', 'replica.ts');
const LONGEST_MS = 10_000;

/** A control plane in a process of its own. */
async function startReplica(url: string, t: TestContext) {
  const child: ChildProcess = spawn(process.execPath, [program, url], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  assert.ok(child.stdout && child.stdin);
  const { stdin } = child;
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const look of [...waiting]) look();
  });
  const said = (wanted: RegExp): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!lines.some((line) => wanted.test(line))) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  await said(/^open$/);
  return {
    child,
    said,
    async leads(): Promise<boolean> {
      const before = lines.filter((line) => line.startsWith('leads ')).length;
      stdin.write('?\n');
      for (;;) {
        const answers = lines.filter((line) => line.startsWith('leads '));
        if (answers.length > before) return answers.at(-1) === 'leads true';
        await new Promise<void>((resolve) => {
          const look = (): void => {
            waiting.delete(look);
            resolve();
          };
          waiting.add(look);
        });
      }
    },
  };
}

suite('the lead of a farm', { skip: noPostgres, concurrency: 1 }, () => {
  let cluster: Postgres;
  before(async () => {
    cluster = await startPostgres();
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  /** Waits until it leads; how long that took. */
  async function takesOver(log: ListenerLog, since: number, how: string, t: TestContext): Promise<void> {
    await log.leads();
    const took = performance.now() - since;
    t.diagnostic(`leader ${how}: taken over after ${(took / 1000).toFixed(1)} s`);
    assert.ok(took < LONGEST_MS, `${took} ms`);
  }

  test('is taken over when the leader is killed', async (t) => {
    const { url } = await cluster.createDatabase();
    const leader = await startReplica(url, t);
    assert.equal(await leader.leads(), true);
    const store = await openPostgresStore({ url });
    t.after(() => store.close());
    const log = new ListenerLog(store);
    assert.equal(store.shared?.isLeader, false);
    leader.child.kill('SIGKILL');
    await takesOver(log, performance.now(), 'killed', t);
    await log.gap(/not heard of any more/);
    assert.deepEqual(
      (await store.shared?.listReplicas())?.map(({ id }) => id),
      [store.shared?.replicaId],
    );
  });

  test('is taken over when the leader stands still, and that one knows as soon as it goes on', async (t) => {
    const { url } = await cluster.createDatabase();
    const leader = await startReplica(url, t);
    const store = await openPostgresStore({ url });
    t.after(() => store.close());
    const log = new ListenerLog(store);
    leader.child.kill('SIGSTOP');
    await takesOver(log, performance.now(), 'stopped', t);
    leader.child.kill('SIGCONT');
    assert.equal(await leader.leads(), false);
    await leader.said(/^following$/);
    await leader.said(/^gap /);
    assert.equal(store.shared?.isLeader, true);
    assert.equal((await store.shared?.listReplicas())?.length, 2);
  });

  test('is taken over when the leader is cut off from the database without a word', async (t) => {
    const { url } = await cluster.createDatabase();
    await using proxy = await startTcpProxy(`http://127.0.0.1:${cluster.port}`);
    const leader = await openPostgresStore({ url: url.replace(`:${cluster.port}/`, `:${proxy.port}/`) });
    const lost = new ListenerLog(leader);
    const store = await openPostgresStore({ url });
    const log = new ListenerLog(store);
    assert.equal(leader.shared?.isLeader, true);
    proxy.weather({ stalled: true });
    const since = performance.now();
    let wereTwo = false;
    const watch = setInterval(() => {
      wereTwo ||= leader.shared?.isLeader === true && store.shared?.isLeader === true;
    }, 5);
    await takesOver(log, since, 'cut off', t);
    await lost.leads(false);
    clearInterval(watch);
    assert.equal(wereTwo, false, 'two at once');
    proxy.mend();
    await lost.gap(/connection to the database was lost/);
    assert.equal(leader.shared?.isLeader, false);
    await Promise.all([leader.close(), store.close()]);
  });

  test('comes back to the only control plane there is, after it was cut off', async () => {
    const { url } = await cluster.createDatabase();
    await using proxy = await startTcpProxy(`http://127.0.0.1:${cluster.port}`);
    const store = await openPostgresStore({ url: url.replace(`:${cluster.port}/`, `:${proxy.port}/`) });
    const log = new ListenerLog(store);
    // Its old connection holds the lock in the server, which does not know yet.
    proxy.weather({ stalled: true });
    await log.leads(false);
    proxy.mend();
    await log.leads();
    await store.close();
  });

  test('a program of somebody else that holds the same lock is left alone', async (t) => {
    const { url, name } = await cluster.createDatabase();
    const { default: pg } = await import('pg');
    const other = new pg.Client({ connectionString: url, application_name: 'a backup' });
    await other.connect();
    await other.query(`select pg_advisory_lock(${0x666c7264}, 2)`);
    const store = await openPostgresStore({ url });
    t.after(() => store.close());
    const log = new ListenerLog(store);
    assert.equal(store.shared?.isLeader, false);
    await cluster.query('select pg_sleep(1.5)', name);
    await other.query('select 1');
    await other.end();
    await log.leads();
  });

  test('is never a tool’s, which does none of the work, and no control plane counts it', async (t) => {
    const { url } = await cluster.createDatabase();
    const tool = await openPostgresStore({ url, joins: false });
    t.after(() => tool.close());
    const toolLog = new ListenerLog(tool);
    const first = await openPostgresStore({ url });
    assert.equal(first.shared?.isLeader, true);
    assert.deepEqual(
      (await tool.shared?.listReplicas())?.map(({ id }) => id),
      [first.shared?.replicaId],
    );
    await first.close();
    // Longer than it takes to try for the lead.
    await setTimeout(1500);
    assert.equal(tool.shared?.isLeader, false);
    const second = await openPostgresStore({ url });
    t.after(() => second.close());
    assert.equal(second.shared?.isLeader, true);
    assert.equal((await second.shared?.listReplicas())?.length, 1);

    // Hints go both ways all the same.
    const log = new ListenerLog(second);
    await tool.createNode({ id: 'n1', name: 'n1' }, 1);
    await log.until({ kind: 'node', nodeId: 'n1' });
    await second.createNode({ id: 'n2', name: 'n2' }, 1);
    await toolLog.until({ kind: 'node', nodeId: 'n2' });
  });
});
