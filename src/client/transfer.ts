/** Files to and from signed URLs: streamed, verified, resumed. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { Agent, type Dispatcher, request } from 'undici';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { isRetryable, retry } from '../lib/retry.ts';
import { connectionError } from './connection-error.ts';
import { CHUNK_BYTES, FileAppender, readRange } from './file-chunks.ts';
import { plainUrl, refusal } from './refusal.ts';

export interface TransferOptions {
  readonly signal: AbortSignal;
  /** Bytes done of all; called per chunk. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly onRetry?: ((error: unknown, delayMs: number, attempt: number) => void) | undefined;
  /** Default 8: with the back-off some two minutes of trying. Any progress starts the count anew. */
  readonly tries?: number | undefined;
}

export interface Download extends TransferOptions {
  readonly url: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Where the verified file appears, all at once. Its directory exists. */
  readonly path: string;
  /** Where the bytes gather; kept after a failure so that a later call resumes. Default: `path` + `.part`. */
  readonly partPath?: string | undefined;
}

export interface Upload extends TransferOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly path: string;
  /** Of the file. */
  readonly sizeBytes: number;
  /** Only these bytes of it. */
  readonly part?: { readonly start: number; readonly bytes: number } | undefined;
}

/** Transfers over one connection pool. Close it. */
export interface Transfers {
  /** TRANSFER_FAILED, OBJECT_CORRUPT, DISK_FULL, or the store's own error; the URL in messages has no signature. */
  download(options: Download): Promise<void>;
  /** Sends the whole file (or part) again when it was cut. Errors as for downloads. */
  upload(options: Upload): Promise<void>;
  close(): Promise<void>;
}

// A transfer may take hours, but not stand still.
const STALL_MS = 60_000;
const TRIES = 8;
// The second time the same bytes are wrong, fetching them again is no use.
const CORRUPT_TRIES = 2;

/** Creates the connection pool for transfers. */
export function createTransfers(clock: Clock): Transfers {
  const dispatcher = new Agent({
    // One connection a transfer: over HTTP/2 a proxy's single connection would be shared by all of them.
    allowH2: false,
    connect: { timeout: 10_000 },
    headersTimeout: STALL_MS,
    bodyTimeout: STALL_MS,
  });
  return {
    download: (options) => download(options, dispatcher, clock),
    upload: (options) => upload(options, dispatcher, clock),
    close: () => dispatcher.destroy(),
  };
}

async function download(options: Download, dispatcher: Dispatcher, clock: Clock): Promise<void> {
  const part = options.partPath ?? `${options.path}.part`;
  let corrupt = 0;
  let failures = 0;
  let reached = -1;
  await retry(
    async () => {
      const state = await openPart(part, options.sizeBytes);
      try {
        if (state.size > reached) failures = 0;
        reached = state.size;
        if (state.size < options.sizeBytes) await fetchRest(options, state, dispatcher, clock);
      } catch (error) {
        failures += 1;
        throw diskError(error, part);
      } finally {
        await state.file.close();
      }
      if (state.hash.digest('hex') === options.sha256) return;
      await rm(part, { force: true });
      reached = -1;
      corrupt += 1;
      throw new FlatrenderError(
        'OBJECT_CORRUPT',
        `${plainUrl(options.url)} arrived with other contents than promised`,
        {
          retryable: corrupt < CORRUPT_TRIES,
          hint: `wanted sha256 ${options.sha256}; something between here and the object store changes files`,
        },
      );
    },
    {
      clock,
      signal: options.signal,
      isRetryable: (error) => isRetryable(error) && !isDiskFull(error) && failures < (options.tries ?? TRIES),
      onRetry: options.onRetry,
    },
  );
  await rename(part, options.path);
}

interface Part {
  readonly file: FileHandle;
  /** Of the bytes in the file so far. */
  hash: Hash;
  size: number;
}

/** Opens the part file and hashes what is there already; a part that is too long is begun anew. */
async function openPart(path: string, wanted: number): Promise<Part> {
  const file = await open(path, 'a+');
  try {
    const part: Part = { file, hash: createHash('sha256'), size: (await file.stat()).size };
    if (part.size > wanted) await restart(part);
    const buffer = part.size > 0 ? Buffer.allocUnsafe(Math.min(CHUNK_BYTES, part.size)) : Buffer.alloc(0);
    for (let position = 0; position < part.size; ) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) break;
      part.hash.update(buffer.subarray(0, bytesRead));
      position += bytesRead;
    }
    return part;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function restart(part: Part): Promise<void> {
  await part.file.truncate(0);
  part.hash = createHash('sha256');
  part.size = 0;
}

