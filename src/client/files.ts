/** An operator's files: inputs and bundles to the farm, outputs from it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { sleep } from '../lib/clock.ts';
import type { OutputAnswer } from '../protocol/jobs.ts';
import type { Api } from './api.ts';
import { waitingClock } from './waiting-clock.ts';

// Each is tried for minutes; with parts it only counts when nothing at all arrived.
const ROUNDS = 1;

export interface FileOptions {
  readonly signal: AbortSignal;
  /** Bytes done of all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A file as the control plane knows it. */
export interface StoredFile {
  readonly sha256: string;
  readonly sizeBytes: number;
  /** It was there before: nothing was sent. */
  readonly already: boolean;
}

/** sha256 (hex) and size of a file, streamed. */
export async function digestFile(
  path: string,
  signal?: AbortSignal,
): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const stream = createReadStream(path, { highWaterMark: 1024 * 1024, ...(signal ? { signal } : {}) });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      hash.update(chunk);
      sizeBytes += chunk.length;
    }
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}

/** Makes a file available to the farm; what is there already is not sent. Errors as for {@link Api} and transfers. */
export async function uploadFile(
  api: Api,
  kind: 'asset' | 'bundle',
  path: string,
  options: FileOptions,
): Promise<StoredFile> {
  const digest = await digestFile(path, options.signal);
  const first = await api.createUpload({ kind, ...digest });
  if (first.url === null) return { ...digest, already: true };
  const [{ createTransfers }, { sendFile }] = await Promise.all([
    import('./transfer.ts'),
    import('./send-file.ts'),
  ]);
  const transfers = createTransfers(waitingClock);
  let answer: typeof first | null = first;
  try {
    await sendFile({
      transfers,
      async ask() {
        const known = answer ?? (await api.createUpload({ kind, ...digest }));
        answer = null;
        return known;
      },
      path,
      sizeBytes: digest.sizeBytes,
      rounds: ROUNDS,
      pause: (ms, signal) => sleep(ms, waitingClock, signal),
      ...options,
    });
  } finally {
    await transfers.close();
  }
  return { ...digest, already: false };
}

/**
 * Downloads an output to `path`: resumed from `path.part`, verified by sha256, then renamed. The directory exists; what
 * is at `path` is replaced.
 */
export async function downloadOutput(
  output: Pick<OutputAnswer['outputs'][number], 'url' | 'sha256' | 'sizeBytes'>,
  path: string,
  options: FileOptions,
): Promise<void> {
  const { createTransfers } = await import('./transfer.ts');
  const transfers = createTransfers(waitingClock);
  try {
    const { url, sha256, sizeBytes } = output;
    await transfers.download({ url, sha256, sizeBytes, path, ...options });
  } finally {
    await transfers.close();
  }
}
