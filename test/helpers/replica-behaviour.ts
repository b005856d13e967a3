/** What holds whichever control plane of a farm answers; run over every store that several can share. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { cleanUp } from '../../src/control/background.ts';
import { claimBody, finish, type TestControl, type TestNode, until } from './control.ts';
import { follow } from './event-stream.ts';
import type { Replicas, ReplicasOptions } from './replicas.ts';
import { webhookReceiver } from './webhook-receiver.ts';

const beat = (control: TestControl, node: TestNode, leases: unknown[] = []) =>
  control.asNode(node, '/v1/agent/heartbeat', { leases, system: null });

const report = (task: { id: string; epoch: number }, frame = 1) => ({
  taskId: task.id,
  epoch: task.epoch,
  phase: 'render',
  frame,
  frames: 10,
  fps: 5,
});

async function three(replicas: Replicas): Promise<[TestControl, TestControl, TestControl]> {
  const [a, b, c] = replicas.all;
  assert.ok(a && b && c);
  await a.addTemplate();
  return [a, b, c];
}

/** The next call of this method waits until it is let go. */
function hold<T extends object, K extends keyof T & string>(
  target: T,
  method: K,
): { reached: Promise<void>; letGo: () => void } {
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const real = target[method] as (...args: unknown[]) => unknown;
  const held = async (...args: unknown[]): Promise<unknown> => {
    target[method] = real as T[K];
    reached.resolve();
    await gate.promise;
    return real.apply(target, args);
  };
  target[method] = held as T[K];
  return { reached: reached.promise, letGo: () => gate.resolve() };
}