async function fetchRest(options: Download, part: Part, dispatcher: Dispatcher, clock: Clock): Promise<void> {
  const { url, signal, sizeBytes } = options;
  const headers = part.size > 0 ? { range: `bytes=${part.size}-` } : {};
  const answer = await connect(`cannot download ${plainUrl(url)}`, signal, () =>
    request(url, { method: 'GET', headers, signal, dispatcher }),
  );
  const { statusCode, body } = answer;
  if (statusCode === 416 && part.size > 0) {
    await body.dump();
    await restart(part);
    throw new FlatrenderError('TRANSFER_FAILED', `${plainUrl(url)} cannot be resumed; starting anew`);
  }
  if (statusCode !== 200 && statusCode !== 206) throw await refusal('download', url, answer, clock);
  const from = statusCode === 206 ? /^bytes (\d+)-/.exec(String(answer.headers['content-range']))?.[1] : '0';
  if (Number(from) !== part.size) {
    if (statusCode === 206) {
      body.destroy();
      throw new FlatrenderError(
        'TRANSFER_FAILED',
        `${plainUrl(url)} was answered with another range than asked for`,
      );
    }
    await restart(part);
  }
  const appender = new FileAppender(part.file, (chunk) => {
    if (part.size + chunk.length > sizeBytes) {
      throw new FlatrenderError(
        'OBJECT_CORRUPT',
        `${plainUrl(url)} is longer than the ${sizeBytes} bytes promised`,
      );
    }
    part.hash.update(chunk);
    part.size += chunk.length;
    options.onProgress?.(part.size, sizeBytes);
  });
  await connect(`the download of ${plainUrl(url)} was cut`, signal, async () => {
    try {
      await append(body, appender);
    } catch (error) {
      if (error instanceof FlatrenderError && error.code === 'OBJECT_CORRUPT') await restart(part);
      throw error;
    }
  });
  if (part.size < sizeBytes) {
    throw new FlatrenderError(
      'TRANSFER_FAILED',
      `the download of ${plainUrl(url)} ended after ${part.size} of ${sizeBytes} bytes`,
    );
  }
}

/** Everything that came is in the file when this ends, also when it was cut: the next try goes on behind it. */
async function append(body: Readable, appender: FileAppender): Promise<void> {
  const read = finished(body).catch((error: unknown) => {
    appender.end();
    throw error;
  });
  const written = finished(appender).catch((error: unknown) => {
    body.destroy();
    throw error;
  });
  body.pipe(appender);
  const [reading, writing] = await Promise.allSettled([read, written]);
  if (writing.status === 'rejected') throw writing.reason;
  if (reading.status === 'rejected') throw reading.reason;
}

async function upload(options: Upload, dispatcher: Dispatcher, clock: Clock): Promise<void> {
  const { url, path, sizeBytes, signal } = options;
  const { start, bytes } = options.part ?? { start: 0, bytes: sizeBytes };
  await retry(
    async () => {
      const actual = (await stat(path)).size;
      if (actual !== sizeBytes) {
        throw new FlatrenderError(
          'OBJECT_CORRUPT',
          `${path} has ${actual} bytes instead of ${sizeBytes}: something changed it`,
        );
      }
      const answer = await connect(`cannot upload to ${plainUrl(url)}`, signal, () =>
        request(url, {
          method: 'PUT',
          headers: { ...options.headers, 'content-length': String(bytes) },
          // undici's types leave out what its documentation lists.
          body: readRange(path, { start, bytes, onProgress: options.onProgress }) as unknown as Readable,
          signal,
          dispatcher,
        }),
      );
      if (answer.statusCode < 200 || answer.statusCode > 299)
        throw await refusal('upload', url, answer, clock);
      await answer.body.dump();
    },
    { clock, signal, tries: options.tries ?? TRIES, onRetry: options.onRetry },
  );
}

/** Runs a step of a transfer; what breaks on the network becomes TRANSFER_FAILED. */
async function connect<T>(what: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (isDiskFull(cause)) throw cause;
    throw connectionError('TRANSFER_FAILED', what, cause, {
      hint: 'check that this node reaches that address (tunnel, firewall)',
    });
  }
}

function isDiskFull(error: unknown): boolean {
  if (error instanceof FlatrenderError) return error.code === 'DISK_FULL';
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

function diskError(error: unknown, path: string): unknown {
  if (error instanceof FlatrenderError || !isDiskFull(error)) return error;
  return new FlatrenderError('DISK_FULL', `no space left while writing ${path}`, {
    cause: error,
    hint: 'make room, lower CACHE_MAX_GB, or move STATE_DIR to another disk',
  });
}
