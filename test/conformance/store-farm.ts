import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeRegistration, TemplateRecord, TokenRecord } from '../../src/store/store.ts';
import {
  assertCounted,
  claim,
  claimOne,
  crash,
  fence,
  hopeless,
  newJob,
  nodes,
  type OpenStore,
  policy,
  refused,
  result,
} from './store-samples.ts';

const registration: NodeRegistration = {
  roles: ['render'],
  hostname: 'desk.local',
  hostIp: '10.66.0.11',
  agentVersion: '0.1.0',
  capabilities: {
    os: 'linux',
    arch: 'x64',
    cpu: 'test',
    cores: 2,
    system: { gpu: null, memory: { total: 1, used: 1, free: 0 }, disk: { total: 1, used: 1, free: 0 } },
    engines: [{ name: 'mock', available: true, version: '1' }],
    tags: ['fast'],
    maxConcurrentJobs: 2,
  },
};

function template(name: string, version: string, sha256 = `${name}-${version}`): TemplateRecord {
  return {
    name,
    version,
    sha256,
    sizeBytes: 10,
    manifest: { name, version, deep: [1, { a: null }] },
    pushedAt: 1000,
  };
}

function token(id: string, changes: Partial<TokenRecord> = {}): TokenRecord {
  return {
    id,
    name: id,
    role: 'admin',
    hash: `hash-${id}`,
    createdAt: 1000,
    expiresAt: null,
    lastUsedAt: null,
    ...changes,
  };
}

/** Nodes, templates, tokens, logs, retention. */
export function farmTests(open: () => Promise<OpenStore>): void {
  nodeTests(open);
  templateTests(open);
  logTests(open);
  retentionTests(open);

  test('tokens are found by their hash, listed, used and revoked', async () => {
    await using opened = await open();
    const { store } = opened;
    await store.createToken(token('one'));
    await store.createToken(token('two', { role: 'read', expiresAt: 5000, createdAt: 2000 }));
    assert.deepEqual(
      await store.findToken('hash-two'),
      token('two', { role: 'read', expiresAt: 5000, createdAt: 2000 }),
    );
    assert.equal(await store.findToken('hash-none'), null);
    await store.saveTokenUse([
      { id: 'one', at: 3000 },
      { id: 'one', at: 2500 },
      { id: 'none', at: 1 },
    ]);
    const reopened = await opened.reopen();
    assert.deepEqual(
      (await reopened.listTokens()).map(({ id, lastUsedAt }) => [id, lastUsedAt]),
      [
        ['one', 3000],
        ['two', null],
      ],
    );
    await reopened.revokeToken('one');
    assert.equal(await reopened.findToken('hash-one'), null);
    await refused(reopened.revokeToken('one'), 'TOKEN_NOT_FOUND');
  });

  test('after closing, everything is refused and closing again is harmless', async () => {
    await using opened = await open();
    const { store } = opened;
    const pending = store.submit([newJob()]);
    await store.close();
    assert.equal((await pending).jobs.length, 1, 'what was asked for before is done');
    await refused(store.submit([newJob()]), 'STORE_FAILED');
    await refused(store.getJob('j'), 'STORE_FAILED');
    await store.close();
  });
}

