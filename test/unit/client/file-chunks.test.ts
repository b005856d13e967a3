import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import { CHUNK_BYTES, FileAppender, readRange } from '../../../src/client/file-chunks.ts';

type AppendTo = ConstructorParameters<typeof FileAppender>[0];

const SIZE = 3 * CHUNK_BYTES + 12_345;
const bytes = randomBytes(SIZE);
let directory: string;
let path: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flatrender-chunks-'));
  path = join(directory, 'film.bin');
  await writeFile(path, bytes);
});

after(() => rm(directory, { recursive: true, force: true }));

/** Each chunk as it is when it is given out: its buffer is used again. */
async function readAll(
  start: number,
  count: number,
): Promise<{ all: Buffer; sizes: number[]; told: number[] }> {
  const chunks: Buffer[] = [];
  const told: number[] = [];
  for await (const chunk of readRange(path, { start, bytes: count, onProgress: (done) => told.push(done) }))
    chunks.push(Buffer.from(chunk));
  return { all: Buffer.concat(chunks), sizes: chunks.map(({ length }) => length), told };
}

test('any range of a file comes whole, in order, and all chunks but the last are full', async () => {
  for (const [start, count] of [
    [0, SIZE],
    [0, 1],
    [1, CHUNK_BYTES],
    [5, CHUNK_BYTES + 1],
    [CHUNK_BYTES - 3, 2 * CHUNK_BYTES],
    [SIZE - 1, 1],
    [0, 0],
  ] as const) {
    const { all, sizes, told } = await readAll(start, count);
    assert.ok(all.equals(bytes.subarray(start, start + count)), `${start}+${count}`);
    for (const size of sizes.slice(0, -1)) assert.equal(size, CHUNK_BYTES);
    assert.equal(told.at(-1) ?? 0, count);
  }
});

test('a file that became shorter ends early', async () => {
  const { all } = await readAll(SIZE - 10, 100);
  assert.ok(all.equals(bytes.subarray(SIZE - 10)));
});

test('a reader that is given up closes the file', async () => {
  const reading = readRange(path, { start: 0, bytes: SIZE });
  await reading.next();
  await reading.return(undefined);
  assert.equal((await reading.next()).done, true);
});

test('what is written is in the file once it is finished, whatever the sizes, and was seen in order', async () => {
  const copy = join(directory, 'copy.bin');
  const file = await open(copy, 'a');
  const hash = createHash('sha256');
  const appender = new FileAppender(file, (chunk) => hash.update(chunk));
  for (let at = 0, n = 0; at < SIZE; n += 1) {
    const size = [1, 65_536, 70_001, CHUNK_BYTES + 7][n % 4] ?? 1;
    if (!appender.write(bytes.subarray(at, at + size))) await once(appender, 'drain');
    at += size;
  }
  appender.end();
  await finished(appender);
  assert.ok((await readFile(copy)).equals(bytes));
  assert.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
  await file.close();
});

test('a short write is completed, in order', async () => {
  const written: Buffer[] = [];
  const take = (buffer: Uint8Array, most: number): number => {
    written.push(Buffer.from(buffer.subarray(0, most)));
    return Math.min(most, buffer.length);
  };
  const file = {
    async writev(batch: readonly Uint8Array[]) {
      let bytesWritten = take(batch[0] ?? Buffer.alloc(0), 1000);
      if ((batch[0]?.length ?? 0) <= 1000) bytesWritten += take(batch[1] ?? Buffer.alloc(0), 3);
      return { bytesWritten, buffers: batch };
    },
    async write(buffer: Uint8Array, at: number) {
      return { bytesWritten: take(buffer.subarray(at), 500_000), buffer };
    },
  };
  const appender = new FileAppender(file as unknown as AppendTo, () => undefined);
  for (const [from, to] of [
    [0, 1000],
    [1000, 900_000],
    [900_000, 2_000_000],
    [2_000_000, SIZE],
  ] as const)
    appender.write(bytes.subarray(from, to));
  appender.end();
  await finished(appender);
  assert.ok(Buffer.concat(written).equals(bytes));
});

test('a disk that is full, and what the reader has against a chunk, are errors of the stream', async () => {
  const full = {
    writev: async () => {
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    },
  };
  const appender = new FileAppender(full as unknown as AppendTo, () => undefined);
  appender.write(bytes.subarray(0, 1000));
  await assert.rejects(finished(appender), { code: 'ENOSPC' });
  const file = { writev: async (batch: readonly Uint8Array[]) => ({ bytesWritten: batch[0]?.length ?? 0 }) };
  const critical = new FileAppender(file as unknown as AppendTo, () => {
    throw new Error('too long');
  });
  critical.write(bytes.subarray(0, 1000));
  await assert.rejects(finished(critical), /too long/);
});
