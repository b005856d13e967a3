/** Backing up, restoring and moving a farm's database. */
import { existsSync } from 'node:fs';
import { type ControlConfig, resolveInHome, setControlOption } from '../config/control-config.ts';
import { homePaths } from '../config/home.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { packageVersion } from '../lib/paths.ts';
import {
  type DumpRow,
  DumpSummer,
  type DumpSums,
  isOfFarm,
  refuseRunning,
  sumsThatDiffer,
} from '../store/dump.ts';
import {
  type BackupHeader,
  type BackupSummary,
  backupStream,
  readBackup,
  writeBackup,
} from '../store/dump-file.ts';
import { loadSqlite } from '../store/sqlite/dump.ts';
import { auditLocal } from './audit.ts';
import { openStore, storePlace } from './open-store.ts';

interface CopyOptions {
  /** The state directory. */
  readonly directory: string;
  readonly config: ControlConfig;
  readonly signal: AbortSignal;
  /** Rows so far. */
  readonly onProgress?: ((rows: number) => void) | undefined;
  readonly clock?: Clock | undefined;
}

/** Copies of a farm's database. */
export interface CopyResult {
  readonly sums: DumpSums;
  readonly rows: number;
}

/** The first line of a backup made now. */
export function backupHeader(farm: string, clock: Clock = systemClock): BackupHeader {
  const madeAt = new Date(clock.now()).toISOString();
  return { format: 'flatrender-backup', version: 1, farm, madeAt, madeBy: packageVersion() };
}

/** Writes a backup of a database that no control plane has open, or that several may (PostgreSQL). ALREADY_RUNNING. */
export async function backupFarm(options: CopyOptions & { readonly path: string }): Promise<BackupSummary> {
  const { directory, config, signal, path, onProgress, clock } = options;
  const store = await openStore(directory, config);
  try {
    const rows = counted(ofFarm(store.dump(signal)), onProgress);
    return await writeBackup(path, backupStream(backupHeader(config.farm.name, clock), rows), signal);
  } finally {
    await store.close();
  }
}

/**
 * Writes a backup into the empty database of this configuration, and compares. CONFIG_INVALID when there is a farm in it,
 * ALREADY_RUNNING when a control plane has it open.
 */
export async function restoreFarm(options: CopyOptions & { readonly path: string }): Promise<BackupSummary> {
  const { config, signal, path, onProgress } = options;
  // All of it first: half a restore of a file that turns out to be damaged helps nobody.
  const check = readBackup(path);
  const summer = new DumpSummer();
  for await (const _ of summed(ofFarm(check.rows), summer)) signal.throwIfAborted();
  const wanted = await check.summary;
  await load(counted(ofFarm(readBackup(path).rows), onProgress), {
    ...{ options, to: config.store, action: 'control restore' },
    verify: async (written) => compare(summer, written),
  });
  return wanted;
}

/**
 * Copies the farm of this configuration into another, empty database, compares both, and makes flatrender.yaml name the new
 * one. The old database stays as it is. ALREADY_RUNNING when a control plane has one of them open.
 */
export async function migrateFarm(options: CopyOptions & { readonly to: string }): Promise<CopyResult> {
  const { directory, config, to, signal, onProgress } = options;
  const store = await openStore(directory, config);
  const refuseOpen = async (): Promise<void> =>
    refuseRunning((await store.shared?.listReplicas()) ?? [], storePlace(config.store));
  const summer = new DumpSummer();
  let rows = 0;
  try {
    await refuseOpen();
    await load(summed(counted(ofFarm(store.dump(signal)), count), summer), {
      ...{ options, to, action: 'control migrate' },
      async verify(written) {
        await compare(summer, written);
        // One that was started meanwhile may have acknowledged something that is not in the copy.
        await refuseOpen();
      },
    });
  } finally {
    await store.close();
  }
  if (existsSync(homePaths(directory).config)) setControlOption(directory, 'store', to);
  return { sums: summer.sums, rows };

  function count(done: number): void {
    rows = done;
    onProgress?.(done);
  }
}

interface Load {
  readonly options: CopyOptions;
  /** A `store` setting. */
  readonly to: string;
  readonly action: 'control restore' | 'control migrate';
  /** Given what arrived. PostgreSQL keeps nothing of it when this fails. */
  readonly verify: (written: AsyncIterable<DumpRow>) => Promise<void>;
}

/** Writes a farm into an empty database. Then it remembers who did. */
async function load(rows: AsyncIterable<DumpRow>, { options, to, action, verify }: Load): Promise<void> {
  const { directory, config, signal, clock = systemClock } = options;
  const isSqlite = to.startsWith('sqlite:');
  if (isSqlite) await loadSqlite(resolveInHome(directory, to.slice('sqlite:'.length)), rows, signal);
  else {
    const { loadPostgresFarm } = await import('../store/postgres/load-farm.ts');
    await loadPostgresFarm(to, rows, { signal, verify });
  }
  const store = await openStore(directory, { ...config, store: to });
  try {
    if (isSqlite) await verify(store.dump(signal));
    await auditLocal(store, { at: clock.now(), action, subject: storePlace(to), details: {} });
  } finally {
    await store.close();
  }
}

/** Every row must have arrived as it was. */
async function compare(wanted: DumpSummer, written: AsyncIterable<DumpRow>): Promise<void> {
  const summer = new DumpSummer();
  for await (const row of written) summer.add(row);
  const different = sumsThatDiffer(wanted.sums, summer.sums);
  if (different.length === 0) return;
  throw new FlatrenderError('STORE_FAILED', `the copy is not what it was made of: ${different.join(', ')}`, {
    hint: 'the farm still uses the database it used before; please report this',
  });
}

async function* ofFarm(rows: AsyncIterable<DumpRow>): AsyncGenerator<DumpRow> {
  for await (const row of rows) if (isOfFarm(row)) yield row;
}

async function* counted(
  rows: AsyncIterable<DumpRow>,
  onProgress: ((rows: number) => void) | undefined,
): AsyncGenerator<DumpRow> {
  let count = 0;
  for await (const row of rows) {
    count += 1;
    if (count % 1000 === 0) onProgress?.(count);
    yield row;
  }
  onProgress?.(count);
}

async function* summed(rows: AsyncIterable<DumpRow>, summer: DumpSummer): AsyncGenerator<DumpRow> {
  for await (const row of rows) {
    summer.add(row);
    yield row;
  }
}