export function replicaTests(start: (options: ReplicasOptions) => Promise<Replicas>): void {
  test('a node may talk to any control plane: claim at one, heartbeats and completion at others, progress and end seen everywhere', async () => {
    await using replicas = await start({ count: 3 });
    const [a, b, c] = await three(replicas);
    const node = await a.addNode('studio-1');
    await using stream = await follow(c);
    // It asks at B, of which it is not known whether it has heard of the node yet.
    const poll = b.asNode(node, '/v1/agent/claim', claimBody(10_000));
    await until(() => b.control.dispatcher.waiting === 1);
    const submittedAt = performance.now();
    const job = await a.submit({ inputs: { title: 'hello' } });
    const { task } = (await poll).body;
    assert.equal(task.jobId, job);
    assert.ok(performance.now() - submittedAt < 1500, 'woken, not found by looking');
    for (const [frame, control] of [a, b, c, a].entries()) {
      const { body } = await beat(control, node, [report(task, frame + 1)]);
      assert.deepEqual([body.cancel, body.lost], [[], []], `heartbeat at control plane ${frame}`);
    }
    await until(async () => {
      const answers = await Promise.all([a, b, c].map((control) => control.call('GET', `/v1/jobs/${job}`)));
      return answers.every(({ body }) => body.progress >= 0.4 && body.tasks[0].phase === 'render');
    });
    await until(async () => (await c.call('GET', '/v1/nodes/studio-1')).body.running.length === 1);
    assert.equal((await finish(c, node, task)).body.state, 'succeeded');
    assert.equal((await finish(a, node, task)).body.state, 'succeeded', 'said again elsewhere');
    await until(() => stream.statesOf(job).includes('succeeded'));
    assert.deepEqual([...new Set(stream.statesOf(job))], ['queued', 'running', 'succeeded']);
    await until(() => [a, b, c].every(({ control }) => control.leases.size === 0));
  });

  test('a job cancelled at one control plane is told to its node by another', async () => {
    await using replicas = await start({ count: 3 });
    const [a, b, c] = await three(replicas);
    const node = await a.addNode('studio-1');
    const job = await b.submit();
    const { task } = (await a.asNode(node, '/v1/agent/claim', claimBody())).body;
    await beat(a, node, [report(task)]);
    await beat(b, node, [report(task)]);
    assert.equal((await c.call('POST', `/v1/jobs/${job}/cancel`, {})).status, 200);
    const ref = { taskId: task.id, epoch: task.epoch };
    for (const control of [a, b]) {
      await until(() => control.control.leases.size === 0);
      assert.deepEqual((await beat(control, node, [report(task)])).body.cancel, [ref]);
    }
    assert.equal((await finish(b, node, task)).body.error.code, 'LEASE_LOST');
  });

  test('nodes, secrets, templates and tokens count everywhere at once', async () => {
    await using replicas = await start({ count: 3 });
    const [a, b, c] = await three(replicas);
    const node = await a.addNode('studio-1');
    const again = await b.call('POST', '/v1/nodes', { id: 'studio-1', rotate: true });
    const rotated = { id: node.id, secret: again.body.secret };
    assert.equal((await beat(c, rotated)).status, 200, 'the new secret at a third one');
    await until(async () => (await beat(a, node)).status === 401);
    await c.call('POST', '/v1/nodes/studio-1/drain', {});
    await until(async () => (await beat(a, rotated)).body.drain === true);

    const reader = await a.newToken('read');
    const asReader = (control: TestControl) =>
      control.call('GET', '/v1/jobs', undefined, { authorization: `Bearer ${reader.token}` });
    assert.equal((await asReader(b)).status, 200);
    await c.call('DELETE', `/v1/tokens/${reader.id}`);
    await until(async () => (await asReader(b)).status === 401);

    assert.equal((await b.call('GET', '/v1/templates/mock-template')).body.version, '1.0.0');
    await a.addTemplate('mock-template', { version: '1.0.0' });
    await c.call('DELETE', '/v1/templates/mock-template');
    await until(async () => (await b.call('GET', '/v1/templates/mock-template')).status === 404);

    await c.call('DELETE', '/v1/nodes/studio-1');
    for (const control of [a, b])
      await until(async () => (await control.call('GET', '/v1/nodes')).body.nodes.length === 0);
    assert.equal((await beat(b, rotated)).body.error.code, 'NODE_UNKNOWN');
  });

  test('pictures and log lines that one control plane takes are shown by the others', async () => {
    await using replicas = await start({ count: 3 });
    const [a, b, c] = await three(replicas);
    const node = await a.addNode('studio-1');
    const job = await b.submit();
    const { task } = (await a.asNode(node, '/v1/agent/claim', claimBody())).body;
    await until(() => b.control.replicas.hasOthers);
    await using stream = await follow(c, `?job=${job}`);
    const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 7);
    const sent = await b.asNode(node, `/v1/agent/tasks/${task.id}/preview`, jpeg, {
      method: 'PUT',
      query: `epoch=${task.epoch}`,
      contentType: 'image/jpeg',
    });
    assert.equal(sent.status, 204);
    const picture = await fetch(`${c.url}/v1/jobs/${job}/preview`, {
      headers: { authorization: `Bearer ${c.token}` },
    });
    assert.deepEqual(new Uint8Array(await picture.arrayBuffer()), jpeg);
    const lines = [{ at: new Date().toISOString(), stream: 'engine', line: 'frame 1' }];
    await a.asNode(node, `/v1/agent/tasks/${task.id}/log`, { epoch: task.epoch, lines });
    await until(() => stream.events.some(({ type }) => type === 'log'));
    assert.equal((await c.call('GET', `/v1/jobs/${job}/log`)).body.lines[0].line, 'frame 1');
  });

  test('a webhook is delivered once, whichever control plane ended the job; failed, it is replayed at any of them, with another one leading', async () => {
    await using receiver = await webhookReceiver();
    await using replicas = await start({ count: 3, config: { webhooks: { allowPrivate: true } } });
    const [a, b, c] = await three(replicas);
    const jobs = await Promise.all([a, b, c].map((control) => control.submit({ webhook: receiver.url })));
    for (const [i, control] of [b, c, a].entries()) {
      assert.equal((await control.call('POST', `/v1/jobs/${jobs[i]}/cancel`, {})).status, 200);
    }
    await until(() => receiver.calls.length >= 3);
    assert.equal(new Set(receiver.calls.map(({ headers }) => headers['webhook-id'])).size, 3);
    receiver.answer = (response) => response.writeHead(410).end();
    const last = await c.submit({ webhook: receiver.url });
    await b.call('POST', `/v1/jobs/${last}/cancel`, {});
    const delivery = async () => (await c.call('GET', `/v1/webhooks?job=${last}`)).body.deliveries[0];
    await until(async () => (await delivery()).state === 'failed');
    receiver.answer = (response) => response.writeHead(200).end();
    // The one that leads goes, and comes back as one that does not.
    await a.restart();
    await c.call('POST', `/v1/webhooks/${(await delivery()).id}/replay`, {});
    await until(async () => (await delivery()).state === 'delivered');
    assert.equal(receiver.calls.length, 5);
  });

  test('a delayed job runs at its time, whichever control plane took it', async () => {
    await using replicas = await start({ count: 3 });
    const [, b, c] = await three(replicas);
    const node = await b.addNode('studio-1');
    const runAt = new Date(Date.now() + 600).toISOString();
    const poll = c.asNode(node, '/v1/agent/claim', claimBody(10_000));
    const job = await b.submit({ runAt });
    const { task } = (await poll).body;
    assert.equal(task.jobId, job);
    assert.ok(Date.now() >= Date.parse(runAt));
    assert.ok(Date.now() - Date.parse(runAt) < 1500, 'not only when somebody looks');
  });

  test('a file that is about to be cleaned up is kept for a job submitted elsewhere, or the job is refused', async () => {
    // Older than a tenth of a second is old.
    await using replicas = await start({ count: 3, config: { retention: { unusedAssetsDays: 1e-6 } } });
    const [a, b] = await three(replicas);
    const { signal } = new AbortController();
    const submit = async (asset: string) =>
      b.call('POST', '/v1/jobs', {
        template: 'mock-template',
        inputs: { logo: { asset, name: 'logo.png', sizeBytes: 1 } },
      });
    const put = async (asset: string): Promise<string> => {
      await a.control.objects.put(`assets/${asset}`, Buffer.from('x'));
      await delay(200);
      return `assets/${asset}`;
    };

    const kept = await put('c'.repeat(64));
    const storing = hold(b.control.store, 'submit');
    const submitted = submit('c'.repeat(64));
    await storing.reached;
    const cleaning = cleanUp(a.control, signal);
    await delay(200);
    assert.ok(await a.control.objects.head(kept), 'the clean-up waits');
    storing.letGo();
    assert.equal((await submitted).status, 201);
    await cleaning;
    assert.ok(await a.control.objects.head(kept), 'and sees who needs it');

    const gone = await put('d'.repeat(64));
    const removing = hold(a.control.objects, 'removeAll');
    const removed = cleanUp(a.control, signal);
    await removing.reached;
    const late = submit('d'.repeat(64));
    await delay(200);
    removing.letGo();
    assert.equal((await removed).assets, 1);
    assert.equal((await late).body.error.code, 'OBJECT_NOT_FOUND');
    assert.equal(await a.control.objects.head(gone), null);
  });

  test('health and metrics name the control planes and the one that leads', async () => {
    await using replicas = await start({ count: 3 });
    const [a, b] = await three(replicas);
    await until(async () => (await b.call('GET', '/health')).body.replicas.length === 3);
    const { body } = await b.call('GET', '/health');
    assert.equal(body.status, 'ok');
    assert.equal(body.replicas.filter(({ isLeader }: { isLeader: boolean }) => isLeader).length, 1);
    assert.ok(body.replicas.some(({ id }: { id: string }) => id === body.replica.id));
    const leads = await Promise.all(
      replicas.all.map(async (control) => (await control.call('GET', '/health')).body.replica.isLeader),
    );
    assert.deepEqual(leads.filter(Boolean), [true]);
    assert.match(String((await a.call('GET', '/metrics')).body), /flatrender_replicas\{.*leader="true"\} 1/);
  });

  test('another farm secret, or objects in another place, is refused with what to do', async () => {
    await using replicas = await start({ count: 1 });
    await assert.rejects(replicas.add({ sameSecret: false }), (error: Error & { hint?: string }) => {
      assert.match(error.message, /farm\.secret is not the farm secret of this database/);
      assert.match(String(error.hint), /scp /);
      return true;
    });
    await assert.rejects(
      replicas.add({ config: { objects: { path: 'elsewhere' } } }),
      /the objects of this farm are not in .*elsewhere/,
    );
    // The right ones are taken.
    assert.equal((await (await replicas.add()).call('GET', '/health')).status, 200);
  });
}
