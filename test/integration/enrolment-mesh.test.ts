/** What can go wrong between the store, the mesh and machines that join at the same time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Enrolled, enrol } from '../../src/client/enrol.ts';
import { generateKeyPair, publicKeyOf } from '../../src/mesh/keys.ts';
import type { Invitation } from '../../src/protocol/enrolment.ts';
import { startTestControl, type TestControl } from '../helpers/control.ts';
import { fakeMesh } from '../helpers/fake-mesh.ts';
import { advanceUntil, manualClock } from '../helpers/manual-clock.ts';

async function invited(farm: TestControl, id: string, body: object = {}): Promise<Invitation> {
  await farm.call('POST', '/v1/nodes', { id });
  const { status, body: answer } = await farm.call('POST', `/v1/nodes/${id}/invite`, {
    url: farm.url,
    ...body,
  });
  assert.equal(status, 200, JSON.stringify(answer));
  return answer.invitation;
}

function use(farm: TestControl, invitation: Invitation, publicKey: string): Promise<Enrolled> {
  const request = { publicKey, hostname: 'desk.local', agentVersion: '1.0.0' };
  return enrol({
    invitation: { ...invitation, url: farm.url },
    request,
    clock: farm.clock,
    signal: AbortSignal.timeout(20_000),
  });
}

test('machines that join while others are invited all get their own keys', async () => {
  const [clock, mesh] = [manualClock(), fakeMesh()];
  await using farm = await startTestControl({ clock, mesh });
  const ids = ['one', 'two', 'three', 'four'];
  const keys = new Map(ids.map((id) => [id, generateKeyPair().publicKey]));
  for (const id of ids) await use(farm, await invited(farm, id), keys.get(id) ?? '');
  await invited(farm, 'late');
  await advanceUntil(clock, 250, () => ids.every((id) => mesh.all.get(id)?.publicKey === keys.get(id)));
  assert.notEqual(mesh.all.get('late')?.temporaryUntil, null);
  assert.equal(new Set([...mesh.all.values()].map(({ address }) => address)).size, 5);
});

test('the key of a machine never takes the place of a newer invitation’s', async () => {
  const [clock, mesh] = [manualClock(), fakeMesh()];
  await using farm = await startTestControl({ clock, mesh });
  const old = generateKeyPair().publicKey;
  await use(farm, await invited(farm, 'desk'), old);
  // The new invitation is made while the switch to the old machine's key is due.
  const next = await invited(farm, 'desk');
  await clock.advance(10_000);
  await use(farm, next, generateKeyPair().publicKey);
  assert.equal(mesh.calls.filter((call) => call === 'set desk own').length, 0);
  await advanceUntil(clock, 250, () => mesh.calls.at(-1) === 'set desk own');
  assert.notEqual(mesh.all.get('desk')?.publicKey, old);
});

test('an invitation without a tunnel cuts the temporary key of the one before, not a key of the machine', async () => {
  const [clock, mesh] = [manualClock(), fakeMesh()];
  await using farm = await startTestControl({ clock, mesh });
  await invited(farm, 'desk');
  assert.equal((await invited(farm, 'desk', { mesh: 'none' })).mesh, null);
  await advanceUntil(clock, 250, () => mesh.all.get('desk')?.publicKey === null);
  const { publicKey } = generateKeyPair();
  await mesh.setPeer({ name: 'studio', publicKey });
  await invited(farm, 'studio', { mesh: 'none' });
  await clock.advance(60_000);
  assert.equal(mesh.all.get('studio')?.publicKey, publicKey);
});

test('an invitation that could not be stored leaves the tunnel of the node as it was', async () => {
  const mesh = fakeMesh();
  await using farm = await startTestControl({ mesh });
  await farm.call('POST', '/v1/nodes', { id: 'desk' });
  const { publicKey } = generateKeyPair();
  await mesh.setPeer({ name: 'desk', publicKey });
  // It is removed between the check and the store.
  mesh.onChange = async (what) => {
    mesh.onChange = () => undefined;
    if (what === 'set desk') await farm.control.store.removeNode('desk', 1);
  };
  const { body } = await farm.call('POST', '/v1/nodes/desk/invite', {});
  assert.equal(body.error.code, 'NODE_NOT_FOUND');
  assert.deepEqual(mesh.all.get('desk')?.publicKey, publicKey);
});

test('a temporary key that no invitation has is gone after the next start; keys made by hand stay', async () => {
  const mesh = fakeMesh();
  await using farm = await startTestControl({ mesh });
  const open = await invited(farm, 'open');
  await farm.call('POST', '/v1/nodes', { id: 'desk' });
  const stray = () => ({ publicKey: generateKeyPair().publicKey, temporaryUntil: Date.now() + 3_600_000 });
  await mesh.setPeer({ name: 'desk', ...stray() });
  await mesh.setPeer({ name: 'removed', ...stray() });
  const byHand = generateKeyPair().publicKey;
  await mesh.setPeer({ name: 'laptop', publicKey: byHand });
  await farm.restart();
  const deadline = Date.now() + 10_000;
  while (mesh.all.has('removed') && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(mesh.all.has('removed'), false);
  assert.equal(mesh.all.get('desk')?.publicKey, null);
  assert.equal(mesh.all.get('laptop')?.publicKey, byHand);
  assert.equal(mesh.all.get('open')?.publicKey, publicKeyOf(open.mesh?.privateKey ?? ''));
});

test('keys with which no tunnel could be made are refused before the invitation is spent', async () => {
  const [clock, mesh] = [manualClock(), fakeMesh()];
  await using farm = await startTestControl({ clock, mesh });
  const taken = generateKeyPair().publicKey;
  await mesh.setPeer({ name: 'other', publicKey: taken });
  const invitation = await invited(farm, 'desk');
  const temporary = publicKeyOf(invitation.mesh?.privateKey ?? '');
  const refused = [
    [taken, 'MESH_KEY_IN_USE', /is that of "other"$/],
    [temporary, 'MESH_KEY_IN_USE', /the temporary one/],
    [(await mesh.server()).publicKey, 'MESH_KEY_IN_USE', /that of the control plane$/],
    [`${'A'.repeat(43)}=`, 'MESH_INVALID', /all zero/],
  ] as const;
  for (const [key, code, message] of refused)
    await assert.rejects(use(farm, invitation, key), { code, message });
  assert.equal((await farm.call('GET', '/v1/nodes/desk')).body.invitation.state, 'open');
  await use(farm, invitation, generateKeyPair().publicKey);
});

test('while the mesh cannot be changed machines get their secrets; it follows when it can', async () => {
  const [clock, mesh] = [manualClock(), fakeMesh()];
  await using farm = await startTestControl({ clock, mesh });
  const [desk, gone] = [await invited(farm, 'desk'), await invited(farm, 'gone')];
  mesh.broken = true;
  const { publicKey } = generateKeyPair();
  assert.equal((await use(farm, desk, publicKey)).meshAddress, '10.66.0.11');
  assert.equal((await farm.call('DELETE', '/v1/nodes/gone')).status, 200);
  await clock.advance(120_000);
  mesh.broken = false;
  await advanceUntil(
    clock,
    250,
    () => mesh.all.get('desk')?.publicKey === publicKey && !mesh.all.has('gone'),
  );
  assert.equal(gone.mesh?.address, '10.66.0.12');
});

test('another farm takes no invitation of this one', async () => {
  await using ours = await startTestControl();
  await using theirs = await startTestControl();
  const invitation = await invited(ours, 'desk');
  const { publicKey } = generateKeyPair();
  await assert.rejects(use(theirs, invitation, publicKey), { code: 'NODE_UNKNOWN' });
  await theirs.addNode('desk');
  await assert.rejects(use(theirs, invitation, publicKey), {
    code: 'SIGNATURE_INVALID',
    hint: /flatrender node invite desk/,
  });
});

test('an invitation says how the control plane is reached, not where files are', async () => {
  const objects = { publicUrl: 'https://files.example.com' };
  const address = async (gateway: object, body: object) => {
    const mesh = fakeMesh();
    await using farm = await startTestControl({ mesh, config: { gateway, objects } });
    await farm.call('POST', '/v1/nodes', { id: 'desk' });
    const { body: answer } = await farm.call('POST', '/v1/nodes/desk/invite', body);
    return answer.invitation.url.replace(new URL(farm.url).port, 'PORT');
  };
  assert.equal(await address({}, {}), 'http://127.0.0.1:PORT');
  assert.equal(await address({ publicUrl: 'http://10.66.0.1:8088/' }, {}), 'http://10.66.0.1:8088');
  // The operator asks by the loopback; the node comes through the tunnel.
  assert.equal(await address({ host: '0.0.0.0' }, {}), 'http://10.66.0.1:PORT');
  assert.equal(await address({ host: '0.0.0.0' }, { mesh: 'none' }), 'http://127.0.0.1:PORT');
  assert.equal(await address({ host: '0.0.0.0' }, { url: 'http://x.example' }), 'http://x.example');
});

test('an address in a mesh that is not there is refused, and the invitation of before is still good', async () => {
  await using farm = await startTestControl();
  const first = await invited(farm, 'desk');
  const { status, body } = await farm.call('POST', '/v1/nodes/desk/invite', { address: '10.66.0.50' });
  assert.deepEqual([status, body.error.code], [503, 'MESH_UNAVAILABLE']);
  assert.match(body.error.message, /^10\.66\.0\.50: this farm has no mesh/);
  await use(farm, first, generateKeyPair().publicKey);
});
