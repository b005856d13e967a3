/** Which claims are out, on disk: after a crash the agent asks for the same tasks again instead of waiting for leases to end. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import type { Logger } from '../lib/logger.ts';
import { diskFiles, readJsonFile, type StateFiles, writeJsonFile } from './json-file.ts';

const JournalFile = z.object({
  /** The claimId of the next call; perhaps answered already, the answer lost. */
  pending: z.string().min(8).max(64),
  running: z.array(
    z.object({
      claimId: z.string(),
      taskId: z.string(),
      epoch: z.int().positive(),
      restarts: z.int().nonnegative(),
    }),
  ),
});
type JournalFile = z.infer<typeof JournalFile>;

/** A claim that was answered with a task which is not reported yet. */
export type RunningClaim = JournalFile['running'][number];

export interface ClaimJournal {
  /** The claimId to ask with; the same until {@link ClaimJournal.claimed}. */
  readonly pending: string;
  readonly running: readonly RunningClaim[];
  /** The claim was answered with this task; a new pending id takes its place. */
  claimed(claim: RunningClaim): Promise<void>;
  /** The task is over for this agent. */
  ended(taskId: string, epoch: number): Promise<void>;
}

/** Opens the journal in a directory; an unreadable one counts as empty. */
export async function openClaimJournal(
  directory: string,
  clock: Clock,
  logger: Logger,
  files: StateFiles = diskFiles,
): Promise<ClaimJournal> {
  const path = join(directory, 'claims.json');
  let state: JournalFile = (await readJsonFile(path, JournalFile, files)) ?? {
    pending: newId('c', clock.now()),
    running: [],
  };
  // One write at a time, in order; the last one has the newest state anyway.
  let writing: Promise<void> = Promise.resolve();
  const save = (): Promise<void> => {
    writing = writing
      .then(() => writeJsonFile(path, state, files))
      // On a full disk the agent works on; only a crash would then wait for a lease to end.
      .catch((error: unknown) => logger.warn('claims.unwritable', { path, error }));
    return writing;
  };
  await save();
  return {
    get pending() {
      return state.pending;
    },
    get running() {
      return state.running;
    },
    async claimed(claim) {
      const others = state.running.filter((other) => other.taskId !== claim.taskId);
      const pending = claim.claimId === state.pending ? newId('c', clock.now()) : state.pending;
      state = { pending, running: [...others, claim] };
      await save();
    },
    async ended(taskId, epoch) {
      const running = state.running.filter((other) => other.taskId !== taskId || other.epoch !== epoch);
      if (running.length === state.running.length) return;
      state = { ...state, running };
      await save();
    },
  };
}
