/** Objects as files below one directory: the embedded default. One process at a time may have it open. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { Readable } from 'node:stream';
import type { Clock } from '../lib/clock.ts';
import { clipRange } from './byte-range.ts';
import { DIGEST_SUFFIX, digestFile, type FileIdentity, readDigest, writeDigest } from './fs-digest.ts';
import { pruneFolder, pruneUpwards, removeOlder } from './fs-prune.ts';
import { type ObjectGrant, signObjectUrl, type VerifyObjectUrl, verifyObjectUrl } from './fs-signed-url.ts';
import {
  isMissing,
  makeDirectory,
  proveWritable,
  statOrNull,
  syncDirectory,
  systemCode,
  translate,
  unusable,
  type WrittenFile,
  writeVerified,
} from './fs-write.ts';
import { checkObjectKey, checkObjectPrefix, noSuchObject } from './object-key.ts';
import type {
  ByteRange,
  ObjectInfo,
  ObjectStore,
  PresignedPut,
  PresignOptions,
  PresignPutOptions,
  PutOptions,
} from './object-store.ts';

export type { ObjectGrant, SignObjectUrl, VerifyObjectUrl } from './fs-signed-url.ts';
export { signObjectUrl, verifyObjectUrl } from './fs-signed-url.ts';

/** No upload lasts a day: a temporary file that old belongs to a process that was killed. */
const LEFTOVER_MS = 24 * 3600 * 1000;
/** Chunks of 1 MiB read 2.5 times as fast as the default of 64 kB. */
const CHUNK_BYTES = 1024 * 1024;
/** A put whose folder is pruned by a remove at the same moment makes it again, this often at most. */
const COMMIT_TRIES = 10;

export interface FsObjectStoreOptions {
  /** Made when it is not there. */
  readonly directory: string;
  /** Signs the URLs: whoever has it can read and write every object. */
  readonly secret: string;
  /** Scheme, host and port under which the control plane serves `/objects/*`. */
  readonly baseUrl: string;
  readonly clock: Clock;
}

/** The object store whose URLs the control plane serves itself. */
export interface FsObjectStore extends ObjectStore {
  /** See {@link verifyObjectUrl}; with this store's secret. */
  verifyUrl(request: Omit<VerifyObjectUrl, 'secret'>): ObjectGrant;
}

/** Opens the store: makes the directory, removes leftovers of killed uploads; UNAVAILABLE when it cannot be used. */
export async function createFsObjectStore(options: FsObjectStoreOptions): Promise<FsObjectStore> {
  const store = new FsObjects(options);
  await store.open();
  return store;
}

class FsObjects implements FsObjectStore {
  readonly multipart = null;
  readonly #options: FsObjectStoreOptions;
  readonly #root: string;
  readonly #temp: string;
  readonly #locks = new Map<string, Promise<unknown>>();
  readonly #closing = new AbortController();
  #pruning: Promise<void> = Promise.resolve();

  constructor(options: FsObjectStoreOptions) {
    this.#options = options;
    this.#root = options.directory;
    this.#temp = join(options.directory, '~tmp');
  }

