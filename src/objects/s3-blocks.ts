/** A body cut into blocks of one size, counted and digested on the way. */
import { createHash } from 'node:crypto';
import { addAbortSignal, type Readable } from 'node:stream';
import { FlatrenderError } from '../lib/errors.ts';
import { checkContent } from './check-content.ts';
import type { PutOptions } from './object-store.ts';

export interface BlockReader {
  /** The next block; shorter than the others, maybe empty: the last. TRANSFER_FAILED, ABORTED, OBJECT_CORRUPT (too long). */
  next(): Promise<Buffer>;
  /** sha256 of everything so far, in hex; once, at the end. */
  digest(): string;
}

/** Reads `body` in blocks of `blockBytes`. A body that is longer than announced is destroyed. */
export function readBlocks(
  key: string,
  body: Readable | Uint8Array,
  blockBytes: number,
  options: PutOptions,
): BlockReader {
  const hash = createHash('sha256');
  if (options.signal && !(body instanceof Uint8Array)) addAbortSignal(options.signal, body);
  const chunks = body instanceof Uint8Array ? [body].values() : body[Symbol.asyncIterator]();
  let size = 0;
  let rest: Buffer = Buffer.alloc(0);
  const chunk = async (): Promise<Buffer | null> => {
    let next: IteratorResult<unknown>;
    try {
      next = await chunks.next();
    } catch (cause) {
      if (options.signal?.aborted)
        throw new FlatrenderError('ABORTED', `writing ${key} was aborted`, { cause });
      throw new FlatrenderError('TRANSFER_FAILED', `the upload of ${key} broke off after ${size} bytes`, {
        cause,
      });
    }
    if (next.done) return null;
    const { value } = next;
    return typeof value === 'string' ? Buffer.from(value) : asBuffer(value as Uint8Array);
  };
  const count = (bytes: Buffer): void => {
    size += bytes.length;
    hash.update(bytes);
    if (options.sizeBytes === undefined || size <= options.sizeBytes) return;
    if (!(body instanceof Uint8Array)) body.destroy();
    throw new FlatrenderError(
      'OBJECT_CORRUPT',
      `${key}: more than the announced ${options.sizeBytes} bytes arrived`,
    );
  };
  return {
    async next() {
      const parts: Buffer[] = [rest];
      let bytes = rest.length;
      while (bytes < blockBytes) {
        const more = await chunk();
        if (more === null) break;
        count(more);
        parts.push(more);
        bytes += more.length;
      }
      const all = parts.length === 1 ? rest : Buffer.concat(parts, bytes);
      rest = all.subarray(blockBytes);
      return all.subarray(0, blockBytes);
    },
    digest: () => {
      const sha256 = hash.digest('hex');
      checkContent(key, { sizeBytes: size, sha256 }, options);
      return sha256;
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
