import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { AgentSettings, ClaimAnswer, HeartbeatAnswer, ReportAnswer } from '../../src/protocol/agent.ts';
import { claimBody, finish, startTestControl } from '../helpers/control.ts';
import { registration } from '../helpers/registration.ts';

// Agents and control planes are updated one after the other: each must understand the version before and after its own.

test('an agent of the next version, which says more than is known here, is served', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const created = await farm.call('POST', '/v1/nodes', { id: 'newer' });
  const node = { id: 'newer', secret: created.body.secret };
  const known = registration('newer', ['mock']);
  const more = { ...known, moods: ['calm'], capabilities: { ...(known.capabilities as object), quantum: 2 } };
  assert.equal((await farm.asNode(node, '/v1/agent/register', more)).status, 200);
  await farm.submit();
  const claim = { claimId: 'claim-0001', freeSlots: 1, waitMs: 0, hurry: true };
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claim)).body;
  const lease = {
    taskId: task.id,
    epoch: task.epoch,
    phase: 'render',
    frame: 1,
    frames: 10,
    fps: 5,
    watts: 40,
  };
  const beat = await farm.asNode(node, '/v1/agent/heartbeat', { leases: [lease], system: null, tides: [] });
  assert.deepEqual([beat.status, beat.body.lost], [200, []]);
  assert.equal((await finish(farm, node, task)).body.state, 'succeeded');
});

test('an agent of the version before gets everything that it needs', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('older');
  // What agents of version 0.1.0 send, and what their schemas insist on.
  const settings = (await farm.asNode(node, '/v1/agent/register', registration('older', ['mock']))).body;
  for (const name of ['serverTime', 'heartbeatMs', 'leaseMs', 'claimWaitMs', 'previewMs', 'keepRenderingMs'])
    assert.ok(name in settings, name);
  await farm.submit();
  const claim = (
    await farm.asNode(node, '/v1/agent/claim', { claimId: 'claim-0001', freeSlots: 1, waitMs: 0 })
  ).body;
  for (const name of ['id', 'jobId', 'epoch', 'engine', 'template', 'version', 'inputs', 'output'])
    assert.ok(name in claim.task, name);
  for (const name of ['url', 'sha256', 'sizeBytes']) assert.ok(name in claim.bundle, name);
  assert.ok(claim.leaseUntil && Array.isArray(claim.assets));
  const beat = (await farm.asNode(node, '/v1/agent/heartbeat', { leases: [], system: null })).body;
  for (const name of ['serverTime', 'nextMs', 'cancel', 'lost', 'drain']) assert.ok(name in beat, name);
  const { id, epoch } = claim.task;
  const upload = await farm.asNode(node, `/v1/agent/tasks/${id}/uploads`, {
    ...{ epoch, fileName: 'main.mp4', sizeBytes: 10 },
    sha256: createHash('sha256').update('not yet').digest('hex'),
  });
  assert.equal(upload.status, 200);
  for (const name of ['key', 'url', 'headers']) assert.ok(name in upload.body, name);
  assert.equal(typeof upload.body.url, 'string');
});

test('answers of a control plane of the next version, which says more than an agent knows, are read', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  await farm.submit();
  const extra = { weather: 'fine', later: { than: 'this' } };
  const settings = await farm.asNode(node, '/v1/agent/register', registration('studio-1', ['mock']));
  AgentSettings.parse({ ...settings.body, ...extra });
  const claim = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  const task = { ...claim.task, ...extra, output: { ...claim.task.output, ...extra } };
  const read = ClaimAnswer.parse({ ...claim, ...extra, task, bundle: { ...claim.bundle, ...extra } });
  assert.equal(read.task.id, claim.task.id);
  const beat = await farm.asNode(node, '/v1/agent/heartbeat', { leases: [], system: null });
  HeartbeatAnswer.parse({ ...beat.body, ...extra });
  ReportAnswer.parse({ ...extra, taskId: task.id, state: 'evaporated', epoch: 1 });
});
