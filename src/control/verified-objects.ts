/** Whether what is stored has the digest that was announced, where the object store does not know it: read once. */
import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { Logger } from '../lib/logger.ts';
import type { ObjectInfo, ObjectStore } from '../objects/object-store.ts';

// An entry is some 200 bytes. What is forgotten is read again.
const REMEMBERED = 50_000;

/** Remembers what was found, as long as the object stays the same. */
export class VerifiedObjects {
  readonly #objects: ObjectStore;
  readonly #logger: Logger;
  /** By {@link nameOf}: its digest. */
  readonly #digests = new Map<string, string>();
  readonly #reading = new Map<string, Promise<string>>();

  constructor(options: { readonly objects: ObjectStore; readonly logger: Logger }) {
    this.#objects = options.objects;
    this.#logger = options.logger;
  }

  /** Whether the object has this digest. Several who ask at once wait for one reading. Errors of the store. */
  async has(info: ObjectInfo, sha256: string): Promise<boolean> {
    const found = await this.digestOf(info);
    if (found === sha256) return true;
    this.#logger.warn('object.digest-differs', { key: info.key, announced: sha256, found });
    return false;
  }

  /** sha256 in hex, read from the store if need be. */
  async digestOf(info: ObjectInfo): Promise<string> {
    if (info.sha256 !== null) return info.sha256;
    const name = nameOf(info);
    const known = this.#digests.get(name);
    if (known !== undefined) return known;
    let reading = this.#reading.get(name);
    if (reading === undefined) {
      reading = this.#read(info.key).finally(() => this.#reading.delete(name));
      this.#reading.set(name, reading);
    }
    return await reading;
  }

  async #read(key: string): Promise<string> {
    const { info, stream } = await this.#objects.get(key);
    const hash = createHash('sha256');
    await pipeline(stream, hash);
    const found = hash.digest('hex');
    // What was read, which may be newer than what was asked about.
    const name = nameOf(info);
    this.#digests.delete(name);
    this.#digests.set(name, found);
    const [oldest] = this.#digests.keys();
    if (oldest !== undefined && this.#digests.size > REMEMBERED) this.#digests.delete(oldest);
    return found;
  }
}

/** The same for the same bytes only: other ones of one size may be written within a second, which S3 gives as one time. */
function nameOf({ key, sizeBytes, modifiedAt, etag = '' }: ObjectInfo): string {
  return `${key} ${sizeBytes} ${modifiedAt} ${etag}`;
}
