/** Whether this control plane belongs to the farm whose database it has: the same secret, the same objects. */
import { createHash, randomBytes } from 'node:crypto';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { type ObjectStore, objectKeys } from '../objects/object-store.ts';
import { AGREED } from '../store/dump.ts';
import type { SharedStore } from '../store/shared.ts';
import type { Store } from '../store/store.ts';

interface FarmObjectsOptions {
  readonly store: Store;
  readonly objects: ObjectStore;
  /** Where the objects are, for people. */
  readonly place: string;
  readonly logger: Logger;
}

const SECRET = 'farm-secret';
/** The setting that says which secret the farm has, in a database that several control planes may share. */
export const AGREED_SECRET: string = AGREED + SECRET;

/** CONFIG_INVALID when these are not the objects of this farm. Answers with what of them is missing; null: nothing that shows. */
export async function compareObjects(options: FarmObjectsOptions): Promise<string | null> {
  const { store, objects, place } = options;
  if (store.shared) await requireSameObjects(store.shared, options);
  const templates = await store.listTemplates();
  if (templates.length === 0) return null;
  // One question tells an empty directory or bucket from the farm's own.
  const { name, version, sha256 } = templates.reduce((a, b) => (b.pushedAt > a.pushedAt ? b : a));
  if ((await objects.head(objectKeys.bundle(sha256))) !== null) return null;
  return `the bundle of the newest template, ${name}@${version}, is not in ${place}: correct objects in flatrender.yaml when the files of this farm are elsewhere, else push its templates again`;
}

const markOf = (id: string): string => `farm/${id}`;

/** Refuses another farm.secret than the farm's: its nodes would be turned away here and only here. CONFIG_INVALID. */
export async function requireSameSecret(
  shared: SharedStore,
  farmSecret: Uint8Array,
  secretFile: string,
): Promise<void> {
  // Of 32 random bytes; nobody gets them back from this.
  const own = createHash('sha256').update('flatrender farm.secret\n').update(farmSecret).digest('hex');
  if ((await shared.agree(SECRET, own)) === own) return;
  throw new FlatrenderError('CONFIG_INVALID', `${secretFile} is not the farm secret of this database`, {
    hint: `copy farm.secret from the machine of another control plane: scp THAT-MACHINE:${secretFile} ${secretFile}`,
  });
}

/**
 * Refuses a directory or bucket that the others do not have: files would be there and not there. Each control plane leaves a
 * mark of its own; the farm's is the first one's, and all must see it. CONFIG_INVALID.
 */
async function requireSameObjects(shared: SharedStore, options: FarmObjectsOptions): Promise<void> {
  const { objects, place, logger } = options;
  const own = randomBytes(8).toString('hex');
  await objects.put(markOf(own), Buffer.from('a control plane was here\n'));
  const kept = await shared.agree('objects', own);
  if (kept === own) return;
  try {
    if ((await objects.head(markOf(kept))) !== null) return;
    const others = (await shared.listReplicas()).filter(({ id }) => id !== shared.replicaId);
    if (others.length === 0) {
      // The objects were moved while nothing ran.
      await objects.put(markOf(kept), Buffer.from('a control plane was here\n'));
      logger.warn('objects.new-place', { place, message: 'the objects of this farm are here from now on' });
      return;
    }
    const where = others.map(({ hostname }) => hostname).join(', ');
    throw new FlatrenderError(
      'CONFIG_INVALID',
      `the objects of this farm are not in ${place}: the other control planes (${where}) have theirs elsewhere`,
      {
        hint: 'several control planes need one place for objects: objects.type s3 with the same bucket, or a directory that all of them mount',
      },
    );
  } finally {
    await objects.remove(markOf(own));
  }
}
