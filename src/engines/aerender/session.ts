/**
 * Who renders with After Effects on this node: every task announces itself in a directory that the slots share, so that
 * none ends another's programs, and so that what a killed one left is known.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { sleep, systemClock } from '../../lib/clock.ts';
import { isAlive, markOf, type ProcessMark, TOUCH_MS } from './process-mark.ts';

const Mark = z.object({ pid: z.int().positive(), startedAt: z.string().nullable() });
const SessionFile = z.object({
  owner: Mark,
  taskId: z.string(),
  /** Programs it started. */
  children: z.array(Mark),
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
export async function readSessions(directory: string, own?: string): Promise<SessionEntry[]> {
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

/** Between two looks at who is next. */
const LOOK_MS = 100;

/**
 * Runs `work` while no other process with the same `stateDir` does, in the order of arrival. Rejects with the signal's
 * reason when it aborts while waiting; the lock of a killed process is nobody's.
 *
 * Lamport's bakery with files: each waiter draws a number that is higher than all it sees, and the lowest is served. Every
 * file belongs to one process and is removed by it, or by anybody once that process is gone. There is no lock to break, so
 * none can be broken while somebody else takes it (what lock files with a time-out suffer from).
 */
export async function withBindLock<T>(
  stateDir: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const directory = join(stateDir, 'bind-queue');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const owner = await markOf(process.pid);
  const token = `${process.pid}-${randomUUID()}`;
  // Whoever is about to draw says so first: otherwise two could see the same numbers, and the slower one draw the lower.
  const drawing = join(directory, `drawing-${token}.json`);
  let ticket: Ticket | null = null;
  let touching: Disposable | null = null;
  try {
    await writeWhole(drawing, owner);
    const drawn = await tickets(directory);
    const number = 1 + Math.max(0, ...drawn.map((other) => other.number));
    ticket = { number, token, file: join(directory, `${String(number).padStart(12, '0')}-${token}.json`) };
    await writeWhole(ticket.file, owner);
    touching = touchRegularly(ticket.file);
    await rm(drawing, { force: true });
    while (await mustWait(directory, ticket)) await sleep(LOOK_MS, systemClock, signal);
    signal.throwIfAborted();
    return await work(signal);
  } finally {
    touching?.[Symbol.dispose]();
    await rm(drawing, { force: true });
    if (ticket) await rm(ticket.file, { force: true });
  }
}

interface Ticket {
  readonly number: number;
  readonly token: string;
  readonly file: string;
}

async function tickets(directory: string): Promise<Ticket[]> {
  return (await readdir(directory)).flatMap((name) => {
    const [, number, token] = /^(\d{12})-([\w-]+)\.json$/.exec(name) ?? [];
    return number && token ? [{ number: Number(number), token, file: join(directory, name) }] : [];
  });
}

/** Whether somebody is before this one; removes what gone processes left. */
async function mustWait(directory: string, own: Ticket): Promise<boolean> {
  // First those who draw, then the numbers: one that is not drawing any more has its number in the second list.
  const drawing = (await readdir(directory)).filter((name) => /^drawing-[\w-]+\.json$/.test(name));
  for (const name of drawing) if (await isThere(join(directory, name))) return true;
  const before = (await tickets(directory)).filter(
    ({ number, token }) => number < own.number || (number === own.number && token < own.token),
  );
  for (const { file } of before) if (await isThere(file)) return true;
  return false;
}

/** Whether the process that wrote the file lives; if not, the file is removed. */
async function isThere(file: string): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return false;
  const mark = Mark.safeParse(jsonOf(text));
  if (mark.success && (await isAlive(mark.data, file))) return true;
  await rm(file, { force: true });
  return false;
}

/** Files appear with their content or not at all: nobody takes a half-written one for a gone process's. */
async function writeWhole(file: string, value: unknown): Promise<void> {
  const part = `${file}.${randomUUID()}.part`;
  await writeFile(part, JSON.stringify(value), { mode: 0o600 });
  await rename(part, file);
}

/** Where start times of processes cannot be had, a file's age tells whether its process is still that one. */
function touchRegularly(file: string): Disposable {
  let cancel = (): void => undefined;
  const touch = (): void => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
    cancel = systemClock.after(TOUCH_MS, touch);
  };
  cancel = systemClock.after(TOUCH_MS, touch);
  return { [Symbol.dispose]: () => cancel() };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
