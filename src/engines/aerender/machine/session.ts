/**
 * Who renders with After Effects on this node: every task announces itself in a directory that the slots share, so that
 * none ends another's programs, and so that what a killed one left is known.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { inTurn, jsonOf, MarkFile, removeHalfWritten, touchRegularly, writeWhole } from './file-queue.ts';
import { isAlive, markOf, type ProcessMark } from './process-mark.ts';

const SessionFile = z.object({
  owner: MarkFile,
  taskId: z.string(),
  /** Programs it started. */
  children: z.array(MarkFile),
});

/** Another task of this node. */
export interface SessionEntry {
  readonly id: string;
  readonly taskId: string;
  readonly owner: ProcessMark;
  readonly children: readonly ProcessMark[];
  /** Whether its engine host still runs. */
  readonly isAlive: boolean;
}

/** One task's announcement; dispose of it when nothing of the task runs any more. */
export interface Session extends AsyncDisposable {
  readonly id: string;
  readonly taskId: string;
  /** Remembers a program that this task started; call it right after the start. */
  track(pid: number): Promise<void>;
  /** All other sessions: running tasks, and those whose host was killed. */
  others(): Promise<SessionEntry[]>;
  /** Process ids of running tasks' hosts and of what they announced: their trees are not to be touched. */
  siblings(): Promise<number[]>;
  /** Forgets a session whose host is gone, once nothing of it runs any more. */
  forget(entry: SessionEntry): Promise<void>;
}

/** Announces a task of this process. `stateDir` is made when it is missing. */
export async function openSession(options: {
  readonly stateDir: string;
  readonly taskId: string;
  readonly signal: AbortSignal;
}): Promise<Session> {
  const { stateDir, taskId, signal } = options;
  signal.throwIfAborted();
  const directory = join(stateDir, 'sessions');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of ['sessions', 'bind-queue', 'font-queue']) await removeHalfWritten(join(stateDir, name));
  const id = `${process.pid}-${randomUUID()}`;
  const file = join(directory, `${id}.json`);
  const owner = await markOf(process.pid);
  const children: ProcessMark[] = [];
  let writing = writeWhole(file, { owner, taskId, children });
  await writing;
  const touching = touchRegularly(file);
  return {
    id,
    taskId,
    async track(pid) {
      const mark = await markOf(pid);
      children.push(mark);
      writing = writing.then(() => writeWhole(file, { owner, taskId, children }));
      await writing;
    },
    others: () => readSessions(directory, id),
    async siblings() {
      const running = (await readSessions(directory, id)).filter((entry) => entry.isAlive);
      return running.flatMap((entry) => [entry.owner.pid, ...entry.children.map(({ pid }) => pid)]);
    },
    forget: (entry) => rm(join(directory, `${entry.id}.json`), { force: true }),
    async [Symbol.asyncDispose]() {
      touching[Symbol.dispose]();
      await writing.catch(() => undefined);
      await rm(file, { force: true });
    },
  };
}

/** Sessions of this node but `own`, running or left behind. */
async function readSessions(directory: string, own: string): Promise<SessionEntry[]> {
  const found: SessionEntry[] = [];
  for (const name of await readdir(directory).catch(() => [])) {
    const id = /^(\d+-[\w-]+)\.json$/.exec(name)?.[1];
    if (id === undefined || id === own) continue;
    const file = join(directory, name);
    const text = await readFile(file, 'utf8').catch(() => null);
    if (text === null) continue;
    const parsed = SessionFile.safeParse(jsonOf(text));
    // Written whole and renamed: one that cannot be read was never ours, or the disk failed.
    if (!parsed.success) {
      await rm(file, { force: true });
      continue;
    }
    const { owner, taskId, children } = parsed.data;
    found.push({ id, taskId, owner, children, isAlive: await isAlive(owner, file) });
  }
  return found;
}

/**
 * Runs `work` while no other task of this node binds: After Effects runs scripts in one instance, and two that start at
 * once share their preferences. In the order of arrival; a killed process holds nobody up. Rejects with the signal's reason
 * when it aborts while waiting.
 */
export function withBindLock<T>(
  stateDir: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return inTurn(join(stateDir, 'bind-queue'), signal, work);
}
