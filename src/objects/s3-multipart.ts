/** Uploads in parts on an S3 server. The server remembers them: any control plane goes on with what another began. */
import { FlatrenderError } from '../lib/errors.ts';
import { checkObjectKey } from './object-key.ts';
import type { MultipartUpload, MultipartUploads, ObjectInfo, PresignOptions } from './object-store.ts';
import { s3Code } from './s3-errors.ts';

/** The calls of S3 for parts. */
export interface S3Parts {
  begin(key: string, headers: Record<string, string>): Promise<string>;
  /** Resolves with the part's ETag. */
  send(key: string, uploadId: string, part: number, bytes: Buffer): Promise<string>;
  parts(
    key: string,
    uploadId: string,
  ): Promise<readonly { readonly part: number; readonly etag: string; readonly size: number }[]>;
  complete(
    key: string,
    uploadId: string,
    parts: readonly { readonly part: number; readonly etag: string }[],
  ): Promise<void>;
  abort(key: string, uploadId: string): Promise<void>;
  /** A page of the uploads that were begun and not ended. */
  unfinished(
    prefix: string,
    after: { readonly key: string; readonly uploadId: string },
  ): Promise<{
    readonly uploads: readonly {
      readonly key: string;
      readonly uploadId: string;
      readonly initiated: Date;
    }[];
    readonly isTruncated: boolean;
    readonly nextKeyMarker: string;
    readonly nextUploadIdMarker: string;
  }>;
}

export interface MultipartOptions {
  readonly api: S3Parts;
  /** Wanted size of a part. */
  readonly partBytes: number;
  /** Runs a call with retries, and its errors in words. */
  readonly call: <T>(what: string, work: () => Promise<T>) => Promise<T>;
  readonly head: (key: string) => Promise<ObjectInfo | null>;
  readonly presign: (key: string, query: Record<string, string>, options: PresignOptions) => string;
}

interface Begun {
  readonly key: string;
  readonly uploadId: string;
  readonly initiated: number;
}

// S3 allows 10,000 parts an upload; sizes in whole MiB are easier on whoever looks at them.
const MOST_PARTS = 10_000;
const MIB = 1024 * 1024;
// Objects of the farm; nothing else in the bucket is touched.
const PREFIXES = ['outputs/', 'assets/', 'bundles/'];

/** The uploads in parts of one bucket. */
export function createMultipartUploads(options: MultipartOptions): MultipartUploads {
  return new S3Multipart(options);
}

class S3Multipart implements MultipartUploads {
  readonly partBytes: number;
  readonly #options: MultipartOptions;

  constructor(options: MultipartOptions) {
    this.#options = options;
    this.partBytes = options.partBytes;
  }

  async begin(key: string, file: { readonly sizeBytes: number }): Promise<MultipartUpload> {
    checkObjectKey(key);
    const { api, call } = this.#options;
    const layout = this.#layout(file.sizeBytes);
    for (const { uploadId } of await this.#of(key)) {
      const parts = await this.#parts(key, uploadId);
      if (parts === null) continue;
      const fits = parts.every(({ number, sizeBytes }) => sizeBytes === layout.sizeOf(number));
      if (fits) return { uploadId, ...layout, parts };
      // Another content had this name before.
      await call(`upload ${key}`, () => api.abort(key, uploadId)).catch(ignoreGone);
    }
    const uploadId = await call(`upload ${key}`, () => api.begin(key, {}));
    return { uploadId, ...layout, parts: [] };
  }

  async presignPart(key: string, uploadId: string, number: number, options: PresignOptions): Promise<string> {
    checkObjectKey(key);
    return this.#options.presign(key, { partNumber: String(number), uploadId }, options);
  }

