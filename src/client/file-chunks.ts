/** Files in large chunks: as fast as a disk and a socket can be, with little memory. */
import { type FileHandle, open } from 'node:fs/promises';

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

/** Appends to a file in large batches, one of which is written while the next one is gathered. */
export class BatchWriter {
  readonly #file: AppendTo;
  #gathered: Buffer[] = [];
  #bytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(file: AppendTo) {
    this.#file = file;
  }

  /** null: there is room for more. */
  add(chunk: Buffer): Promise<void> | null {
    this.#gathered.push(chunk);
    this.#bytes += chunk.length;
    return this.#bytes < CHUNK_BYTES ? null : this.#next();
  }

  /** Resolves when everything is in the file. */
  async flush(): Promise<void> {
    await this.#next();
    await this.#writing;
  }

  /** Resolves when the batch before is written, and this one on its way. */
  async #next(): Promise<void> {
    const batch = this.#gathered;
    this.#gathered = [];
    this.#bytes = 0;
    await this.#writing;
    if (batch.length === 0) return;
    this.#writing = writeAll(this.#file, batch);
    // Thrown by whoever waits for it next.
    this.#writing.catch(() => undefined);
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
