/**
 * A cache on disk whose entries are named by the sha256 of what was downloaded. An entry is made once however many tasks
 * want it, appears all at once, is not removed while in use, and is checked again after a restart of the agent.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { RemoteFile } from '../protocol/agent.ts';
import { readJsonFile, removeTree, renamePatiently, writeJsonFile } from './json-file.ts';
import { SharedFlights } from './shared-flights.ts';

const EntryFile = z.object({
  sizeBytes: z.int().nonnegative(),
  /** Relative path → size and sha256. */
  files: z.record(z.string(), z.object({ sizeBytes: z.int().nonnegative(), sha256: z.string() })),
});
type EntryFile = z.infer<typeof EntryFile>;

/**
 * Makes the new directory with the contents of an entry; rejects when the signal aborts. May return the digests of what
 * it made if it knows them anyway.
 */
export type Fill = (directory: string, signal: AbortSignal) => Promise<EntryFile['files'] | undefined>;

/** An entry in use; it stays until released. */
export interface CachedEntry extends Disposable {
  /** Absolute path of the entry's directory. */
  readonly path: string;
  /** It was there already. */
  readonly hit: boolean;
}

export interface ContentCache {
  /** The entry of this kind and digest, made by `fill` when it is not there. */
  acquire(kind: 'bundle' | 'asset', sha256: string, fill: Fill, signal: AbortSignal): Promise<CachedEntry>;
  has(kind: 'bundle' | 'asset', sha256: string): boolean;
  /** Where a download gathers; survives a restart, so that it can go on. */
  partPath(file: RemoteFile): string;
  /** Removes unused entries, oldest use first, until this many bytes are freed; returns how many were. */
  free(bytes: number): Promise<number>;
  readonly sizeBytes: number;
}

interface Entry {
  readonly name: string;
  sizeBytes: number;
  usedAt: number;
  uses: number;
  /** Size and time of each file when contents were last compared with their digests; null: not since the start. */
  stamps: ReadonlyMap<string, string> | null;
}

export interface ContentCacheOptions {
  readonly directory: string;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const ENTRY_FILE = 'entry.json';
const FILES = 'files';
// An interrupted download that nobody went on with for a day is not worth its space.
const PART_MS = 24 * 3600 * 1000;
// When an entry was last used is noted on disk at most this often.
const NOTE_MS = 60_000;

/** Opens the cache: removes what was left half-made, and entries beyond the size limit. */
export async function openContentCache(options: ContentCacheOptions): Promise<ContentCache> {
  const cache = new DiskCache(options);
  await cache.load();
  return cache;
}

class DiskCache implements ContentCache {
  readonly #options: ContentCacheOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #flights = new SharedFlights<Entry>();
  readonly #tmp: string;
  readonly #parts: string;
  #sequence = 0;

  constructor(options: ContentCacheOptions) {
    this.#options = options;
    this.#tmp = join(options.directory, 'tmp');
    this.#parts = join(options.directory, 'parts');
  }

