/** Backing up, restoring and moving a farm's database. */
import { existsSync } from 'node:fs';
import { type ControlConfig, resolveInHome, setControlOption } from '../config/control-config.ts';
import { homePaths } from '../config/home.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { packageVersion } from '../lib/paths.ts';
import { type DumpRow, DumpSummer, type DumpSums, sumsThatDiffer } from '../store/dump.ts';
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
    const rows = counted(store.dump(signal), onProgress);
    return await writeBackup(path, backupStream(backupHeader(config.farm.name, clock), rows), signal);
  } finally {
    await store.close();
  }
}

/** Writes a backup into the empty database of this configuration, and compares. CONFIG_INVALID when there is a farm in it. */
export async function restoreFarm(options: CopyOptions & { readonly path: string }): Promise<BackupSummary> {
  const { directory, config, signal, path, onProgress } = options;
  // All of it first: half a restore of a file that turns out to be damaged helps nobody.
  const check = readBackup(path);
  for await (const _ of check.rows) signal.throwIfAborted();
  const wanted = await check.summary;
  await load(directory, config.store, counted(readBackup(path).rows, onProgress), signal);
  await compare(wanted.sums, options, 'control restore');
  return wanted;
}

/**
 * Copies the farm of this configuration into another, empty database, compares both, and makes flatrender.yaml name the new
 * one. The old database stays as it is.
 */
export async function migrateFarm(options: CopyOptions & { readonly to: string }): Promise<CopyResult> {
  const { directory, config, to, signal, onProgress } = options;
  const store = await openStore(directory, config);
  const summer = new DumpSummer();
  let rows = 0;
  try {
    await load(directory, to, summed(counted(store.dump(signal), count), summer), signal);
  } finally {
    await store.close();
  }
  await compare(summer.sums, { ...options, config: { ...config, store: to } }, 'control migrate');
  if (existsSync(homePaths(directory).config)) setControlOption(directory, 'store', to);
  return { sums: summer.sums, rows };

  function count(done: number): void {
    rows = done;
    onProgress?.(done);
  }
}

async function load(
  directory: string,
  store: string,
  rows: AsyncIterable<DumpRow>,
  signal: AbortSignal,
): Promise<void> {
  if (store.startsWith('sqlite:')) {
    await loadSqlite(resolveInHome(directory, store.slice('sqlite:'.length)), rows, signal);
    return;
  }
  const { loadPostgresFarm } = await import('../store/postgres/load-farm.ts');
  await loadPostgresFarm(store, rows, signal);
}

/** Reads the copy back: every row must have arrived as it was. Then the farm remembers who made it. */
async function compare(
  wanted: DumpSums,
  { directory, config, signal, clock = systemClock }: CopyOptions,
  action: 'control restore' | 'control migrate',
): Promise<void> {
  const store = await openStore(directory, config);
  const summer = new DumpSummer();
  let different: readonly string[];
  try {
    for await (const row of store.dump(signal)) summer.add(row);
    different = sumsThatDiffer(wanted, summer.sums);
    const subject = storePlace(config.store);
    if (different.length === 0) await auditLocal(store, { at: clock.now(), action, subject, details: {} });
  } finally {
    await store.close();
  }
  if (different.length === 0) return;
  throw new FlatrenderError('STORE_FAILED', `the copy is not what it was made of: ${different.join(', ')}`, {
    hint: 'the farm still uses the database it used before; please report this',
  });
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
