/** Objects in a bucket of any S3-compatible server. Several control planes may use it at once. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Client } from 'minio';
import { untilAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { retry } from '../lib/retry.ts';
import { checkObjectKey, checkObjectPrefix } from './object-key.ts';
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
import { DIGEST_METADATA, type DigestCheck, findDigestCheck, signedDigest } from './s3-digests.ts';
import { isMistake, isNoSuchKey, type S3Place, s3Code, s3Error } from './s3-errors.ts';
import { createMultipartUploads, type S3Parts } from './s3-multipart.ts';
import { signS3Url } from './s3-sign.ts';
import { createS3Transport } from './s3-transport.ts';

export interface S3ObjectStoreOptions {
  /** Scheme, host and port that the control plane itself uses. */
  readonly endpoint: string;
  /** Scheme, host and port in signed URLs: what nodes and clients reach. Default: `endpoint`. */
  readonly presignEndpoint?: string | undefined;
  readonly region: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** `https://host/bucket/key` rather than `https://bucket.host/key`. */
  readonly pathStyle: boolean;
  /** Files larger than this go up in parts of this size; at least 5 MiB, as S3 demands. */
  readonly partBytes: number;
  /** Make the bucket when it is not there. */
  readonly createBucket: boolean;
  readonly clock: Clock;
}

/** An object store on an S3 server. */
export interface S3ObjectStore extends ObjectStore {
  /** Whether nodes elsewhere cannot use the URLs, because they name this very machine. */
  readonly isLocalOnly: boolean;
  /** What the server itself makes sure of when a file arrives by a signed URL. */
  digestCheck(): Promise<DigestCheck>;
}

// A call that failed because a connection was cut or the server was busy. With the pauses some seconds in all.
const TRIES = 4;
const LIST_PAGE = 1000;
const PROBE_MS = 10_000;
const PROBE_SECONDS = 300;

/** Prepares the store; says nothing to the server yet. CONFIG_INVALID when an address is none. */
export function createS3ObjectStore(options: S3ObjectStoreOptions): S3ObjectStore {
  return new S3Objects(options);
}

/** The client, with what it does not show. */
class PartsClient extends Client {
  parts(bucket: string, key: string, uploadId: string) {
    return this.listParts(bucket, key, uploadId);
  }
}

class S3Objects implements S3ObjectStore {
  readonly isLocalOnly: boolean;
  readonly multipart: MultipartUploads;
  readonly #options: S3ObjectStoreOptions;
  readonly #place: S3Place;
  readonly #client: PartsClient;
  readonly #own: URL;
  readonly #shown: URL;
  readonly #close: () => void;
  #digestCheck: Promise<DigestCheck> | undefined;