  get sizeBytes(): number {
    let sum = 0;
    for (const entry of this.#entries.values()) sum += entry.sizeBytes;
    return sum;
  }

  async load(): Promise<void> {
    const { directory, clock } = this.#options;
    await removeTree(this.#tmp);
    for (const path of [this.#tmp, this.#parts]) await mkdir(path, { recursive: true, mode: 0o700 });
    for (const name of await readdir(directory)) {
      if (!/^(?:bundle|asset)-[0-9a-f]{64}$/.test(name)) continue;
      const path = join(directory, name, ENTRY_FILE);
      const file = await readJsonFile(path, EntryFile);
      if (file === null) await removeTree(join(directory, name));
      else {
        const usedAt = (await stat(path)).mtimeMs;
        this.#entries.set(name, { name, sizeBytes: file.sizeBytes, usedAt, uses: 0, stamps: null });
      }
    }
    for (const name of await readdir(this.#parts)) {
      const path = join(this.#parts, name);
      if (clock.now() - (await stat(path)).mtimeMs > PART_MS) await rm(path, { force: true });
    }
    await this.#trim();
  }

  has(kind: 'bundle' | 'asset', sha256: string): boolean {
    return this.#entries.has(`${kind}-${sha256}`);
  }

  partPath(file: RemoteFile): string {
    return join(this.#parts, `${file.sha256}.part`);
  }

  async acquire(
    kind: 'bundle' | 'asset',
    sha256: string,
    fill: Fill,
    signal: AbortSignal,
  ): Promise<CachedEntry> {
    const name = `${kind}-${sha256}`;
    signal.throwIfAborted();
    const known = this.#entries.get(name);
    if (known) {
      // In use from here on, so that nothing removes it while it is looked at.
      known.uses += 1;
      if (await this.#isSound(known)) return this.#lend(known, true);
      known.uses -= 1;
      this.#options.logger.warn('cache.damaged', { name });
      if (this.#entries.get(name) === known) this.#entries.delete(name);
    }
    for (;;) {
      const entry = await this.#flights.join(name, (flight) => this.#make(name, fill, flight), signal);
      // In a cache that is too small it may have been evicted between the flight's end and now.
      if (this.#entries.get(name) !== entry) continue;
      entry.uses += 1;
      return this.#lend(entry, false);
    }
  }

  async free(bytes: number): Promise<number> {
    let freed = 0;
    for (const entry of this.#unused()) {
      if (freed >= bytes) break;
      await this.#remove(entry);
      freed += entry.sizeBytes;
    }
    return freed;
  }

  #lend(entry: Entry, hit: boolean): CachedEntry {
    const { clock, directory, logger } = this.#options;
    const now = clock.now();
    const note = now - entry.usedAt > NOTE_MS || !hit;
    entry.usedAt = now;
    const path = join(directory, entry.name);
    if (note) utimes(join(path, ENTRY_FILE), now / 1000, now / 1000).catch(() => undefined);
    let released = false;
    return {
      path: join(path, FILES),
      hit,
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        entry.uses -= 1;
        this.#trim().catch((error: unknown) => logger.warn('cache.trim-failed', { error }));
      },
    };
  }

  async #make(name: string, fill: Fill, signal: AbortSignal): Promise<Entry> {
    const { directory, clock } = this.#options;
    this.#sequence += 1;
    const building = join(this.#tmp, `${name}.${this.#sequence}`);
    const target = join(directory, name);
    try {
      await mkdir(building, { recursive: true, mode: 0o700 });
      const made = await fill(join(building, FILES), signal);
      const files = made ?? (await digestTree(join(building, FILES)));
      const sizeBytes = Object.values(files).reduce((sum, file) => sum + file.sizeBytes, 0);
      await writeJsonFile(join(building, ENTRY_FILE), { sizeBytes, files } satisfies EntryFile);
      await removeTree(target);
      await renamePatiently(building, target);
      const stamps = await stampsOf(join(target, FILES), Object.keys(files));
      const entry: Entry = { name, sizeBytes, usedAt: clock.now(), uses: 0, stamps };
      this.#entries.set(name, entry);
      return entry;
    } catch (error) {
      await removeTree(building).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Still what it was. Digests are compared once after each start of the agent (a power cut may have emptied files), and
   * again when a file's size or time is another one than then.
   */
  async #isSound(entry: Entry): Promise<boolean> {
    const path = join(this.#options.directory, entry.name);
    if (entry.stamps !== null && (await hasStamps(join(path, FILES), entry.stamps))) return true;
    const file = await readJsonFile(join(path, ENTRY_FILE), EntryFile);
    const actual = await digestTree(join(path, FILES)).catch(() => null);
    if (file === null || actual === null || !sameFiles(file.files, actual)) return false;
    entry.stamps = await stampsOf(join(path, FILES), Object.keys(actual));
    return true;
  }

  #unused(): Entry[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.uses === 0)
      .sort((a, b) => a.usedAt - b.usedAt);
  }

  async #trim(): Promise<void> {
    let excess = this.sizeBytes - this.#options.maxBytes;
    if (excess <= 0) return;
    for (const entry of this.#unused()) {
      if (excess <= 0) return;
      await this.#remove(entry);
      excess -= entry.sizeBytes;
    }
  }

  async #remove(entry: Entry): Promise<void> {
    // Between the look at `uses` and here other work may have run.
    if (entry.uses > 0 || this.#entries.get(entry.name) !== entry) return;
    this.#entries.delete(entry.name);
    this.#sequence += 1;
    const gone = join(this.#tmp, `${entry.name}.${this.#sequence}`);
    // Out of sight in one step: a crash in between leaves no half entry.
    await renamePatiently(join(this.#options.directory, entry.name), gone).catch(() => undefined);
    await removeTree(gone);
    this.#options.logger.debug('cache.evicted', { name: entry.name, sizeBytes: entry.sizeBytes });
  }
}

/** Size and sha256 of every file below a directory. */
async function digestTree(directory: string): Promise<EntryFile['files']> {
  const files: EntryFile['files'] = {};
  const found = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const item of found) {
    if (item.isDirectory()) continue;
    const path = join(item.parentPath, item.name);
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
      hash.update(chunk as Buffer);
      sizeBytes += (chunk as Buffer).length;
    }
    files[path.slice(directory.length + 1).replaceAll('\\', '/')] = { sizeBytes, sha256: hash.digest('hex') };
  }
  return files;
}

async function stampsOf(directory: string, names: readonly string[]): Promise<Map<string, string>> {
  const stamp = async (name: string) => {
    const { size, mtimeMs } = await stat(join(directory, name));
    return [name, `${size} ${mtimeMs}`] as const;
  };
  return new Map(await Promise.all(names.map(stamp)));
}

async function hasStamps(directory: string, expected: ReadonlyMap<string, string>): Promise<boolean> {
  const actual = await stampsOf(directory, [...expected.keys()]).catch(() => null);
  return actual !== null && [...expected].every(([name, stamp]) => actual.get(name) === stamp);
}

function sameFiles(a: EntryFile['files'], b: EntryFile['files']): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every(
    (name) => b[name]?.sha256 === a[name]?.sha256 && b[name]?.sizeBytes === a[name]?.sizeBytes,
  );
}
