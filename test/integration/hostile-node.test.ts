import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { claimBody, finish, startTestControl, type TestControl, type TestNode } from '../helpers/control.ts';

interface Task {
  readonly id: string;
  readonly jobId: string;
  readonly epoch: number;
}

/** Two nodes with a task each; the first one has a valid secret and bad intentions. */
async function twoNodes(
  farm: TestControl,
): Promise<{ bad: TestNode; good: TestNode; own: Task; foreign: Task }> {
  await farm.addTemplate();
  const bad = await farm.addNode('bad');
  const good = await farm.addNode('good');
  const claim = async (node: TestNode): Promise<Task> => {
    await farm.submit();
    return (await farm.asNode(node, '/v1/agent/claim', claimBody())).body.task;
  };
  return { bad, good, own: await claim(bad), foreign: await claim(good) };
}

const output = {
  ...{ sha256: 'a'.repeat(64), sizeBytes: 1, frames: 1, durationMs: 1, width: 2, height: 2 },
  ...{ codec: 'h264', renderMs: 1, overheadMs: 1 },
};
const sha256Of1 = createHash('sha256')
  .update(Buffer.from([1]))
  .digest('hex');
const line = { at: '2026-01-01T00:00:00Z', stream: 'engine', line: 'forged' };

test('a node can do nothing to the task of another one, whatever it says, and that one finishes', async () => {
  await using farm = await startTestControl();
  const { bad, good, foreign } = await twoNodes(farm);
  const path = `/v1/agent/tasks/${foreign.id}`;
  for (const epoch of [foreign.epoch, foreign.epoch + 1]) {
    const key = `outputs/${foreign.jobId}/${foreign.id}-${epoch}/main.mp4`;
    // It is even there: what counts is who says so.
    await farm.control.objects.put(key, Buffer.from([1]));
    const attempts: [string, unknown][] = [
      ['complete', { epoch, result: { ...output, key, sha256: sha256Of1 } }],
      ['fail', { epoch, error: { code: 'ENGINE_FAILED', message: 'forged' } }],
      ['release', { epoch, reason: 'forged' }],
      ['log', { epoch, lines: [line] }],
      ['uploads', { epoch, fileName: 'main.mp4', sizeBytes: 1, sha256: 'a'.repeat(64) }],
    ];
    for (const [verb, body] of attempts) {
      const { status } = await farm.asNode(bad, `${path}/${verb}`, body);
      assert.ok(status === 409 || status === 422, `${verb} with epoch ${epoch}: ${status}`);
    }
    const preview = await farm.asNode(bad, `${path}/preview`, Buffer.from([0xff, 0xd8, 0xff, 0]), {
      method: 'PUT',
      query: `epoch=${epoch}`,
      contentType: 'image/jpeg',
    });
    assert.equal(preview.status, 409);
    const lease = { taskId: foreign.id, epoch, phase: 'render', frame: 5, frames: 10, fps: 1 };
    const beat = await farm.asNode(bad, '/v1/agent/heartbeat', { leases: [lease], system: null });
    assert.deepEqual(beat.body.lost, [{ taskId: foreign.id, epoch }]);
  }
  const { body: job } = await farm.call('GET', `/v1/jobs/${foreign.jobId}`);
  assert.equal(job.tasks[0].state, 'running');
  assert.equal(job.tasks[0].node, 'good');
  assert.equal(job.tasks[0].frame, 0);
  assert.deepEqual((await farm.call('GET', `/v1/jobs/${foreign.jobId}/log`)).body.lines, []);
  assert.equal((await farm.call('GET', `/v1/jobs/${foreign.jobId}/preview`)).status, 404);
  assert.equal((await finish(farm, good, foreign)).status, 200);
});

test('the output of a node is at the place of its own attempt, and nowhere else', async () => {
  await using farm = await startTestControl();
  const { bad, own, foreign } = await twoNodes(farm);
  const place = `outputs/${own.jobId}/${own.id}-${own.epoch}/`;
  const complete = (key: string) =>
    farm.asNode(bad, `/v1/agent/tasks/${own.id}/complete`, { epoch: own.epoch, result: { ...output, key } });
  for (const key of [
    `outputs/${foreign.jobId}/${foreign.id}-${foreign.epoch}/main.mp4`,
    `${place}../x`,
    `${place}a/b`,
    place,
    `assets/${'a'.repeat(64)}`,
    '../farm.secret',
    '',
  ])
    assert.equal((await complete(key)).status, 400, key);
  for (const fileName of ['../main.mp4', 'a/b', '', 'x'.repeat(101), '%2e%2e', 'a\0b']) {
    const body = { epoch: own.epoch, fileName, sizeBytes: 1, sha256: 'a'.repeat(64) };
    assert.equal((await farm.asNode(bad, `/v1/agent/tasks/${own.id}/uploads`, body)).status, 400, fileName);
  }
});

