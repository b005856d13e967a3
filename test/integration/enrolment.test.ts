import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Enrolled, enrol } from '../../src/client/enrol.ts';
import { generateKeyPair, publicKeyOf } from '../../src/mesh/keys.ts';
import type { Invitation } from '../../src/protocol/enrolment.ts';
import { claimBody, startTestControl, type TestControl } from '../helpers/control.ts';
import { fakeMesh } from '../helpers/fake-mesh.ts';
import { advanceUntil, manualClock } from '../helpers/manual-clock.ts';
import { registration } from '../helpers/registration.ts';

async function invited(farm: TestControl, id = 'desk', body: object = {}): Promise<Invitation> {
  await farm.call('POST', '/v1/nodes', { id });
  const { status, body: answer } = await farm.call('POST', `/v1/nodes/${id}/invite`, {
    url: farm.url,
    ...body,
  });
  assert.equal(status, 200, JSON.stringify(answer));
  return answer.invitation;
}

function use(
  farm: TestControl,
  invitation: Invitation,
  publicKey: string,
  clock = farm.clock,
): Promise<Enrolled> {
  const request = { publicKey, hostname: 'desk.local', agentVersion: '1.0.0' };
  return enrol({ invitation, request, clock, signal: AbortSignal.timeout(20_000) });
}

test('a machine becomes a node: a temporary key first, then its own, and a secret that works', async () => {
  const [clock, mesh] = [manualClock(), fakeMesh()];
  await using farm = await startTestControl({ clock, mesh });
  const invitation = await invited(farm);
  assert.equal(invitation.mesh?.address, '10.66.0.11');
  assert.equal(invitation.mesh?.endpoint, 'farm.example.com:51820');
  const temporary = publicKeyOf(invitation.mesh?.privateKey ?? '');
  assert.equal(mesh.all.get('desk')?.publicKey, temporary);
  assert.equal(mesh.all.get('desk')?.temporaryUntil, Date.parse(invitation.expiresAt));
  const view = async () => (await farm.call('GET', '/v1/nodes/desk')).body;
  assert.deepEqual((await view()).invitation.state, 'open');

  const { publicKey } = generateKeyPair();
  const enrolled = await use(farm, invitation, publicKey);
  assert.equal(enrolled.meshAddress, '10.66.0.11');
  await advanceUntil(clock, 50, () => mesh.all.get('desk')?.publicKey === publicKey);
  assert.equal(mesh.all.get('desk')?.temporaryUntil, null);
  const node = { id: 'desk', secret: enrolled.secret };
  assert.equal((await farm.asNode(node, '/v1/agent/register', registration('desk', ['mock']))).status, 200);
  const { status, invitation: after } = await view();
  assert.deepEqual([status, after.state, after.usedBy], ['ready', 'used', 'desk.local']);
});

test('a lost answer is repeated; a copy of the invitation is told who used it', async () => {
  await using farm = await startTestControl({ mesh: fakeMesh() });
  const invitation = await invited(farm);
  const { publicKey } = generateKeyPair();
  const first = await use(farm, invitation, publicKey);
  assert.deepEqual(await use(farm, invitation, publicKey), first);
  await assert.rejects(use(farm, invitation, generateKeyPair().publicKey), {
    code: 'INVITATION_USED',
    message: /^this invitation for desk was used by desk\.local at 20/,
    hint: /flatrender node invite desk/,
  });
});

test('once the node has used its secret, nobody gets it again, not with its own public key either', async () => {
  await using farm = await startTestControl();
  const invitation = await invited(farm);
  const { publicKey } = generateKeyPair();
  const { secret } = await use(farm, invitation, publicKey);
  assert.equal((await farm.asNode({ id: 'desk', secret }, '/v1/agent/claim', claimBody())).status, 204);
  await assert.rejects(use(farm, invitation, publicKey), { code: 'INVITATION_USED' });
});

test('an expired invitation says so, and its temporary key is out of the mesh while the address stays', async () => {
  const [clock, mesh] = [manualClock(), fakeMesh()];
  await using farm = await startTestControl({ clock, mesh });
  const invitation = await invited(farm, 'desk', { hours: 1 });
  await clock.advance(3_599_000);
  assert.equal(mesh.calls.at(-1), 'set desk temporary');
  await advanceUntil(clock, 50, () => mesh.calls.at(-1) === 'remove desk keep');
  await assert.rejects(use(farm, invitation, generateKeyPair().publicKey), {
    code: 'INVITATION_EXPIRED',
    message: /expired at 2026-01-28T11:30:00/,
  });
  assert.equal((await farm.call('GET', '/v1/nodes/desk')).body.invitation.state, 'expired');
  const again = await invited(farm);
  assert.equal(again.mesh?.address, '10.66.0.11');
});

test('a newer invitation kills the one before, and an operator’s own change of the key is left alone', async () => {
  const [clock, mesh] = [manualClock(), fakeMesh()];
  await using farm = await startTestControl({ clock, mesh });
  const first = await invited(farm);
  const second = await invited(farm);
  await assert.rejects(use(farm, first, generateKeyPair().publicKey), { code: 'INVITATION_REPLACED' });
  const { publicKey } = generateKeyPair();
  await mesh.setPeer({ name: 'desk', publicKey });
  await clock.advance(25 * 3_600_000);
  assert.equal(mesh.all.get('desk')?.publicKey, publicKey);
  await assert.rejects(use(farm, second, publicKey), { code: 'INVITATION_EXPIRED' });
});