function nodeTests(open: () => Promise<OpenStore>): void {
  test('a node is created once, registers, is listed by id', async () => {
    await using opened = await open();
    const { store } = opened;
    const created = await store.createNode({ id: 'desk', name: 'Desktop' }, 1000);
    assert.deepEqual(created, {
      id: 'desk',
      name: 'Desktop',
      generation: 1,
      retiredGeneration: 0,
      intent: 'enabled',
      quarantine: null,
      blockedTemplates: [],
      roles: [],
      hostname: null,
      hostIp: null,
      agentVersion: null,
      capabilities: null,
      lastSeenAt: null,
      createdAt: 1000,
    });
    await refused(store.createNode({ id: 'desk', name: 'Again' }, 2000), 'NODE_EXISTS');
    await nodes(store, 'another');
    const registered = await store.registerNode('desk', registration, 3000);
    assert.deepEqual(registered, { ...created, ...registration, lastSeenAt: 3000 });
    await store.saveBeats([
      { nodeId: 'desk', at: 4000 },
      { nodeId: 'desk', at: 3500 },
      { nodeId: 'none', at: 1 },
    ]);
    const reopened = await opened.reopen();
    assert.equal((await reopened.getNode('desk'))?.lastSeenAt, 4000);
    assert.deepEqual(
      (await reopened.listNodes()).map((node) => node.id),
      ['another', 'desk'],
    );
    assert.equal(await reopened.getNode('none'), null);
  });

  test('generations of a secret go up and are retired, never the newest one', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const generations = (node: { generation: number; retiredGeneration: number }): number[] => [
      node.generation,
      node.retiredGeneration,
    ];
    assert.deepEqual(generations(await store.rotateNode('a')), [2, 0]);
    assert.deepEqual(generations(await store.retireGenerations('a', 2)), [2, 1]);
    assert.deepEqual(generations(await store.retireGenerations('a', 1)), [2, 1], 'never back');
    assert.deepEqual(generations(await store.retireGenerations('a', 99)), [2, 1]);
    await store.removeNode('a', 2000);
    assert.deepEqual(generations(await store.createNode({ id: 'a', name: 'a' }, 3000)), [3, 2]);
  });

  test('what is asked of a node that is not there is refused', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'gone');
    await store.removeNode('gone', 1000);
    for (const id of ['none', 'gone']) {
      await refused(store.rotateNode(id), 'NODE_NOT_FOUND');
      await refused(store.retireGenerations(id, 1), 'NODE_NOT_FOUND');
      await refused(store.registerNode(id, registration, 1000), 'NODE_NOT_FOUND');
      await refused(store.setIntent(id, 'draining'), 'NODE_NOT_FOUND');
      await refused(store.resumeNode(id), 'NODE_NOT_FOUND');
      await refused(store.removeNode(id, 1000), 'NODE_NOT_FOUND');
      await refused(claim(store, id), 'NODE_NOT_FOUND');
      assert.equal(await store.getNode(id), null);
    }
    assert.deepEqual(await store.listNodes(), []);
  });

  test('a removed node hands its tasks back as interrupted', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a', 'b');
    await store.submit([newJob(), newJob(), newJob()]);
    const first = await claimOne(store, 'a');
    const second = await claimOne(store, 'a');
    const other = await claimOne(store, 'b');
    const changes = await store.removeNode('a', 2500);
    assert.deepEqual(
      changes.map(({ task, job }) => [task.id, task.state, job.state]).sort(),
      [first, second].map((task) => [task.id, 'queued', 'queued']).sort(),
    );
    assert.equal((await store.listAttempts(first.jobId))[0]?.outcome, 'interrupted');
    await refused(store.complete(fence(first), result, policy, 2600), 'LEASE_LOST');
    assert.deepEqual(
      (await store.listRunning()).map((task) => task.id),
      [other.id],
    );
    await assertCounted(store);
  });

  test('three failures of one template block it on that node until it is resumed', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    await store.submit(Array.from({ length: 4 }, () => newJob()));
    const fail = async () =>
      store.fail(fence(await claimOne(store, 'a')), crash, { ...policy, maxFailures: 9 }, 2100);
    assert.equal((await fail()).node, null);
    assert.equal((await fail()).node, null);
    const third = await fail();
    assert.deepEqual(third.node?.blockedTemplates, ['card']);
    assert.equal(third.node?.quarantine, null);
    assert.deepEqual(await store.getNode('a'), third.node);
    assert.deepEqual((await store.resumeNode('a')).blockedTemplates, []);
    assert.equal((await fail()).node, null, 'the count starts anew');
  });

  test('three different templates failed in a row quarantine the node; a success in between does not', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const report = async (name: string, kind: 'crash' | 'hopeless' | 'success') => {
      await store.submit([newJob({ template: name })]);
      const task = await claimOne(store, 'a', { accepts: (wanted) => wanted.template === name });
      if (kind === 'success') return store.complete(fence(task), result, policy, 2100);
      const failed = await store.fail(fence(task), kind === 'crash' ? crash : hopeless, policy, 2100);
      if (failed.job.state !== 'failed') await store.cancelJob(task.jobId, 2100);
      return failed;
    };
    await report('t1', 'crash');
    await report('t2', 'crash');
    await report('t3', 'success');
    await report('t1', 'crash');
    await report('t2', 'crash');
    assert.equal((await report('t4', 'hopeless')).node, null, 'not the fault of the node');
    const { node } = await report('t5', 'crash');
    assert.deepEqual(node?.quarantine, {
      since: 2100,
      reason: '3 different templates failed in a row: t1, t2, t5',
    });
    await store.setIntent('a', 'draining');
    const resumed = await store.resumeNode('a');
    assert.deepEqual([resumed.quarantine, resumed.intent], [null, 'enabled']);
  });
}

