/** Reports that must arrive, on disk until the control plane has them: a finished render survives the agent's end. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '../lib/logger.ts';
import { TaskError, TaskResult } from '../protocol/jobs.ts';
import { diskFiles, readJsonFile, type StateFiles, writeJsonFile } from './json-file.ts';
import { attemptName } from './workspace.ts';

/** A rendered and verified file that has to be uploaded and reported. */
export const OutputEntry = z.object({
  kind: z.literal('output'),
  taskId: z.string(),
  epoch: z.int().positive(),
  /** Absolute path of the file; inside `workspace`. */
  path: z.string(),
  workspace: z.string(),
  fileName: z.string(),
  result: TaskResult.omit({ key: true, overheadMs: true }),
  /** Epoch milliseconds of the claim. */
  startedAt: z.number(),
  /** Set once the file is uploaded. */
  key: z.string().nullable(),
});
export type OutputEntry = z.infer<typeof OutputEntry>;

/** A failure that has to be reported. */
export const FailEntry = z.object({
  kind: z.literal('fail'),
  taskId: z.string(),
  epoch: z.int().positive(),
  error: TaskError,
});
export type FailEntry = z.infer<typeof FailEntry>;

const OutboxEntry = z.discriminatedUnion('kind', [OutputEntry, FailEntry]);
export type OutboxEntry = z.infer<typeof OutboxEntry>;

export interface Outbox {
  /**
   * Writes the entry; replaces an earlier one of the same attempt. When the disk refuses, the entry lives in memory only,
   * with a warning: a full disk must not cost a finished render.
   */
  put(entry: OutboxEntry): Promise<void>;
  remove(entry: { readonly taskId: string; readonly epoch: number }): Promise<void>;
  get(taskId: string, epoch: number): OutboxEntry | undefined;
  /** What is waiting, oldest task first. */
  list(): OutboxEntry[];
  readonly size: number;
}

/** Opens the outbox in a directory. What a power cut damaged is removed, with a warning. */
export async function openOutbox(
  directory: string,
  logger: Logger,
  files: StateFiles = diskFiles,
): Promise<Outbox> {
  const entries = new Map<string, OutboxEntry>();
  for (const name of [...(await files.open(directory))].sort()) {
    const path = join(directory, name);
    const entry = name.endsWith('.json') ? await readJsonFile(path, OutboxEntry, files) : null;
    if (entry === null) {
      if (name.endsWith('.json')) logger.warn('outbox.damaged', { path });
      await files.remove(path);
    } else {
      entries.set(attemptName(entry.taskId, entry.epoch), entry);
    }
  }
  const fileOf = (name: string): string => join(directory, `${name}.json`);
  return {
    async put(entry) {
      const name = attemptName(entry.taskId, entry.epoch);
      entries.set(name, entry);
      try {
        await writeJsonFile(fileOf(name), entry, files);
      } catch (error) {
        logger.warn('outbox.unwritable', { taskId: entry.taskId, epoch: entry.epoch, error });
      }
    },
    async remove({ taskId, epoch }) {
      const name = attemptName(taskId, epoch);
      entries.delete(name);
      await files.remove(fileOf(name));
    },
    get: (taskId, epoch) => entries.get(attemptName(taskId, epoch)),
    list: () => [...entries.values()],
    get size() {
      return entries.size;
    },
  };
}
