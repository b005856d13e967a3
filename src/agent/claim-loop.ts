/** Asks for work: one long-poll at a time, as long as there is room. */
import type { AgentApi } from '../client/agent-api.ts';
import { type Clock, deadline } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { isRetryable, retryDelay } from '../lib/retry.ts';
import type { AgentSettings, ClaimAnswer } from '../protocol/agent.ts';
import type { Bell } from './bell.ts';
import type { ClaimJournal } from './claim-journal.ts';
import { isDenied } from './registration.ts';

export interface ClaimLoopOptions {
  readonly api: AgentApi;
  readonly journal: ClaimJournal;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Rings when room, draining or the connection may have changed. */
  readonly bell: Bell;
  readonly settings: () => AgentSettings;
  /** Tasks that may be claimed now; 0 while draining. */
  readonly freeSlots: () => number;
  /** Whether the disk has room for any task; what would fail at once here is left to others. */
  readonly hasRoom: () => Promise<boolean>;
  /** Starts the task; does not wait for its end. */
  readonly onTask: (claim: ClaimAnswer) => void;
  readonly onDenied: (why: string) => Promise<unknown>;
  /** Aborts when the agent claims no more. */
  readonly signal: AbortSignal;
}

// An agent that stops asks once more what became of its last question; a shutdown does not wait longer for it.
const LAST_ASK_MS = 3_000;
// A server that answers "nothing" at once, again and again, is asked no more often than this.
const EMPTY_PAUSE_MS = 500;
// While the disk is full; looking costs nothing.
const NO_ROOM_MS = 1000;
// The second crash with the same task in hand looks like the task's doing.
const MAX_RESTARTS = 2;

/** Claims until the signal aborts. A lost answer is asked for again with the same claimId. */
export async function runClaimLoop(options: ClaimLoopOptions): Promise<void> {
  const { clock, bell, signal, logger } = options;
  let failures = 0;
  let isFull = false;
  while (!signal.aborted) {
    try {
      if (options.freeSlots() === 0) {
        await bell.wait(signal);
        continue;
      }
      const hasRoom = await options.hasRoom();
      if (hasRoom === isFull) tellRoom(logger, hasRoom);
      isFull = !hasRoom;
      if (isFull) {
        await bell.wait(signal, clock, NO_ROOM_MS);
        continue;
      }
      const asked = clock.now();
      const { claimWaitMs } = options.settings();
      const gotTask = await claimOnce(options, options.journal.pending, claimWaitMs, signal);
      if (failures > 0) bell.ring();
      failures = 0;
      if (!gotTask && clock.now() - asked < EMPTY_PAUSE_MS) await bell.wait(signal, clock, EMPTY_PAUSE_MS);
    } catch (error) {
      if (signal.aborted) break;
      failures += 1;
      if (isDenied(error)) {
        await options.onDenied('a claim was not accepted').catch(() => undefined);
        // Registering may work where claiming does not (a proxy that breaks one of them): then it cures nothing.
        if (failures === 1) continue;
      }
      if (!isRetryable(error)) logger.error('claim.refused', { error });
      else logger.debug('claim.failed', { error, failures });
      await bell
        .wait(signal, clock, retryDelay(isRetryable(error) ? failures : failures + 4, error))
        .catch(() => undefined);
    }
  }
}

function tellRoom(logger: Logger, hasRoom: boolean): void {
  if (hasRoom) logger.info('agent.has-room', { message: 'work is claimed again' });
  else {
    const message =
      'less than MIN_FREE_GB is free: nothing is claimed until there is room; free some, or move TEMP_DIR to another disk';
    logger.warn('agent.disk-full', { message });
  }
}

/** True when a task came. Ring-safe: the task is in the journal before it starts. */
async function claimOnce(
  options: ClaimLoopOptions,
  claimId: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { api, journal } = options;
  const freeSlots = Math.min(64, options.freeSlots());
  let claim: ClaimAnswer | null;
  try {
    claim = await api.claim({ claimId, freeSlots, waitMs }, signal);
  } catch (error) {
    if (signal.aborted) await handBack(options, claimId);
    throw error;
  }
  if (claim === null) return false;
  const { id: taskId, epoch } = claim.task;
  await journal.claimed({ claimId, taskId, epoch, restarts: 0 });
  options.onTask(claim);
  return true;
}

/** The question was dropped while the agent stops: if a task was given meanwhile, it goes back at once. */
async function handBack({ api, clock, logger }: ClaimLoopOptions, claimId: string): Promise<void> {
  using late = deadline(LAST_ASK_MS, clock);
  const limit = late.signal;
  try {
    const claim = await api.claim({ claimId, freeSlots: 1, waitMs: 0 }, limit);
    if (claim === null) return;
    logger.info('task.handed-back', { taskId: claim.task.id, epoch: claim.task.epoch });
    await api.release(claim.task.id, { epoch: claim.task.epoch, reason: 'the agent shuts down' }, limit);
  } catch (error) {
    logger.debug('claim.not-handed-back', { error });
  }
}

/**
 * After a crash: asks again for the tasks that were at work, so that they go on at once. `hasReport` tells those that
 * are finished already; `giveUp` is told of those that the agent did not survive repeatedly.
 */
export async function resumeClaims(
  options: ClaimLoopOptions,
  hasReport: (taskId: string, epoch: number) => boolean,
  giveUp: (taskId: string, epoch: number) => Promise<void>,
): Promise<void> {
  const { api, journal, logger, signal } = options;
  for (const old of [...journal.running]) {
    const { claimId, taskId, epoch, restarts } = old;
    try {
      if (!hasReport(taskId, epoch) && restarts >= MAX_RESTARTS) await giveUp(taskId, epoch);
      else if (!hasReport(taskId, epoch) && options.freeSlots() > 0) {
        const claim = await api.claim({ claimId, freeSlots: 1, waitMs: 0 }, signal);
        if (claim) {
          const isSame = claim.task.id === taskId && claim.task.epoch === epoch;
          logger.info(isSame ? 'task.resumed' : 'task.claimed', {
            taskId: claim.task.id,
            epoch: claim.task.epoch,
          });
          await journal.claimed({
            claimId,
            taskId: claim.task.id,
            epoch: claim.task.epoch,
            restarts: isSame ? restarts + 1 : 0,
          });
          options.onTask(claim);
          if (isSame) continue;
        }
      }
    } catch (error) {
      // The lease runs out by itself.
      logger.warn('task.not-resumed', { taskId, epoch, error });
    }
    await journal.ended(taskId, epoch);
  }
}
