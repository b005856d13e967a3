/** Where bundles, input files and outputs live. The contract is the conformance suite in `test/conformance`. */
import type { Readable } from 'node:stream';

export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  /**
   * sha256 in hex when the store knows it: fs always does; S3 when the server compared it on arrival. null: whoever wants
   * to be sure reads it (uploads in parts, servers that compare nothing).
   */
  readonly sha256: string | null;
  /** Epoch milliseconds. */
  readonly modifiedAt: number;
  /** Another one for other bytes, where the store has such a name for them (S3, whose times are whole seconds). */
  readonly etag?: string | undefined;
}

export interface PutOptions {
  /** Refused with OBJECT_CORRUPT when the bytes that arrive do not have this length. */
  readonly sizeBytes?: number | undefined;
  /** Refused with OBJECT_CORRUPT when the bytes that arrive do not have this digest. */
  readonly sha256?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Inclusive byte range; `end` left out: to the last byte. */
export interface ByteRange {
  readonly start: number;
  readonly end?: number | undefined;
}

export interface PresignOptions {
  /** 1 s to 7 days. */
  readonly ttlSeconds: number;
  /** For stores that the control plane serves itself: scheme, host and port the caller can reach. */
  readonly baseUrl?: string | undefined;
}

export interface PresignPutOptions extends PresignOptions {
  /** The upload must have exactly this size and digest. */
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface PresignedPut {
  readonly url: string;
  /** Headers that must be sent along unchanged. */
  readonly headers: Readonly<Record<string, string>>;
}

/** An upload in parts, as far as it got. */
export interface MultipartUpload {
  readonly uploadId: string;
  /** Of every part but the last. */
  readonly partBytes: number;
  /** How many parts there will be. */
  readonly partCount: number;
  /** What is there already. */
  readonly parts: readonly { readonly number: number; readonly sizeBytes: number; readonly etag: string }[];
}

/** Uploads in parts: after a break only the parts that are missing are sent. */
export interface MultipartUploads {
  /** Files up to this size go up in one piece. */
  readonly partBytes: number;
  /** Begins one, or finds the one that was begun for this key and size. */
  begin(key: string, file: { readonly sizeBytes: number }): Promise<MultipartUpload>;
  /** Where part `number` (from 1) goes. */
  presignPart(key: string, uploadId: string, number: number, options: PresignOptions): Promise<string>;
  /** Puts it together; OBJECT_CORRUPT when parts are missing or the size is not the promised one. */
  complete(key: string, uploadId: string, file: { readonly sizeBytes: number }): Promise<ObjectInfo>;
  /** Removes what was begun before this time (epoch ms) and never ended; returns how many. */
  abortBefore(before: number): Promise<number>;
}

/**
 * Keys are `/`-separated segments of `[A-Za-z0-9._-]`, none empty, `.` or `..`, at most 512 characters, a segment at most
 * 200; anything else is REQUEST_INVALID. A key that is also the folder of other keys (`a` and `a/b`) may be refused with
 * OBJECT_EXISTS. Writes are atomic: a reader sees the old object, the new one or none, never a part. A full disk is
 * DISK_FULL, a body that breaks off TRANSFER_FAILED, an aborted signal ABORTED.
 */
export interface ObjectStore {
  put(key: string, body: Readable | Uint8Array, options?: PutOptions): Promise<ObjectInfo>;
  /** The object's bytes; OBJECT_NOT_FOUND, OBJECT_RANGE. The caller destroys the stream. */
  get(key: string, range?: ByteRange): Promise<{ readonly info: ObjectInfo; readonly stream: Readable }>;
  head(key: string): Promise<ObjectInfo | null>;
  /** Removing what is not there is no error. */
  remove(key: string): Promise<void>;
  /** Removes many, in as few requests as the store can do it. */
  removeAll(keys: readonly string[]): Promise<void>;
  /** Every object whose key starts with `prefix`, in no particular order; the digest may be left out (S3 does). */
  list(prefix: string): AsyncIterable<ObjectInfo>;
  presignGet(key: string, options: PresignOptions): Promise<string>;
  presignPut(key: string, options: PresignPutOptions): Promise<PresignedPut>;
  /** null: files go up in one piece. */
  readonly multipart: MultipartUploads | null;
  /** Proves that the store can be written and read; UNAVAILABLE with the reason otherwise. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** Object keys of the farm. */
export const objectKeys = {
  asset: (sha256: string): string => `assets/${sha256}`,
  bundle: (sha256: string): string => `bundles/${sha256}.zip`,
  /** Each attempt has its own place: a late loser overwrites nothing. */
  output: (taskId: string, epoch: number, fileName: string): string =>
    `outputs/${taskId.slice(0, taskId.lastIndexOf('.'))}/${taskId}-${epoch}/${fileName}`,
  outputsOfJob: (jobId: string): string => `outputs/${jobId}/`,
} as const;
