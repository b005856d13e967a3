/** Files to and from an S3 server: ours against bare undici on the same URLs, in turns. */
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Agent, request } from 'undici';
import { digestFile } from '../../src/client/files.ts';
import { sendFile } from '../../src/client/send-file.ts';
import { createTransfers } from '../../src/client/transfer.ts';
import { sleep, systemClock } from '../../src/lib/clock.ts';
import { createS3ObjectStore } from '../../src/objects/s3.ts';
import { startRadosgw } from '../helpers/radosgw.ts';

export interface ObjectFigures {
  readonly what: string;
  readonly megabytes: number;
  readonly mbPerSecond: number;
  readonly bareMbPerSecond: number;
  readonly ratio: number;
  /** CPU of this process, milliseconds per 100 MB; the server has its own. */
  readonly cpuMs: number;
  readonly bareCpuMs: number;
}

interface Run {
  readonly ms: number;
  readonly cpuMs: number;
}

const MIB = 1024 * 1024;
const CHUNK = MIB;
const PART = 16 * MIB;

/** `rounds` of each, in turns; the medians. */
export async function benchObjects(megabytes: number, rounds: number): Promise<ObjectFigures[]> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-bench-'));
  await using server = await startRadosgw();
  const { url, region, accessKey, secretKey } = server;
  const store = createS3ObjectStore({
    ...{ endpoint: url, region, bucket: 'bench', accessKey, secretKey, pathStyle: true },
    ...{ partBytes: PART, createBucket: true, clock: systemClock },
  });
  const transfers = createTransfers(systemClock);
  const dispatcher = new Agent({ allowH2: false });
  const { signal } = new AbortController();
  try {
    await store.check();
    const path = join(directory, 'film.bin');
    const file = await open(path, 'w');
    for (let n = 0; n < megabytes; n += 1) await file.write(randomBytes(MIB));
    await file.close();
    const digest = await digestFile(path);
    const { sizeBytes, sha256 } = digest;
    const { multipart } = store;
    if (multipart === null) throw new Error('no uploads in parts');
    const ttl = { ttlSeconds: 3600 };
    const place = async (key: string) => ({ key, ...(await store.presignPut(key, { ...digest, ...ttl })) });

    const whole = async (): Promise<void> => {
      const { url, headers } = await place('ours');
      await transfers.upload({ url, headers, path, sizeBytes, signal });
    };
    const bareWhole = async (): Promise<void> => {
      const { url, headers } = await place('bare');
      const body = createReadStream(path, { highWaterMark: CHUNK });
      const sent = { ...headers, 'content-length': String(sizeBytes) };
      const answer = await request(url, { method: 'PUT', headers: sent, body, dispatcher });
      await answer.body.dump();
      if (answer.statusCode !== 200) throw new Error(`HTTP ${answer.statusCode}`);
    };
    const inParts = async (): Promise<void> => {
      const key = 'parts';
      const { uploadId } = await multipart.begin(key, digest);
      const ask = async () => {
        const { parts, partCount, partBytes } = await multipart.begin(key, digest);
        const isDone = parts.length === partCount;
        if (isDone) await multipart.complete(key, uploadId, digest);
        const missing = [];
        for (let number = 1; number <= partCount; number += 1) {
          if (parts.some((part) => part.number === number)) continue;
          missing.push({ number, url: await multipart.presignPart(key, uploadId, number, ttl) });
        }
        const sentBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
        return { ...(await place(key)), multipart: { partBytes, sentBytes, parts: missing, done: isDone } };
      };
      const pause = (ms: number): Promise<void> => sleep(ms, systemClock);
      await sendFile({ transfers, ask, path, sizeBytes, signal, rounds: 1, pause });
    };
    const download = async (): Promise<void> => {
      const copy = join(directory, 'copy');
      await transfers.download({
        url: await store.presignGet('ours', ttl),
        sha256,
        sizeBytes,
        path: copy,
        signal,
      });
    };
    const bareDownload = async (): Promise<void> => {
      const answer = await request(await store.presignGet('ours', ttl), { dispatcher });
      const copy = join(directory, 'bare-copy');
      await pipeline(answer.body, createWriteStream(copy));
      if ((await stat(copy)).size !== sizeBytes) throw new Error('short');
    };
    const figures: ObjectFigures[] = [];
    const pairs = [
      ['upload, one request', whole, bareWhole],
      ['upload, in parts of 16 MB', inParts, bareWhole],
      ['download', download, bareDownload],
    ] as const;
    for (const [what, ours, bare] of pairs) {
      const [own, other] = await inTurns(ours, bare, rounds);
      const rate = ({ ms }: Run): number => Math.round((sizeBytes / 1e6 / ms) * 1000);
      const cpu = ({ cpuMs }: Run): number => Math.round((cpuMs / sizeBytes) * 1e8);
      figures.push({
        what,
        megabytes,
        mbPerSecond: rate(own),
        bareMbPerSecond: rate(other),
        ratio: Math.round((other.ms / own.ms) * 100) / 100,
        cpuMs: cpu(own),
        bareCpuMs: cpu(other),
      });
    }
    return figures;
  } finally {
    await transfers.close();
    await dispatcher.close();
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** The first is warm-up. */
async function inTurns(
  a: () => Promise<void>,
  b: () => Promise<void>,
  rounds: number,
): Promise<readonly [Run, Run]> {
  const runs: [Run[], Run[]] = [[], []];
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, work] of [a, b].entries()) {
      const run = await measure(work);
      if (round > 0) runs[index === 0 ? 0 : 1].push(run);
    }
  }
  return [median(runs[0]), median(runs[1])];
}

async function measure(work: () => Promise<void>): Promise<Run> {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  await work();
  const ms = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  return { ms, cpuMs: (user + system) / 1000 };
}

function median(runs: readonly Run[]): Run {
  const sorted = [...runs].sort((a, b) => a.ms - b.ms);
  const run = sorted[Math.floor(sorted.length / 2)];
  if (run === undefined) throw new Error('nothing was measured');
  return run;
}
