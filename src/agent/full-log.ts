/**
 * The complete log of an attempt, kept in the object store beside its outputs: the lines that are sent while it runs are
 * bounded, and of After Effects one wants all of them.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { AgentApi } from '../client/agent-api.ts';
import type { Transfers } from '../client/transfer.ts';
import { type Clock, deadline } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { ActiveTask } from './active-task.ts';
import { fileDigest } from './delivery.ts';

/** Where an engine leaves `<name>.log`, below the attempt's scratch directory. */
const DIRECTORY = 'logs';
// A log must not hold up the report it belongs to.
const TIMEOUT_MS = 10_000;

export interface FullLogOptions {
  readonly api: AgentApi;
  readonly transfers: Transfers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For a line about what could not be kept. */
  readonly say: (line: string) => void;
}

/**
 * Uploads every `logs/*.log` of the scratch directory, compressed, as `<name>.log.gz` with the outputs of the attempt.
 * Before its report: afterwards the lease is over. One try; never rejects, and takes 10 s at most.
 */
export async function keepFullLogs(
  workspace: string,
  task: ActiveTask,
  options: FullLogOptions,
): Promise<void> {
  const directory = join(workspace, DIRECTORY);
  // Most engines say little and leave none.
  const names = (await readdir(directory).catch(() => [])).filter((name) => /^[\w-]{1,80}\.log$/.test(name));
  using late = deadline(TIMEOUT_MS, options.clock);
  const signal = AbortSignal.any([task.signal, late.signal]);
  for (const name of names) {
    try {
      await keep(join(directory, name), `${name}.gz`, task, signal, options);
    } catch (error) {
      if (task.signal.aborted) return;
      options.logger.warn('task.log-not-kept', { taskId: task.taskId, epoch: task.epoch, error });
      options.say(
        `the complete log ${name} could not be kept: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
}

async function keep(
  path: string,
  fileName: string,
  task: ActiveTask,
  signal: AbortSignal,
  { api, transfers }: FullLogOptions,
): Promise<void> {
  const packed = `${path}.gz`;
  try {
    await pipeline(createReadStream(path), createGzip(), createWriteStream(packed), { signal });
    const [{ size: sizeBytes }, sha256] = await Promise.all([stat(packed), fileDigest(packed)]);
    const place = await api.uploads(task.taskId, { epoch: task.epoch, fileName, sizeBytes, sha256 }, signal);
    await transfers.upload({ ...place, path: packed, sizeBytes, signal, tries: 2 });
  } finally {
    await rm(packed, { force: true });
  }
}
