/** Files in large chunks: as fast as a disk and a socket can be, with little memory. */
import { type FileHandle, open } from 'node:fs/promises';
import { Writable } from 'node:stream';

/** What is read, sent and written in one go. */
export const CHUNK_BYTES = 1024 * 1024;

interface FileRange {
  readonly start: number;
  readonly bytes: number;
  /** Bytes read of all; called per chunk. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

type AppendTo = Pick<FileHandle, 'write' | 'writev'>;

/**
 * The bytes of a file in large chunks, counted as they are asked for. Two buffers in turn instead of a stream: it has a new
 * buffer for every chunk, which costs more than sending it. A chunk is used again only after the socket has let go of it:
 * all but the last are larger than what a socket takes without asking to wait.
 */
export async function* readRange(
  path: string,
  { start, bytes, onProgress }: FileRange,
): AsyncGenerator<Buffer> {
  const file = await open(path);
  try {
    const size = Math.min(CHUNK_BYTES, bytes);
    let buffer = Buffer.allocUnsafeSlow(size);
    let other = Buffer.allocUnsafeSlow(Math.min(size, bytes - size));
    for (let done = 0; done < bytes; [buffer, other] = [other, buffer]) {
      const wanted = Math.min(buffer.length, bytes - done);
      let filled = 0;
      while (filled < wanted) {
        const { bytesRead } = await file.read(buffer, filled, wanted - filled, start + done + filled);
        // It became shorter: the request ends with an error of its length.
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      if (filled === 0) return;
      done += filled;
      onProgress?.(done, bytes);
      yield buffer.subarray(0, filled);
    }
  } finally {
    await file.close();
  }
}

/**
 * Appends what is piped into it to a file: while one batch is written, `onBytes` has it for its digest, and the next one
 * gathers. Ended after its source broke, it has everything that came in the file.
 */
export class FileAppender extends Writable {
  readonly #file: AppendTo;
  readonly #onBytes: (chunk: Buffer) => void;

  /** What `onBytes` throws is the error of the stream; the batch is in the file all the same. */
  constructor(file: AppendTo, onBytes: (chunk: Buffer) => void) {
    super({ highWaterMark: CHUNK_BYTES, decodeStrings: false });
    this.#file = file;
    this.#onBytes = onBytes;
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#append([chunk], done);
  }

  override _writev(chunks: { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#append(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  #append(batch: readonly Buffer[], done: (error?: Error | null) => void): void {
    const writing = writeAll(this.#file, batch);
    let failure: Error | null = null;
    try {
      for (const chunk of batch) this.#onBytes(chunk);
    } catch (error) {
      failure = error as Error;
    }
    writing.then(() => done(failure), done);
  }
}

async function writeAll(file: AppendTo, batch: readonly Buffer[]): Promise<void> {
  let { bytesWritten } = await file.writev(batch);
  for (const chunk of batch) {
    // Only the last write of a disk that is nearly full is short.
    const done = Math.min(bytesWritten, chunk.length);
    bytesWritten -= done;
    for (let at = done; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
  }
}
