/** Whether there is a farm in the database that a control plane is to run on. */
import { existsSync } from 'node:fs';
import { type ControlConfig, resolveInHome } from '../config/control-config.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Store } from '../store/store.ts';
import { storePlace } from './open-store.ts';

/**
 * Refuses a `store` where no farm can be, before anything is made there: a mistyped path or name would otherwise be a new, empty
 * farm, which turns every node away. CONFIG_MISSING; a database server that is away is not asked.
 */
export async function requireDatabase(directory: string, { store }: ControlConfig): Promise<void> {
  if (store.startsWith('sqlite:')) {
    const file = resolveInHome(directory, store.slice('sqlite:'.length));
    if (!existsSync(file)) throw noFarm(`${file}: no such file`);
    return;
  }
  const { checkDatabase } = await import('../store/postgres/check-database.ts');
  const facts = await checkDatabase(store).catch((error: unknown) => {
    if (error instanceof FlatrenderError && error.code === 'UNAVAILABLE') return null;
    throw error;
  });
  if (facts?.hasFarm === false) throw noFarm(storePlace(store));
}

/**
 * Refuses a database that no `control init`, `restore` or `migrate` has prepared: the first leaves a token there, and each of them
 * an entry in the audit log. CONFIG_MISSING.
 */
export async function requireFarm(store: Store, config: ControlConfig): Promise<void> {
  if ((await store.listTokens()).length > 0 || (await store.listNodes()).length > 0) return;
  if ((await store.listJobs({ limit: 1 })).length > 0) return;
  for (const action of ['control init', 'control restore', 'control migrate'])
    if ((await store.listAudit({ action, limit: 1 })).length > 0) return;
  throw noFarm(`${storePlace(config.store)}: it has no token, no node and no job`);
}

function noFarm(where: string): FlatrenderError {
  const setting = process.env.FLATRENDER_STORE ? 'FLATRENDER_STORE' : 'store in flatrender.yaml';
  return new FlatrenderError('CONFIG_MISSING', `there is no farm in ${where}`, {
    hint: `correct ${setting}; a new farm is made there by "flatrender control init", that of a backup by "flatrender control restore"`,
  });
}
