/** Objects in a bucket of any S3-compatible server. Several control planes may use it at once. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { untilAborted } from '../lib/abort.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { checkObjectKey, checkObjectPrefix, noSuchObject } from './object-key.ts';
import type {
  ByteRange,
  MultipartUploads,
  ObjectInfo,
  ObjectStore,
  PresignedPut,
  PresignOptions,
  PresignPutOptions,
  PutOptions,
} from './object-store.ts';
import { type BlockReader, readBlocks } from './s3-blocks.ts';
import { DIGEST_METADATA, type DigestCheck, signedDigest } from './s3-digests.ts';
import { wasCode, wasMissing } from './s3-errors.ts';
import { createMultipartUploads } from './s3-multipart.ts';
import { type S3ObjectStoreOptions, S3Server } from './s3-server.ts';
import { S3Urls } from './s3-urls.ts';

/** An object store on an S3 server. */
export interface S3ObjectStore extends ObjectStore {
  /** Whether nodes elsewhere cannot use the URLs, because they name this very machine. */
  readonly isLocalOnly: boolean;
  /** What the server itself makes sure of when a file arrives by a signed URL. */
  digestCheck(): Promise<DigestCheck>;
}

const LIST_PAGE = 1000;

/** Prepares the store; says nothing to the server yet. CONFIG_INVALID when an address is none. */
export function createS3ObjectStore(options: S3ObjectStoreOptions): S3ObjectStore {
  return new S3Objects(options);
}

class S3Objects implements S3ObjectStore {
  readonly isLocalOnly: boolean;
  readonly multipart: MultipartUploads;
  readonly #options: S3ObjectStoreOptions;
  readonly #server: S3Server;
  readonly #urls: S3Urls;

  constructor(options: S3ObjectStoreOptions) {
    this.#options = options;
    this.#server = new S3Server(options);
    this.#urls = new S3Urls(options, this.#server);
    this.isLocalOnly = this.#urls.isLocalOnly;
    this.multipart = createMultipartUploads({
      api: this.#server.parts,
      partBytes: options.partBytes,
      call: (what, work) => this.#server.call(what, work),
      head: (key) => this.head(key),
      presign: (key, query, sign) => this.#urls.sign('PUT', key, sign.ttlSeconds, { query }),
    });
  }

  async put(key: string, body: Readable | Uint8Array, options: PutOptions = {}): Promise<ObjectInfo> {
    checkObjectKey(key);
    options.signal?.throwIfAborted();
    const { partBytes } = this.#options;
    const blocks = readBlocks(key, body, partBytes, options);
    const first = await blocks.next();
    const work =
      first.length < partBytes
        ? this.#putWhole(key, first, blocks.digest())
        : this.#putParts(key, first, blocks, options);
    await aborted(key, work, options.signal);
    const info = await this.head(key);
    if (info === null)
      throw new FlatrenderError('OBJECT_NOT_FOUND', `${key} was removed while it was written`);
    return info;
  }

