/** Small questions about invitations. */
import { FlatrenderError } from '../lib/errors.ts';
import type { InvitationRecord } from '../store/store.ts';

/** Whether `a` says more than `b`, which is kept in memory and may be ahead of the store. */
export function isNewer(a: InvitationRecord, b: InvitationRecord): boolean {
  if (a.number !== b.number) return a.number > b.number;
  if (a.usedAt !== b.usedAt) return a.usedAt !== null;
  return a.isApplied && !b.isApplied;
}

/** MESH_KEY_IN_USE: with that key no tunnel could ever be made. */
export function keyInUse(nodeId: string, whose: string): FlatrenderError {
  return new FlatrenderError(
    'MESH_KEY_IN_USE',
    `the key that this machine brings for node ${nodeId} is ${whose}`,
    {
      hint: 'is the machine a copy of another one, or another node already? That one must go (flatrender node remove), or this one needs a key of its own: remove its key file and join again',
    },
  );
}
