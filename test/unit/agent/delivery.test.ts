import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ActiveTask } from '../../../src/agent/active-task.ts';
import { type Delivered, deliver } from '../../../src/agent/delivery.ts';
import { type OutputEntry, openOutbox } from '../../../src/agent/outbox.ts';
import type { AgentApi } from '../../../src/client/agent-api.ts';
import type { Transfers } from '../../../src/client/transfer.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import type { FailRequest } from '../../../src/protocol/agent.ts';
import { keptLog } from '../../helpers/agent-under-test.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const SHA256 = 'a'.repeat(64);
const PARTS = [1, 2];

/** A render that waits to be delivered, to a control plane that finds another content in all that arrives. */
async function setUp(t: TestContext, options: { readonly isFresh: boolean; digestOf(): string }) {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-delivery-'));
  t.after(() => rm(directory, { recursive: true }));
  const { logger } = keptLog();
  const outbox = await openOutbox(directory, logger);
  const entry: OutputEntry = {
    kind: 'output',
    taskId: 'j1.0',
    epoch: 1,
    path: join(directory, 'main.mp4'),
    workspace: directory,
    fileName: 'main.mp4',
    result: {
      sha256: SHA256,
      sizeBytes: 20,
      frames: 10,
      durationMs: 1000,
      width: 64,
      height: 64,
      codec: 'h264',
      renderMs: 5,
    },
    startedAt: 0,
    key: null,
  };
  await outbox.put(entry);
  const sent = new Set<number>();
  const seen = { parts: 0, released: 0, failed: [] as FailRequest['error'][] };
  const task = new ActiveTask(entry.taskId, entry.epoch);
  const answer = { taskId: entry.taskId, state: 'queued' as const, epoch: 1 };
  const api: Partial<AgentApi> = {
    async uploads() {
      if (sent.size === PARTS.length) {
        sent.clear();
        throw new FlatrenderError('OBJECT_CORRUPT', 'arrived with another content than announced', {
          details: { key: 'outputs/x' },
        });
      }
      const parts = PARTS.filter((number) => !sent.has(number)).map((number) => ({
        number,
        url: String(number),
      }));
      const multipart = { partBytes: 10, sentBytes: 0, parts, done: false };
      return { key: 'outputs/x', url: 'whole', headers: {}, multipart };
    },
    async fail(_, { error }) {
      seen.failed.push(error);
      return answer;
    },
    async release() {
      seen.released += 1;
      return answer;
    },
  };
  const transfers: Partial<Transfers> = {
    async upload({ url }) {
      seen.parts += 1;
      assert.ok(seen.parts < 100, 'it goes on for ever');
      sent.add(Number(url));
    },
  };
  const delivering = (): Promise<Delivered> =>
    deliver(entry, task, {
      api: api as AgentApi,
      transfers: transfers as Transfers,
      outbox,
      clock: manualClock(),
      logger,
      isFresh: options.isFresh,
      digestOf: async () => options.digestOf(),
      pause: async () => undefined,
      onDenied: async () => undefined,
      letGo: async () => undefined,
    });
  return { outbox, seen, delivering };
}

test('a render that changed while it was sent is sent once; the attempt fails and may be made again', async (t) => {
  const { outbox, seen, delivering } = await setUp(t, { isFresh: true, digestOf: () => 'b'.repeat(64) });
  assert.equal(await delivering(), 'failed');
  assert.equal(seen.parts, PARTS.length);
  const [error, ...more] = seen.failed;
  assert.deepEqual([error?.code, error?.retryable, more.length], ['OBJECT_CORRUPT', true, 0]);
  assert.match(error?.message ?? '', /main\.mp4 has another content than announced/);
  assert.equal(outbox.size, 0);
});

test('a render that always arrives with another content is sent twice; then the attempt fails', async (t) => {
  const { outbox, seen, delivering } = await setUp(t, { isFresh: true, digestOf: () => SHA256 });
  assert.equal(await delivering(), 'failed');
  assert.equal(seen.parts, 2 * PARTS.length);
  assert.deepEqual(
    seen.failed.map(({ code, retryable }) => [code, retryable]),
    [['OBJECT_CORRUPT', true]],
  );
  assert.equal(outbox.size, 0);
});

test('a render that was damaged before it is sent goes back to the queue', async (t) => {
  const { outbox, seen, delivering } = await setUp(t, { isFresh: false, digestOf: () => '' });
  assert.equal(await delivering(), 'damaged');
  assert.deepEqual(seen, { parts: 0, released: 1, failed: [] });
  assert.equal(outbox.size, 0);
});