  async open(): Promise<void> {
    try {
      await makeDirectory(this.#temp);
      await removeOlder(this.#temp, this.#options.clock.now() - LEFTOVER_MS);
    } catch (error) {
      throw unusable(this.#root, error);
    }
    // A large store takes seconds to walk; nobody has to wait for it.
    this.#pruning = pruneFolder(this.#root, {
      skip: this.#temp,
      signal: this.#closing.signal,
      exclusively: (path, work) => this.#locked(this.#key(path), work),
    }).then(
      () => undefined,
      () => undefined,
    );
  }

  async put(key: string, body: Readable | Uint8Array, options: PutOptions = {}): Promise<ObjectInfo> {
    checkObjectKey(key);
    const temp = join(this.#temp, randomUUID());
    const now = this.#options.clock.now();
    const written = await writeVerified(temp, key, body, options, now);
    try {
      await this.#locked(key, () => this.#commit(key, temp, written));
    } catch (error) {
      await unlink(temp).catch(() => undefined);
      throw translate(error, key);
    }
    return infoOf(key, written, written.sha256);
  }

  async get(key: string, range?: ByteRange): Promise<{ info: ObjectInfo; stream: Readable }> {
    checkObjectKey(key);
    const path = this.#path(key);
    const handle = await open(path, 'r').catch((error) => {
      throw isMissing(error) ? noSuchObject(key) : translate(error, key);
    });
    try {
      const info = await this.#describe(key, path, handle);
      if (info === null) throw noSuchObject(key);
      if (info.sha256 === null) {
        // It was replaced between open and look: read the new one.
        await handle.close();
        return await this.get(key, range);
      }
      const { start, end } = clipRange(key, info.sizeBytes, range);
      if (end < start) {
        // An empty object: a file stream cannot be told to read nothing.
        const stream = handle.createReadStream({ start: 0 });
        return { info, stream };
      }
      return { info, stream: handle.createReadStream({ start, end, highWaterMark: CHUNK_BYTES }) };
    } catch (error) {
      await handle.close();
      throw translate(error, key);
    }
  }

  async head(key: string): Promise<ObjectInfo | null> {
    checkObjectKey(key);
    try {
      return await this.#describe(key, this.#path(key));
    } catch (error) {
      throw translate(error, key);
    }
  }

  async remove(key: string): Promise<void> {
    checkObjectKey(key);
    const path = this.#path(key);
    await this.#locked(key, async () => {
      try {
        await unlink(path);
      } catch (error) {
        // A folder is no object: unlink says EISDIR on Linux, EPERM on others.
        if (isMissing(error) || (await stat(path).catch(() => null))?.isDirectory()) return;
        throw translate(error, key);
      }
      await unlink(path + DIGEST_SUFFIX).catch(() => undefined);
      await pruneUpwards(dirname(path), this.#root);
    });
  }

  async removeAll(keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.remove(key);
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    checkObjectPrefix(prefix);
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    yield* this.#walk(folder, prefix);
  }

  async presignGet(key: string, options: PresignOptions): Promise<string> {
    return this.#sign('GET', key, options);
  }

  async presignPut(key: string, options: PresignPutOptions): Promise<PresignedPut> {
    return { url: this.#sign('PUT', key, options), headers: {} };
  }

  verifyUrl(request: Omit<VerifyObjectUrl, 'secret'>): ObjectGrant {
    return verifyObjectUrl({ ...request, secret: this.#options.secret });
  }

  async check(): Promise<void> {
    await proveWritable(this.#temp);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#pruning;
    await Promise.allSettled(this.#locks.values());
  }

  #path(key: string): string {
    return join(this.#root, ...key.split('/'));
  }

  #key(path: string): string {
    return path
      .slice(this.#root.length + 1)
      .split(sep)
      .join('/');
  }

  #sign(method: 'GET' | 'PUT', key: string, options: PresignOptions & Partial<PresignPutOptions>): string {
    const { secret, baseUrl, clock } = this.#options;
    return signObjectUrl({
      secret,
      baseUrl: options.baseUrl ?? baseUrl,
      method,
      key,
      now: clock.now(),
      ttlSeconds: options.ttlSeconds,
      sizeBytes: options.sizeBytes,
      sha256: options.sha256,
    });
  }

  /** The file and its digest appear together for everybody who holds the lock; the digest first, see fs-digest.ts. */
  async #commit(key: string, temp: string, written: WrittenFile): Promise<void> {
    const path = this.#path(key);
    for (let tries = 1; ; tries += 1) {
      try {
        await makeDirectory(dirname(path));
        if ((await stat(path).catch(() => null))?.isDirectory()) {
          throw Object.assign(new Error(`${path} is a directory`), { code: 'EISDIR' });
        }
        await writeDigest(path, `${temp}${DIGEST_SUFFIX}`, written, written.sha256);
        await rename(temp, path);
        await syncDirectory(dirname(path));
        return;
      } catch (error) {
        await unlink(`${temp}${DIGEST_SUFFIX}`).catch(() => undefined);
        if (systemCode(error) !== 'ENOENT' || tries >= COMMIT_TRIES) throw error;
      }
    }
  }

  /** What is known of an object; null when it is not there. With `handle`, of the file that is open. */
  async #describe(key: string, path: string, handle?: FileHandle): Promise<ObjectInfo | null> {
    const look = async (): Promise<ObjectInfo | FileIdentity | null> => {
      const found = await (handle ? handle.stat({ bigint: true }) : statOrNull(path));
      if (!found?.isFile()) return null;
      const sha256 = await readDigest(path, found);
      return sha256 === null ? found : infoOf(key, found, sha256);
    };
    const first = await look();
    if (first === null || 'key' in first) return first;
    // Either somebody is replacing it just now, or the digest was lost: wait for the one, repair the other.
    return this.#locked(key, async () => {
      const second = await look();
      if (second === null || 'key' in second) return second;
      const current = await statOrNull(path);
      if (current === null || current.mtimeNs !== second.mtimeNs || current.size !== second.size) {
        // The open file was replaced meanwhile: its own digest is gone with it.
        return infoOf(key, second, null);
      }
      const sha256 = await digestFile(path, this.#closing.signal);
      await writeDigest(path, join(this.#temp, `${randomUUID()}${DIGEST_SUFFIX}`), second, sha256);
      return infoOf(key, second, sha256);
    });
  }

  async *#walk(folder: string, prefix: string): AsyncIterable<ObjectInfo> {
    const entries = await readdir(join(this.#root, folder), { withFileTypes: true }).catch((error) => {
      if (isMissing(error)) return [];
      throw translate(error, folder);
    });
    for (const entry of entries) {
      const key = folder + entry.name;
      if (entry.name.includes('~') || !(key.startsWith(prefix) || prefix.startsWith(`${key}/`))) continue;
      if (entry.isDirectory()) yield* this.#walk(`${key}/`, prefix);
      else {
        const info = await this.head(key);
        if (info !== null) yield info;
      }
    }
  }

  /** One at a time per key. */
  async #locked<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#locks.get(key) ?? Promise.resolve();
    const result = before.then(work, work);
    this.#locks.set(key, result);
    try {
      return await result;
    } finally {
      if (this.#locks.get(key) === result) this.#locks.delete(key);
    }
  }
}

function infoOf(key: string, file: FileIdentity, sha256: string | null): ObjectInfo {
  return { key, sizeBytes: Number(file.size), sha256, modifiedAt: Math.round(Number(file.mtimeNs) / 1e6) };
}