  constructor(options: S3ObjectStoreOptions) {
    const { endpoint, region, bucket, accessKey, secretKey, pathStyle, partBytes } = options;
    this.#options = options;
    this.#place = { endpoint, bucket, region, accessKey };
    const url = new URL(endpoint);
    const isTls = url.protocol === 'https:';
    const { transport, agent } = createS3Transport(isTls);
    this.#client = new PartsClient({
      endPoint: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
      useSSL: isTls,
      accessKey,
      secretKey,
      // Without it the client asks the server before it signs.
      region,
      pathStyle,
      partSize: partBytes,
      transport,
      transportAgent: agent,
      retryOptions: { disableRetry: true },
    });
    this.#close = () => agent.destroy();
    this.#own = this.#bucketUrl(endpoint);
    this.#shown = this.#bucketUrl(options.presignEndpoint ?? endpoint);
    this.isLocalOnly = isLoopback(new URL(options.presignEndpoint ?? endpoint).hostname);
    this.multipart = createMultipartUploads({
      api: this.#partsApi(),
      partBytes,
      call: (what, work) => this.#call(what, work),
      head: (key) => this.head(key),
      presign: (key, query, sign) => this.#sign('PUT', key, sign.ttlSeconds, { query }),
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
      const answer = await this.#call(`read ${key}`, () =>
        this.#client.getPartialObject(
          this.#options.bucket,
          key,
          start,
          end === undefined ? 0 : end - start + 1,
        ),
      );
      // The client gives the answer itself; its headers say what it is an answer to.
      const { headers } = answer as IncomingMessage;
      const whole = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] ?? headers['content-length'];
      return { info: infoOf(key, Number(whole), headers), stream: answer };
    } catch (error) {
      if (wasCode(error, 'InvalidRange')) throw await this.#noRange(key, range);
      if (wasMissing(error)) throw notFound(key);
      throw error;
    }
  }

  async head(key: string): Promise<ObjectInfo | null> {
    checkObjectKey(key);
    try {
      return await this.#call(`look at ${key}`, async () => {
        const { size, metaData, lastModified } = await this.#client.statObject(this.#options.bucket, key);
        const sha256: unknown = metaData[DIGEST_METADATA];
        return {
          key,
          sizeBytes: size,
          sha256: typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : null,
          modifiedAt: lastModified.getTime(),
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
      await this.#call(`remove ${key}`, () => this.#client.removeObject(this.#options.bucket, key));
    } catch (error) {
      if (!wasMissing(error)) throw error;
    }
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    checkObjectPrefix(prefix);
    let token = '';
    do {
      const page = await this.#call(`list ${prefix}`, () =>
        this.#client.listObjectsV2Query(this.#options.bucket, prefix, token, '', LIST_PAGE, ''),
      );
      for (const { name, size, lastModified } of page.objects) {
        if (name === undefined) continue;
        // Seconds, as in the headers of one object.
        const modifiedAt = Math.floor(new Date(lastModified ?? 0).getTime() / 1000) * 1000;
        yield { key: name, sizeBytes: size ?? 0, sha256: null, modifiedAt };
      }
      token = page.isTruncated ? page.nextContinuationToken : '';
    } while (token !== '');
  }

  async presignGet(key: string, { ttlSeconds }: PresignOptions): Promise<string> {
    checkObjectKey(key);
    return this.#sign('GET', key, ttlSeconds);
  }

  async presignPut(key: string, { ttlSeconds, sha256 }: PresignPutOptions): Promise<PresignedPut> {
    checkObjectKey(key);
    const { headers, payload } = signedDigest(await this.digestCheck(), sha256);
    return { url: this.#sign('PUT', key, ttlSeconds, { headers, payload }), headers };
  }

  digestCheck(): Promise<DigestCheck> {
    this.#digestCheck ??= this.#findDigestCheck();
    return this.#digestCheck;
  }

  async check(): Promise<void> {
    const { bucket, createBucket, region } = this.#options;
    const look = () => this.#client.listObjectsV2Query(bucket, 'check/', '', '', 1, '');
    try {
      await this.#call('list the bucket', look);
    } catch (error) {
      if (!createBucket || !wasCode(error, 'NoSuchBucket')) throw error;
      await this.#call(`create the bucket "${bucket}"`, () => this.#client.makeBucket(bucket, region)).catch(
        (failure) => {
          // Another control plane was faster.
          if (!wasCode(failure, 'BucketAlreadyOwnedByYou')) throw failure;
        },
      );
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
        `${this.#place.endpoint} gave back other bytes than it was given`,
        {
          hint: 'is there a proxy or cache between the control plane and the S3 server?',
        },
      );
    }
    await this.digestCheck();
  }

  async close(): Promise<void> {
    this.#close();
  }

  async #putWhole(key: string, bytes: Buffer, sha256: string): Promise<void> {
    const { bucket } = this.#options;
    const metadata = { [DIGEST_METADATA]: sha256 };
    await this.#call(`write ${key}`, () =>
      this.#client.putObject(bucket, key, bytes, bytes.length, metadata),
    );
  }

  /** The object appears when all of it is there and right. */
  async #putParts(key: string, first: Buffer, blocks: BlockReader, options: PutOptions): Promise<void> {
    const api = this.#partsApi();
    const headers: Record<string, string> =
      options.sha256 === undefined ? {} : { [`x-amz-meta-${DIGEST_METADATA}`]: options.sha256 };
    const uploadId = await this.#call(`write ${key}`, () => api.begin(key, headers));
    try {
      const parts: { part: number; etag: string }[] = [];
      for (let block = first; block.length > 0; block = await blocks.next()) {
        options.signal?.throwIfAborted();
        const part = parts.length + 1;
        parts.push({
          part,
          etag: await this.#call(`write ${key}`, () => api.send(key, uploadId, part, block)),
        });
        if (block.length < this.#options.partBytes) break;
      }
      blocks.digest();
      await this.#call(`write ${key}`, () => api.complete(key, uploadId, parts));
    } catch (error) {
      await api.abort(key, uploadId).catch(() => undefined);
      throw error;
    }
  }

  #partsApi(): S3Parts {
    const { bucket } = this.#options;
    const client = this.#client;
    return {
      begin: (key, headers) => client.initiateNewMultipartUpload(bucket, key, headers),
      async send(key, uploadId, part, bytes) {
        const config = {
          bucketName: bucket,
          objectName: key,
          uploadID: uploadId,
          partNumber: part,
          headers: {},
        };
        return (await client.uploadPart(config, bytes)).etag;
      },
      parts: (key, uploadId) => client.parts(bucket, key, uploadId),
      async complete(key, uploadId, parts) {
        await client.completeMultipartUpload(bucket, key, uploadId, [...parts]);
      },
      abort: (key, uploadId) => client.abortMultipartUpload(bucket, key, uploadId),
      unfinished: (prefix, after) =>
        client.listIncompleteUploadsQuery(bucket, prefix, after.key, after.uploadId, ''),
    };
  }

  async #findDigestCheck(): Promise<DigestCheck> {
    const key = `check/${randomUUID()}`;
    try {
      return await this.#call('try an upload', () =>
        findDigestCheck(async (check, sha256, body) => {
          const { headers, payload } = signedDigest(check, sha256);
          const url = this.#sign('PUT', key, PROBE_SECONDS, { headers, payload, base: this.#own });
          const signal = AbortSignal.timeout(PROBE_MS);
          const answer = await fetch(url, { method: 'PUT', headers, body, signal }).catch(
            (error: unknown) => {
              throw error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
            },
          );
          const text = await answer.text();
          if (answer.status >= 500)
            throw new FlatrenderError('UNAVAILABLE', `HTTP ${answer.status}: ${text.slice(0, 300)}`);
          return answer.status;
        }),
      );
    } catch (error) {
      this.#digestCheck = undefined;
      throw error;
    } finally {
      await this.#client.removeObject(this.#options.bucket, key).catch(() => undefined);
    }
  }

  #sign(
    method: 'GET' | 'PUT',
    key: string,
    ttlSeconds: number,
    more: {
      readonly query?: Readonly<Record<string, string>>;
      readonly headers?: Readonly<Record<string, string>>;
      readonly payload?: string | undefined;
      readonly base?: URL;
    } = {},
  ): string {
    const { base = this.#shown, ...rest } = more;
    const url = new URL(base);
    url.pathname = `${base.pathname}${key}`;
    return signS3Url({ method, url, ttlSeconds, now: this.#options.clock.now(), ...rest }, this.#options);
  }

  /** What keys are appended to. */
  #bucketUrl(endpoint: string): URL {
    const url = new URL(endpoint);
    const { bucket, pathStyle } = this.#options;
    if (pathStyle) url.pathname = `/${bucket}/`;
    else url.hostname = `${bucket}.${url.hostname}`;
    return url;
  }

  async #noRange(key: string, range?: ByteRange): Promise<FlatrenderError> {
    const info = await this.head(key);
    if (info === null) return notFound(key);
    const { sizeBytes } = info;
    const message = `${key} has ${sizeBytes} bytes; there is no range ${range?.start ?? ''}-${range?.end ?? ''}`;
    return new FlatrenderError('OBJECT_RANGE', message, { details: { sizeBytes } });
  }

  /** Calls the server; what may pass (a connection that was cut, a busy server) is tried again. */
  async #call<T>(what: string, work: () => Promise<T>): Promise<T> {
    return await retry(
      async () => {
        try {
          return await work();
        } catch (error) {
          throw s3Error(error, this.#place, what);
        }
      },
      {
        clock: this.#options.clock,
        tries: TRIES,
        isRetryable: (error) =>
          error instanceof FlatrenderError &&
          error.code === 'UNAVAILABLE' &&
          !isMistake(error) &&
          !wasMissing(error) &&
          !wasFinal(error),
      },
    );
  }
}

function infoOf(key: string, sizeBytes: number, headers: IncomingMessage['headers']): ObjectInfo {
  const sha256 = headers[`x-amz-meta-${DIGEST_METADATA}`];
  return {
    key,
    sizeBytes,
    sha256: typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : null,
    modifiedAt: Date.parse(headers['last-modified'] ?? ''),
  };
}

/** Whether the server's own code was this one. */
function wasCode(error: unknown, code: string): boolean {
  return error instanceof FlatrenderError && s3Code(error.cause) === code;
}

function wasMissing(error: unknown): boolean {
  return error instanceof FlatrenderError && isNoSuchKey(error.cause);
}

/** An answer about this request, not about the server. */
function wasFinal(error: unknown): boolean {
  return ['InvalidRange', 'NoSuchUpload', 'InvalidPart', 'BucketAlreadyOwnedByYou'].some((code) =>
    wasCode(error, code),
  );
}

function notFound(key: string): FlatrenderError {
  return new FlatrenderError('OBJECT_NOT_FOUND', `there is no object ${key}`);
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
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
