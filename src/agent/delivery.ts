/** Brings an entry of the outbox to the control plane: upload, complete, or fail; for as long as it takes. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { AgentApi } from '../client/agent-api.ts';
import { sendFile } from '../client/send-file.ts';
import type { Transfers } from '../client/transfer.ts';
import { untilAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError, toFlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { isRetryable, retryDelay } from '../lib/retry.ts';
import { type ActiveTask, isLeaseLost } from './active-task.ts';
import type { FailEntry, Outbox, OutboxEntry, OutputEntry } from './outbox.ts';
import { isDenied } from './registration.ts';
import { taskErrorOf } from './task-error.ts';

export interface DeliveryOptions {
  readonly api: AgentApi;
  readonly transfers: Transfers;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The file was digested just now; otherwise it is compared with its digest before it is uploaded. */
  readonly isFresh: boolean;
  /** sha256 of a file in hex; empty when it cannot be read. */
  readonly digestOf: (path: string) => Promise<string>;
  /** Waits, but not longer than until the control plane is heard again; rejects when the signal aborts. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Registers anew when the control plane does not accept the node. */
  readonly onDenied: (why: string) => Promise<unknown>;
  /** Before a lease is handed back: no heartbeat speaks of it any more. */
  readonly letGo: (task: ActiveTask) => Promise<void>;
}

/** How a delivery ended: the control plane has it, refused it for good, or the file turned out to be damaged. */
export type Delivered = 'completed' | 'failed' | 'refused' | 'damaged';

// While the control plane answers, a store that refuses this many uploads (each tried for minutes) will refuse the next.
const UPLOAD_TRIES = 5;

/**
 * Delivers the entry and removes it from the outbox. Rejects with the task's abort reason when it is stopped: the
 * entry then stays, except when the lease is lost or the task cancelled.
 */
export async function deliver(
  entry: OutboxEntry,
  task: ActiveTask,
  options: DeliveryOptions,
): Promise<Delivered> {
  let current = entry;
  try {
    for (;;) {
      try {
        const done =
          current.kind === 'output'
            ? await deliverOutput(current, task, options)
            : await deliverFailure(current, task, options);
        await options.outbox.remove(entry);
        return done;
      } catch (error) {
        if (task.signal.aborted || isLeaseLost(error)) throw error;
        const failure = toFlatrenderError(error);
        options.logger.error('task.report-refused', {
          taskId: entry.taskId,
          epoch: entry.epoch,
          kind: current.kind,
          error,
        });
        if (current.kind === 'fail') {
          await options.outbox.remove(entry);
          return 'refused';
        }
        // The result cannot be delivered as it is: at least the control plane hears why.
        current = { kind: 'fail', taskId: entry.taskId, epoch: entry.epoch, error: taskErrorOf(failure) };
        await options.outbox.put(current);
      }
    }
  } catch (error) {
    if (isLeaseLost(error)) task.stop('lost');
    if (task.stopped === 'lost' || task.stopped === 'cancelled') await options.outbox.remove(entry);
    if (isLeaseLost(error)) return 'refused';
    throw error;
  }
}

async function deliverOutput(
  entry: OutputEntry,
  task: ActiveTask,
  options: DeliveryOptions,
): Promise<Delivered> {
  const { api, clock } = options;
  const { taskId, epoch } = entry;
  let key = entry.key;
  for (let uploads = 1; ; uploads += 1) {
    if (key === null) {
      const isIntact = options.isFresh || entry.result.sha256 === (await options.digestOf(entry.path));
      if (!isIntact) return await damaged(entry, task, options);
      key = await uploadOutput(entry, task, options);
      await options.outbox.put({ ...entry, key });
    }
    const overheadMs = Math.max(0, Math.round(clock.now() - entry.startedAt - entry.result.renderMs));
    const result = { ...entry.result, key, overheadMs };
    try {
      await persist(task, options, () => api.complete(taskId, { epoch, result }, task.signal));
      return 'completed';
    } catch (error) {
      const isGone =
        error instanceof FlatrenderError && /^(OBJECT_|OUTPUT_(MISSING|INVALID)$)/.test(error.code);
      if (!isGone || uploads >= UPLOAD_TRIES) throw error;
      options.logger.warn('task.output-missing', { taskId, epoch, error });
      key = null;
    }
  }
}

async function uploadOutput(entry: OutputEntry, task: ActiveTask, options: DeliveryOptions): Promise<string> {
  const { api, transfers, logger } = options;
  const { taskId, epoch, fileName, path } = entry;
  const { sizeBytes, sha256 } = entry.result;
  const request = { epoch, fileName, sizeBytes, sha256, parts: true };
  return await sendFile({
    transfers,
    ask: () => persist(task, options, () => api.uploads(taskId, request, task.signal)),
    path,
    sizeBytes,
    signal: task.signal,
    rounds: UPLOAD_TRIES,
    isIntact: async () => sha256 === (await options.digestOf(path)),
    pause: options.pause,
    onRetry: (error, delayMs) => logger.warn('upload.retry', { taskId, error, delayMs }),
    onRound: (error) => logger.warn('upload.failed', { taskId, epoch, error }),
  });
}

async function deliverFailure(
  entry: FailEntry,
  task: ActiveTask,
  options: DeliveryOptions,
): Promise<Delivered> {
  const { taskId, epoch, error } = entry;
  await persist(task, options, () => options.api.fail(taskId, { epoch, error }, task.signal));
  return 'failed';
}

/** Repeats a call until the control plane decides: unreachable, restarting, not accepting the node are no decisions. */
async function persist<T>(task: ActiveTask, options: DeliveryOptions, call: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await call();
    } catch (error) {
      task.signal.throwIfAborted();
      if ((!isRetryable(error) && !isDenied(error)) || isOutputGone(error)) throw error;
      const delayMs = retryDelay(failures, error);
      if (failures === 1)
        options.logger.warn('task.report-waits', { taskId: task.taskId, epoch: task.epoch, error });
      await options.pause(delayMs, task.signal);
      if (isDenied(error)) await untilAborted(options.onDenied('a report was not accepted'), task.signal);
    }
  }
}

/** The upload is not in the object store: repeating the call is no use, repeating the upload is. */
function isOutputGone(error: unknown): boolean {
  return error instanceof FlatrenderError && /^(OBJECT_|OUTPUT_(MISSING|INVALID)$)/.test(error.code);
}

/** The file is not what was rendered (a power cut, somebody's clean-up): the task goes back to the queue. */
async function damaged(entry: OutputEntry, task: ActiveTask, options: DeliveryOptions): Promise<Delivered> {
  const { taskId, epoch } = entry;
  options.logger.error('outbox.file-damaged', { taskId, epoch, path: entry.path });
  const reason = 'the rendered file was damaged before it was uploaded';
  await options.letGo(task);
  await persist(task, options, () => options.api.release(taskId, { epoch, reason }, task.signal));
  return 'damaged';
}

/** sha256 of a file in hex; empty when it cannot be read. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }))
      hash.update(chunk as Buffer);
  } catch {
    return '';
  }
  return hash.digest('hex');
}
