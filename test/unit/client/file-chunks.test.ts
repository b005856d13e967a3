import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BatchWriter, CHUNK_BYTES, readRange } from '../../../src/client/file-chunks.ts';

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

test('what is added is in the file once it is flushed, whatever the sizes', async () => {
  const copy = join(directory, 'copy.bin');
  const file = await open(copy, 'a');
  const writer = new BatchWriter(file);
  for (let at = 0, n = 0; at < SIZE; n += 1) {
    const size = [1, 65_536, 70_001, CHUNK_BYTES + 7][n % 4] ?? 1;
    await writer.add(bytes.subarray(at, at + size));
    at += size;
  }
  await writer.flush();
  assert.ok((await readFile(copy)).equals(bytes));
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
  const writer = new BatchWriter(file as unknown as ConstructorParameters<typeof BatchWriter>[0]);
  for (const [from, to] of [
    [0, 1000],
    [1000, 900_000],
    [900_000, 2_000_000],
    [2_000_000, SIZE],
  ] as const)
    await writer.add(bytes.subarray(from, to));
  await writer.flush();
  assert.ok(Buffer.concat(written).equals(bytes));
});

test('a disk that is full is told by the next batch or the flush, and not as an unhandled rejection', async () => {
  const file = {
    writev: async () => {
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    },
  };
  const writer = new BatchWriter(file as unknown as ConstructorParameters<typeof BatchWriter>[0]);
  await writer.add(bytes.subarray(0, CHUNK_BYTES));
  await assert.rejects(
    async () => {
      await writer.add(bytes.subarray(CHUNK_BYTES, 2 * CHUNK_BYTES));
    },
    { code: 'ENOSPC' },
  );
  await assert.rejects(writer.flush(), { code: 'ENOSPC' });
});