test('an invitation is good for enrolment only, and a node’s secret is none', async () => {
  await using farm = await startTestControl();
  const invitation = await invited(farm);
  assert.equal(invitation.mesh, null);
  const pretender = { id: 'desk', secret: invitation.secret };
  const claimed = await farm.asNode(pretender, '/v1/agent/claim', claimBody());
  assert.equal(claimed.body.error.code, 'SIGNATURE_INVALID');
  const node = await farm.addNode('other');
  const body = { number: 1, publicKey: generateKeyPair().publicKey, hostname: 'h', agentVersion: '1' };
  assert.equal((await farm.asNode(node, '/v1/agent/enrol', body)).body.error.code, 'SIGNATURE_INVALID');
  const stranger = await farm.asNode({ id: 'nobody', secret: 'x' }, '/v1/agent/enrol', body);
  assert.equal(stranger.body.error.code, 'NODE_UNKNOWN');
  for (const wrong of [
    {},
    { ...body, publicKey: 'A'.repeat(44) },
    { ...body, more: 1 },
    { ...body, number: 0 },
  ]) {
    assert.equal((await farm.asNode(pretender, '/v1/agent/enrol', wrong)).status, 400, JSON.stringify(wrong));
  }
  const nonce = 'n'.repeat(20);
  assert.equal((await farm.asNode(pretender, '/v1/agent/enrol', body, { nonce })).status, 200);
  const replayed = await farm.asNode(pretender, '/v1/agent/enrol', body, { nonce });
  assert.equal(replayed.body.error.code, 'SIGNATURE_REPLAYED');
  const late = await farm.asNode(pretender, '/v1/agent/enrol', body, { created: 1 });
  assert.equal(late.body.error.code, 'CLOCK_SKEW');
});

test('the secret of before works until the machine uses the new one', async () => {
  await using farm = await startTestControl();
  const old = await farm.addNode('desk');
  const invitation = (await farm.call('POST', '/v1/nodes/desk/invite', { url: farm.url })).body.invitation;
  const { secret } = await use(farm, invitation, generateKeyPair().publicKey);
  assert.notEqual(secret, old.secret);
  const claim = async (value: string) =>
    (await farm.asNode({ id: 'desk', secret: value }, '/v1/agent/claim', claimBody())).status;
  assert.equal(await claim(old.secret), 204);
  assert.equal(await claim(secret), 204);
  assert.equal(await claim(old.secret), 401);
});

test('a crash between the store and the mesh is made good at the next start', async () => {
  const mesh = fakeMesh();
  await using farm = await startTestControl({ mesh });
  const invitation = await invited(farm);
  mesh.broken = true;
  const { publicKey } = generateKeyPair();
  await use(farm, { ...invitation, url: farm.url }, publicKey);
  assert.notEqual(mesh.all.get('desk')?.publicKey, publicKey);
  mesh.broken = false;
  await farm.restart();
  const deadline = Date.now() + 10_000;
  while (mesh.all.get('desk')?.publicKey !== publicKey && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(mesh.all.get('desk')?.publicKey, publicKey);
  const asked = mesh.calls.length;
  await farm.restart();
  await farm.call('GET', '/v1/nodes');
  assert.equal(mesh.calls.length, asked, 'done once');
});

test('a removed node is out of the mesh when the answer comes; what could not be cut is said', async () => {
  const mesh = fakeMesh();
  await using farm = await startTestControl({ mesh });
  const invitation = await invited(farm);
  assert.equal((await farm.call('DELETE', '/v1/nodes/desk')).status, 204);
  assert.equal(mesh.all.has('desk'), false);
  await assert.rejects(use(farm, invitation, generateKeyPair().publicKey), { code: 'NODE_UNKNOWN' });
  await invited(farm);
  await assert.rejects(use(farm, invitation, generateKeyPair().publicKey), { code: 'INVITATION_REPLACED' });
  mesh.broken = true;
  const { status, body } = await farm.call('DELETE', '/v1/nodes/desk');
  assert.deepEqual([status, body.removed, body.tunnel.code], [200, 'desk', 'MESH_UNAVAILABLE']);
});

test('a mesh that does not say where nodes dial makes no invitation, and what is wrong is named', async () => {
  const mesh = fakeMesh();
  mesh.endpoint = null;
  await using farm = await startTestControl({ mesh });
  await farm.call('POST', '/v1/nodes', { id: 'desk' });
  const { status, body } = await farm.call('POST', '/v1/nodes/desk/invite', {});
  assert.deepEqual([status, body.error.code], [400, 'MESH_INVALID']);
  assert.match(body.error.hint, /flatrender wg init --endpoint/);
  assert.equal((await farm.call('POST', '/v1/nodes/desk/invite', { mesh: 'none' })).status, 200);
  assert.equal((await farm.call('POST', '/v1/nodes/none/invite', {})).body.error.code, 'NODE_NOT_FOUND');
  assert.deepEqual(mesh.calls, []);
});
