import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OpenStore, refused } from './store-samples.ts';

const KEY = `${'k'.repeat(42)}A=`;
const OTHER = `${'o'.repeat(42)}A=`;

/** Invitations of nodes: used once, by one machine. */
export function invitationTests(open: () => Promise<OpenStore>): void {
  test('an invitation is bound to the first machine that uses it, durably, and gives a new secret', async () => {
    await using opened = await open();
    const { store } = opened;
    await store.createNode({ id: 'desk', name: 'Desk' }, 100);
    const issued = await store.issueInvitation('desk', { expiresAt: 5000, temporaryKey: OTHER }, 1000);
    assert.deepEqual(issued, {
      nodeId: 'desk',
      number: 1,
      expiresAt: 5000,
      temporaryKey: OTHER,
      usedAt: null,
      usedBy: null,
      publicKey: null,
      isApplied: false,
      generation: null,
    });
    const use = { number: 1, publicKey: KEY, hostname: 'desk.local' };
    const first = await store.useInvitation('desk', use, 2000);
    assert.deepEqual([first.invitation.usedBy, first.invitation.generation], ['desk.local', 2]);
    assert.equal(first.node.generation, 2);
    const store2 = await opened.reopen();
    // The answer was lost: the same machine, even after the invitation's time, gets the same.
    assert.deepEqual(await store2.useInvitation('desk', use, 9000), first);
    await refused(store2.useInvitation('desk', { ...use, publicKey: OTHER }, 2500), 'INVITATION_USED');
    await store2.setInvitationApplied('desk', 1);
    const before = await store2.listInvitations();
    // The machine has used its secret: the answer has arrived, and who asks again has a copy of the invitation.
    await store2.retireGenerations('desk', 2);
    await refused(store2.useInvitation('desk', use, 9500), 'INVITATION_USED');
    assert.deepEqual(await store2.listInvitations(), before);
    assert.deepEqual(await store2.listInvitations(), [{ ...first.invitation, isApplied: true }]);
  });

  test('an invitation expires, and a newer one kills it', async () => {
    await using opened = await open();
    const { store } = opened;
    await refused(store.issueInvitation('desk', { expiresAt: 1, temporaryKey: null }, 0), 'NODE_NOT_FOUND');
    await store.createNode({ id: 'desk', name: 'Desk' }, 100);
    const use = { publicKey: KEY, hostname: 'desk.local' };
    await refused(store.useInvitation('desk', { ...use, number: 1 }, 0), 'INVITATION_REPLACED');
    await store.issueInvitation('desk', { expiresAt: 5000, temporaryKey: null }, 1000);
    await refused(store.useInvitation('desk', { ...use, number: 1 }, 5000), 'INVITATION_EXPIRED');
    const second = await store.issueInvitation('desk', { expiresAt: 9000, temporaryKey: null }, 6000);
    assert.equal(second.number, 2);
    await refused(store.useInvitation('desk', { ...use, number: 1 }, 6500), 'INVITATION_REPLACED');
    await store.setInvitationApplied('desk', 1);
    assert.equal((await store.listInvitations())[0]?.isApplied, false, 'that was the one before');
    assert.equal((await store.useInvitation('desk', { ...use, number: 2 }, 6500)).node.generation, 2);
  });

  test('an invitation does not outlive its node, not even for a later node of that id', async () => {
    await using opened = await open();
    const { store } = opened;
    await store.createNode({ id: 'desk', name: 'Desk' }, 100);
    await store.issueInvitation('desk', { expiresAt: 5000, temporaryKey: OTHER }, 1000);
    await store.removeNode('desk', 1500);
    assert.deepEqual(await store.listInvitations(), []);
    const use = { number: 1, publicKey: KEY, hostname: 'desk.local' };
    await refused(store.useInvitation('desk', use, 2000), 'NODE_NOT_FOUND');
    await store.createNode({ id: 'desk', name: 'Desk' }, 2000);
    await refused(store.useInvitation('desk', use, 2000), 'INVITATION_REPLACED');
    assert.deepEqual(await store.listInvitations(), [], 'the later node was never invited');
    const next = await store.issueInvitation('desk', { expiresAt: 5000, temporaryKey: null }, 2000);
    assert.ok(next.number > 1);
  });
}
