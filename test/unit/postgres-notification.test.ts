import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outbox, parseNotification } from '../../src/store/postgres/notification.ts';
import type { FarmChange } from '../../src/store/shared.ts';
import { requirement } from '../conformance/store-samples.ts';

/** Everything that is waiting, as receivers read it. */
function sent(outbox: Outbox, limit = 1000) {
  const texts = outbox.take('me', 0, limit);
  for (const text of texts) assert.ok(Buffer.byteLength(text) < 8000, `${Buffer.byteLength(text)} bytes`);
  return texts.map((text) => parseNotification(text));
}

test('each thing is told once, however often it changed, and nothing of it is lost', () => {
  const outbox = new Outbox();
  const queued = (count: number, template = 'card'): FarmChange => ({
    kind: 'queued',
    requirement: requirement({ template }),
    count,
  });
  outbox.add([{ kind: 'job', jobId: 'j1' }, queued(2), { kind: 'log', jobId: 'j1', after: 7 }]);
  outbox.add([{ kind: 'log', jobId: 'j1', after: 3 }, queued(5), queued(1, 'other')]);
  outbox.add([
    { kind: 'node', nodeId: 'a' },
    { kind: 'job', jobId: 'j1' },
    { kind: 'delayed', runAt: 9 },
  ]);
  outbox.add([
    { kind: 'nodeRemoved', nodeId: 'a' },
    { kind: 'delayed', runAt: 12 },
  ]);
  assert.deepEqual(sent(outbox), [
    {
      replicaId: 'me',
      seq: 1,
      changes: [
        { kind: 'log', jobId: 'j1', after: 3 },
        queued(7),
        queued(1, 'other'),
        { kind: 'job', jobId: 'j1' },
        { kind: 'nodeRemoved', nodeId: 'a' },
        { kind: 'delayed', runAt: 9 },
      ],
    },
  ]);
  assert.equal(outbox.isEmpty, true);
  assert.deepEqual(sent(outbox), []);
});

test('many changes are split below the limit of PostgreSQL, in order, some at a time', () => {
  const outbox = new Outbox();
  // Longer in bytes than in characters.
  const ids = Array.from({ length: 1000 }, (_, i) => `ü${i}`.repeat(9));
  outbox.add(ids.map((jobId) => ({ kind: 'job', jobId })));
  const parts = sent(outbox, 3);
  assert.equal(parts.length, 3);
  assert.equal(outbox.isEmpty, false);
  const all = [...parts, ...sent(outbox)];
  assert.deepEqual(
    all.flatMap((part) => part?.changes ?? []).map((change) => 'jobId' in change && change.jobId),
    ids,
  );
  assert.deepEqual(
    all.slice(0, 3).map((part) => part?.seq),
    [1, 2, 3],
  );
});

test('what is too long to be told, and a flood, become "compare everything"', () => {
  const outbox = new Outbox();
  const tags = Array.from({ length: 500 }, (_, i) => `a-rather-long-tag-${i}`);
  outbox.add([
    { kind: 'job', jobId: 'j1' },
    { kind: 'queued', requirement: requirement({ tags }), count: 1 },
    { kind: 'job', jobId: 'j2' },
  ]);
  const parts = sent(outbox);
  assert.ok(parts.some((part) => part?.changes === null));
  assert.deepEqual(
    parts.flatMap((part) => part?.changes ?? []),
    [
      { kind: 'job', jobId: 'j1' },
      { kind: 'job', jobId: 'j2' },
    ],
  );
  for (let i = 0; i <= 20_000; i += 1) outbox.add([{ kind: 'job', jobId: `j${i}` }]);
  assert.deepEqual(sent(outbox), [{ replicaId: 'me', seq: 1, changes: null }]);
});

test('only notifications of flatrender are read, and of them what this version knows', () => {
  for (const text of ['', 'hello', '{}', 'null', '[]', '{"r":1,"s":1,"c":[]}', '{"r":"x","s":"1","c":[]}'])
    assert.equal(parseNotification(text), null, text);
  assert.deepEqual(
    parseNotification('{"r":"x","s":1,"c":[1,null,{"kind":"tomorrow"},{"kind":"delivery"}]}'),
    {
      replicaId: 'x',
      seq: 1,
      changes: [{ kind: 'delivery' }],
    },
  );
});