test('the address of an upload is good for that file, that size and that content alone', async () => {
  await using farm = await startTestControl({ config: { limits: { uploadBytes: 5000 } } });
  const { bad, own, foreign } = await twoNodes(farm);
  const film = Buffer.from('a film');
  const sha256 = createHash('sha256').update(film).digest('hex');
  const ask = (sizeBytes: number) =>
    farm.asNode(bad, `/v1/agent/tasks/${own.id}/uploads`, {
      epoch: own.epoch,
      fileName: 'main.mp4',
      sizeBytes,
      sha256,
    });
  assert.equal((await ask(5001)).status, 413);
  const { url } = (await ask(film.length)).body;
  const put = async (to: string, bytes: Buffer) =>
    (await fetch(to, { method: 'PUT', body: new Uint8Array(bytes) })).status;
  assert.equal(await put(url, Buffer.alloc(film.length)), 422);
  assert.equal(await put(url, Buffer.alloc(film.length + 1)), 422);
  assert.equal(await put(url.replace(own.id, foreign.id), film), 403);
  assert.equal(await put(url.replace('main.mp4', 'other.mp4'), film), 403);
  assert.equal((await fetch(url)).status, 403);
  assert.equal(await put(url, film), 200);
});

test('an attempt has so many files, and the reasons for its failure so much room', async () => {
  await using farm = await startTestControl();
  const { bad, own } = await twoNodes(farm);
  const ask = async (fileName: string, epoch = own.epoch): Promise<number> =>
    (
      await farm.asNode(bad, `/v1/agent/tasks/${own.id}/uploads`, {
        ...{ epoch, fileName, sizeBytes: 1, sha256: sha256Of1 },
      })
    ).status;
  for (let n = 1; n <= 16; n += 1) assert.equal(await ask(`file-${n}`), 200);
  assert.equal(await ask('file-17'), 400);
  assert.equal(await ask('file-3'), 200);
  const error = { code: 'ENGINE_FAILED', message: 'too much to say', details: { names: 'x'.repeat(70_000) } };
  const failed = await farm.asNode(bad, `/v1/agent/tasks/${own.id}/fail`, { epoch: own.epoch, error });
  assert.equal(failed.status, 200);
  const { body: job } = await farm.call('GET', `/v1/jobs/${own.jobId}`);
  assert.deepEqual(job.tasks[0].attempts[0].error.details, { omittedBytes: 70_012 });
  assert.equal(job.tasks[0].attempts[0].error.message, 'too much to say');
});

test('a node has no say in what clients do, nor in other nodes', async () => {
  await using farm = await startTestControl();
  const { bad, own } = await twoNodes(farm);
  for (const [method, path] of [
    ['GET', '/v1/jobs'],
    ['POST', `/v1/jobs/${own.jobId}/cancel`],
    ['POST', '/v1/nodes/good/drain'],
    ['DELETE', '/v1/nodes/good'],
    ['POST', '/v1/backup'],
    ['GET', '/v1/webhooks/secret'],
  ] as const) {
    const { status } = await farm.asNode(bad, path, method === 'GET' ? '' : {}, { method });
    assert.equal(status, 401, `${method} ${path}`);
  }
});

test('the log of an attempt has an end, however much a node sends', async () => {
  await using farm = await startTestControl({ config: { limits: { logBytesPerAttempt: 20_000 } } });
  const { bad, own } = await twoNodes(farm);
  const lines = Array.from({ length: 5 }, () => ({ ...line, line: 'x'.repeat(8000) }));
  for (let i = 0; i < 4; i += 1)
    assert.equal(
      (await farm.asNode(bad, `/v1/agent/tasks/${own.id}/log`, { epoch: own.epoch, lines })).status,
      204,
    );
  const kept = (await farm.call('GET', `/v1/jobs/${own.jobId}/log`)).body.lines as { line: string }[];
  const bytes = kept.reduce((sum, each) => sum + each.line.length, 0);
  assert.ok(bytes > 0 && bytes <= 30_000, String(bytes));
});