function templateTests(open: () => Promise<OpenStore>): void {
  test('a template version is stored once; other content under it is refused', async () => {
    await using opened = await open();
    const { store } = opened;
    assert.deepEqual(await store.putTemplate(template('card', '1.0.0')), {
      template: template('card', '1.0.0'),
      already: false,
    });
    const again = await store.putTemplate({ ...template('card', '1.0.0'), pushedAt: 9000 });
    assert.deepEqual(again, { template: template('card', '1.0.0'), already: true });
    await refused(store.putTemplate(template('card', '1.0.0', 'other')), 'TEMPLATE_VERSION_EXISTS');
    assert.deepEqual(await store.getTemplate('card', '1.0.0'), template('card', '1.0.0'));
    assert.equal(await store.getTemplate('card', '9.9.9'), null);
    assert.equal(await store.getTemplate('none'), null);
  });

  test('the newest template is the newest release, else the newest pre-release', async () => {
    await using opened = await open();
    const { store } = opened;
    await store.putTemplate(template('card', '2.0.0-beta.2'));
    await store.putTemplate(template('card', '2.0.0-beta.11'));
    assert.equal((await store.getTemplate('card'))?.version, '2.0.0-beta.11');
    for (const version of ['1.9.0', '1.10.0', '1.2.0']) await store.putTemplate(template('card', version));
    await store.putTemplate(template('blank', '0.1.0'));
    assert.equal((await store.getTemplate('card'))?.version, '1.10.0');
    assert.deepEqual(
      (await store.listTemplates()).map(({ name, version }) => `${name} ${version}`),
      ['blank 0.1.0', 'card 2.0.0-beta.11', 'card 2.0.0-beta.2', 'card 1.10.0', 'card 1.9.0', 'card 1.2.0'],
    );
  });

  test('a template is removed by version or whole, not while unfinished jobs need it', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    for (const version of ['1.0.0', '1.1.0', '2.0.0']) await store.putTemplate(template('card', version));
    const job = newJob({ version: '1.1.0' });
    await store.submit([job, newJob({ version: '1.1.0', runAt: 9000 })]);
    const inUse = await refused(store.removeTemplate('card', '1.1.0'), 'TEMPLATE_IN_USE');
    assert.deepEqual(inUse.details, { jobs: 2 });
    await refused(store.removeTemplate('card'), 'TEMPLATE_IN_USE');
    assert.deepEqual(await store.removeTemplate('card', '1.0.0'), [template('card', '1.0.0')]);
    await refused(store.removeTemplate('card', '1.0.0'), 'TEMPLATE_NOT_FOUND');
    await store.complete(fence(await claimOne(store, 'a')), result, policy, 2100);
    const left = await refused(store.removeTemplate('card'), 'TEMPLATE_IN_USE');
    assert.deepEqual(left.details, { jobs: 1 });
    for (const { job: each } of await store.listJobs({ limit: 9, states: ['scheduled'] }))
      await store.cancelJob(each.id, 1);
    assert.equal((await store.removeTemplate('card')).length, 2);
    await refused(store.removeTemplate('card'), 'TEMPLATE_NOT_FOUND');
  });
}