  async get(key: string, range?: ByteRange): Promise<{ info: ObjectInfo; stream: Readable }> {
    checkObjectKey(key);
    const { start = 0, end } = range ?? {};
    const isWrong = !Number.isSafeInteger(start) || start < 0 || (end !== undefined && !(end >= start));
    if (isWrong) throw await this.#noRange(key, range);
    try {
      const answer = await this.#server.call(`read ${key}`, () =>
        this.#server.client.getPartialObject(
          this.#options.bucket,
          key,
          start,
          end === undefined ? 0 : end - start + 1,
        ),
      );
      // The client gives the answer itself; its headers say what it is an answer to.
      const { headers } = answer as IncomingMessage;
      const whole = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] ?? headers['content-length'];
      return {
        info: infoOf(key, Number(whole), headers),
        stream: this.#server.inWords(answer, `read ${key}`),
      };
    } catch (error) {
      if (wasCode(error, 'InvalidRange')) throw await this.#noRange(key, range);
      if (wasMissing(error)) throw noSuchObject(key);
      throw error;
    }
  }

  async head(key: string): Promise<ObjectInfo | null> {
    checkObjectKey(key);
    try {
      return await this.#server.call(`look at ${key}`, async () => {
        const { size, metaData, lastModified, etag } = await this.#server.client.statObject(
          this.#options.bucket,
          key,
        );
        const sha256: unknown = metaData[DIGEST_METADATA];
        return {
          key,
          sizeBytes: size,
          sha256: typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : null,
          modifiedAt: lastModified.getTime(),
          etag: etagOf(etag),
        };
      });
    } catch (error) {
      if (wasMissing(error)) return null;
      throw error;
    }
  }

  async remove(key: string): Promise<void> {
    checkObjectKey(key);
    try {
      await this.#server.call(`remove ${key}`, () =>
        this.#server.client.removeObject(this.#options.bucket, key),
      );
    } catch (error) {
      if (!wasMissing(error)) throw error;
    }
  }

  async removeAll(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkObjectKey(key);
    for (let at = 0; at < keys.length; at += LIST_PAGE) {
      const batch = keys.slice(at, at + LIST_PAGE);
      const results = await this.#server.call(`remove ${batch.length} objects`, () =>
        this.#server.client.removeObjects(this.#options.bucket, [...batch]),
      );
      // What the batch refused is asked for one by one: either it works, or it says why.
      for (const result of results) {
        const key = result?.Error?.Key;
        if (typeof key === 'string') await this.remove(key);
      }
    }
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    checkObjectPrefix(prefix);
    let token = '';
    do {
      const page = await this.#server.call(`list ${prefix}`, () =>
        this.#server.client.listObjectsV2Query(this.#options.bucket, prefix, token, '', LIST_PAGE, ''),
      );
      for (const { name, size, lastModified, etag } of page.objects) {
        if (name === undefined) continue;
        // Seconds, as in the headers of one object.
        const modifiedAt = Math.floor(new Date(lastModified ?? 0).getTime() / 1000) * 1000;
        yield { key: name, sizeBytes: size ?? 0, sha256: null, modifiedAt, etag: etagOf(etag) };
      }
      token = page.isTruncated ? page.nextContinuationToken : '';
    } while (token !== '');
  }

  async presignGet(key: string, { ttlSeconds }: PresignOptions): Promise<string> {
    checkObjectKey(key);
    return this.#urls.sign('GET', key, ttlSeconds);
  }

  async presignPut(key: string, { ttlSeconds, sha256 }: PresignPutOptions): Promise<PresignedPut> {
    checkObjectKey(key);
    const { headers, payload } = signedDigest(await this.digestCheck(), sha256);
    return { url: this.#urls.sign('PUT', key, ttlSeconds, { headers, payload }), headers };
  }

  digestCheck(): Promise<DigestCheck> {
    return this.#urls.digestCheck();
  }

  async check(): Promise<void> {
    const { bucket, createBucket, region } = this.#options;
    const look = () => this.#server.client.listObjectsV2Query(bucket, 'check/', '', '', 1, '');
    try {
      await this.#server.call('list the bucket', look);
    } catch (error) {
      if (!createBucket || !wasCode(error, 'NoSuchBucket')) throw error;
      await this.#server
        .call(`create the bucket "${bucket}"`, () => this.#server.client.makeBucket(bucket, region))
        .catch((failure) => {
          // Another control plane was faster.
          if (!wasCode(failure, 'BucketAlreadyOwnedByYou')) throw failure;
        });
    }
    const key = `check/${randomUUID()}`;
    const bytes = Buffer.from(key);
    await this.put(key, bytes);
    const { stream } = await this.get(key);
    const read = Buffer.concat(await stream.toArray());
    await this.remove(key);
    if (!read.equals(bytes)) {
      throw new FlatrenderError(
        'UNAVAILABLE',
        `${this.#options.endpoint} gave back other bytes than it was given`,
        {
          hint: 'is there a proxy or cache between the control plane and the S3 server?',
        },
      );
    }
    await this.digestCheck();
  }

  async close(): Promise<void> {
    this.#server.close();
  }

  async #putWhole(key: string, bytes: Buffer, sha256: string): Promise<void> {
    const { bucket } = this.#options;
    const metadata = { [DIGEST_METADATA]: sha256 };
    await this.#server.call(`write ${key}`, () =>
      this.#server.client.putObject(bucket, key, bytes, bytes.length, metadata),
    );
  }

  /** The object appears when all of it is there and right. */
  async #putParts(key: string, first: Buffer, blocks: BlockReader, options: PutOptions): Promise<void> {
    const api = this.#server.parts;
    const headers: Record<string, string> =
      options.sha256 === undefined ? {} : { [`x-amz-meta-${DIGEST_METADATA}`]: options.sha256 };
    const uploadId = await this.#server.call(`write ${key}`, () => api.begin(key, headers));
    try {
      const parts: { part: number; etag: string }[] = [];
      for (let block = first; block.length > 0; block = await blocks.next()) {
        options.signal?.throwIfAborted();
        const part = parts.length + 1;
        parts.push({
          part,
          etag: await this.#server.call(`write ${key}`, () => api.send(key, uploadId, part, block)),
        });
        if (block.length < this.#options.partBytes) break;
      }
      blocks.digest();
      await this.#server.call(`write ${key}`, () => api.complete(key, uploadId, parts));
    } catch (error) {
      await api.abort(key, uploadId).catch(() => undefined);
      throw error;
    }
  }

  async #noRange(key: string, range?: ByteRange): Promise<FlatrenderError> {
    const info = await this.head(key);
    if (info === null) return noSuchObject(key);
    const { sizeBytes } = info;
    const message = `${key} has ${sizeBytes} bytes; there is no range ${range?.start ?? ''}-${range?.end ?? ''}`;
    return new FlatrenderError('OBJECT_RANGE', message, { details: { sizeBytes } });
  }
}

function infoOf(key: string, sizeBytes: number, headers: IncomingMessage['headers']): ObjectInfo {
  const sha256 = headers[`x-amz-meta-${DIGEST_METADATA}`];
  return {
    key,
    sizeBytes,
    sha256: typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : null,
    modifiedAt: Date.parse(headers['last-modified'] ?? ''),
    etag: etagOf(headers.etag),
  };
}

/** Without its quotes, which the client takes off in some answers. */
function etagOf(text: string | undefined): string | undefined {
  return text?.replaceAll('"', '');
}

async function aborted<T>(key: string, work: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return await work;
  try {
    return await untilAborted(work, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new FlatrenderError('ABORTED', `writing ${key} was aborted`, { cause: error });
  }
}