  async complete(key: string, uploadId: string, file: { readonly sizeBytes: number }): Promise<ObjectInfo> {
    checkObjectKey(key);
    const { api, call, head } = this.#options;
    const layout = this.#layout(file.sizeBytes);
    const parts = await this.#parts(key, uploadId);
    if (parts !== null) {
      const sent = parts.filter(({ number, sizeBytes }) => sizeBytes === layout.sizeOf(number));
      if (sent.length !== layout.partCount || parts.length !== layout.partCount) {
        throw corrupt(key, `${sent.length} of ${layout.partCount} parts arrived`);
      }
      const list = parts.map(({ number, etag }) => ({ part: number, etag })).sort((a, b) => a.part - b.part);
      await call(`put ${key} together`, () => api.complete(key, uploadId, list)).catch(ignoreGone);
    }
    // Gone: it was put together already, maybe by the control plane that did not live to say so.
    const info = await head(key);
    if (info === null) throw corrupt(key, 'the parts were put together, and are not there');
    if (info.sizeBytes !== file.sizeBytes)
      throw corrupt(key, `${info.sizeBytes} bytes arrived, not ${file.sizeBytes}`);
    for (const other of await this.#of(key)) {
      await call(`upload ${key}`, () => api.abort(key, other.uploadId)).catch(ignoreGone);
    }
    return info;
  }

  async abortBefore(before: number): Promise<number> {
    const { api, call } = this.#options;
    let aborted = 0;
    for (const prefix of PREFIXES) {
      for await (const { key, uploadId, initiated } of this.#unfinished(prefix)) {
        if (!(initiated < before)) continue;
        await call(`abort the upload of ${key}`, () => api.abort(key, uploadId)).catch(ignoreGone);
        aborted += 1;
      }
    }
    return aborted;
  }

  #layout(sizeBytes: number): { partBytes: number; partCount: number; sizeOf(number: number): number } {
    const least = Math.ceil(sizeBytes / MOST_PARTS / MIB) * MIB;
    const partBytes = Math.max(this.partBytes, least);
    const partCount = Math.max(1, Math.ceil(sizeBytes / partBytes));
    const sizeOf = (number: number): number =>
      number < 1 || number > partCount ? -1 : Math.min(partBytes, sizeBytes - (number - 1) * partBytes);
    return { partBytes, partCount, sizeOf };
  }

  /** Those of exactly this key, the oldest first: control planes that ask at the same moment choose the same. */
  async #of(key: string): Promise<Begun[]> {
    const found: Begun[] = [];
    for await (const begun of this.#unfinished(key)) if (begun.key === key) found.push(begun);
    return found.sort((a, b) => a.initiated - b.initiated || (a.uploadId < b.uploadId ? -1 : 1));
  }

  async *#unfinished(prefix: string): AsyncIterable<Begun> {
    const { api, call } = this.#options;
    let after = { key: '', uploadId: '' };
    for (;;) {
      const from = after;
      const page = await call('list uploads', () => api.unfinished(prefix, from));
      for (const { key, uploadId, initiated } of page.uploads) {
        yield { key, uploadId: String(uploadId), initiated: new Date(initiated).getTime() };
      }
      if (!page.isTruncated) return;
      after = { key: page.nextKeyMarker, uploadId: page.nextUploadIdMarker };
    }
  }

  /** null: there is no such upload any more. */
  async #parts(
    key: string,
    uploadId: string,
  ): Promise<{ number: number; sizeBytes: number; etag: string }[] | null> {
    const { api, call } = this.#options;
    try {
      const parts = await call(`look at the upload of ${key}`, () => api.parts(key, uploadId));
      return parts.map(({ part, size, etag }) => ({ number: Number(part), sizeBytes: Number(size), etag }));
    } catch (error) {
      if (isGone(error)) return null;
      throw error;
    }
  }
}

function isGone(error: unknown): boolean {
  return (
    error instanceof FlatrenderError &&
    ['NoSuchUpload', 'NoSuchKey', 'NotFound'].includes(s3Code(error.cause))
  );
}

function ignoreGone(error: unknown): void {
  if (!isGone(error)) throw error;
}

function corrupt(key: string, why: string): FlatrenderError {
  return new FlatrenderError('OBJECT_CORRUPT', `${key}: ${why}`, {
    hint: 'send what is missing, then complete it',
  });
}