function logTests(open: () => Promise<OpenStore>): void {
  const lines = (...texts: string[]) =>
    texts.map((line, i) => ({ at: 1000 + i, stream: 'engine' as const, line }));

  test('log lines are read in order, from a cursor on', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const job = newJob({ outputs: 2 });
    await store.submit([job]);
    const first = await claimOne(store, 'a');
    const second = await claimOne(store, 'a');
    await store.appendLog(first.id, 1, lines('one', 'two'), 1000);
    await store.appendLog(second.id, 1, [{ at: 5, stream: 'agent', line: 'drei ß' }], 1000);
    await store.appendLog(first.id, 1, lines('four'), 1000);
    const page = await store.readLog(job.id, 0, 3);
    assert.deepEqual(
      page.lines.map(({ taskId, epoch, at, stream, line }) => [taskId, epoch, at, stream, line]),
      [
        [first.id, 1, 1000, 'engine', 'one'],
        [first.id, 1, 1001, 'engine', 'two'],
        [second.id, 1, 5, 'agent', 'drei ß'],
      ],
    );
    const rest = await store.readLog(job.id, page.next, 3);
    assert.deepEqual(
      rest.lines.map(({ line }) => line),
      ['four'],
    );
    assert.deepEqual(await store.readLog(job.id, rest.next, 3), { lines: [], next: rest.next });
    assert.deepEqual(await store.readLog('j-none', 0, 3), { lines: [], next: 0 });
    await refused(store.appendLog('j-none.0', 1, lines('x'), 1000), 'TASK_NOT_FOUND');
    await refused(store.appendLog(first.id, 7, lines('x'), 1000), 'TASK_NOT_FOUND');
  });

  test('the log of an attempt ends at its limit with a line that says so; another attempt has its own', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const job = newJob();
    await store.submit([job]);
    const task = await claimOne(store, 'a');
    await store.appendLog(task.id, 1, lines('12345678'), 20);
    await store.appendLog(task.id, 1, lines('12345678', 'too much', 'x'), 20);
    await store.appendLog(task.id, 1, lines('x'), 20);
    await store.release(fence(task), 'x', 2100);
    await claimOne(store, 'a');
    await store.appendLog(task.id, 2, lines('second'), 20);
    const { lines: all } = await store.readLog(job.id, 0, 100);
    assert.deepEqual(
      all.map(({ epoch, stream, line }) => [epoch, stream, line]),
      [
        [1, 'engine', '12345678'],
        [1, 'engine', '12345678'],
        [1, 'agent', 'the log ends here: more than 20 bytes'],
        [2, 'engine', 'second'],
      ],
    );
  });
}

function retentionTests(open: () => Promise<OpenStore>): void {
  test('finished jobs are purged by age and beyond the number to keep, oldest first, with all they had', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const asset = { asset: 'c'.repeat(64), name: 'l.png', sizeBytes: 3 };
    const jobs = Array.from({ length: 6 }, (_, i) =>
      newJob({ inputs: i === 0 ? { logo: asset, again: asset } : {} }),
    );
    await store.submit(jobs);
    for (let i = 0; i < 5; i += 1) {
      const task = await claimOne(store, 'a');
      await store.appendLog(task.id, 1, [{ at: 1, stream: 'engine', line: 'x' }], 100);
      await store.complete(fence(task), result, policy, 3000 + i);
    }
    const ids = jobs.map((job) => job.id);
    assert.deepEqual(await store.assetsInUse([asset.asset, 'd'.repeat(64)]), new Set([asset.asset]));
    assert.deepEqual(await store.purgeJobs({ endedBefore: 3000, keep: 5, limit: 10 }), []);
    assert.deepEqual(await store.purgeJobs({ endedBefore: 3002, keep: 5, limit: 1 }), [ids[0]]);
    assert.deepEqual(await store.purgeJobs({ endedBefore: 3002, keep: 5, limit: 10 }), [ids[1]]);
    assert.deepEqual(await store.purgeJobs({ endedBefore: 0, keep: 2, limit: 10 }), [ids[2]]);
    assert.equal(await store.getJob(ids[0] ?? ''), null);
    assert.deepEqual(await store.listAttempts(ids[0] ?? ''), []);
    assert.deepEqual((await store.readLog(ids[0] ?? '', 0, 10)).lines, []);
    assert.deepEqual(await store.assetsInUse([asset.asset]), new Set());
    assert.equal((await store.getJob(ids[5] ?? ''))?.job.state, 'queued', 'unfinished jobs stay');
    await assertCounted(store);
    const reopened = await opened.reopen();
    await assertCounted(reopened);
    assert.deepEqual(await reopened.purgeJobs({ endedBefore: 9e9, keep: 0, limit: 10 }), [ids[3], ids[4]]);
    assert.equal((await claimOne(reopened, 'a')).jobId, ids[5]);
  });

  test('a bundle is in use by a template or an unfinished job', async () => {
    await using opened = await open();
    const { store } = opened;
    await store.putTemplate(template('card', '1.0.0', 'one'));
    const job = newJob({ bundleSha256: 'two' });
    await store.submit([job, newJob({ bundleSha256: 'three' })]);
    await store.cancelJob(job.id, 2000);
    assert.deepEqual(await store.bundlesInUse(['one', 'two', 'three', 'four']), new Set(['one', 'three']));
    await store.retryJob(job.id, 2100);
    assert.deepEqual(await (await opened.reopen()).bundlesInUse(['two']), new Set(['two']));
  });
}
