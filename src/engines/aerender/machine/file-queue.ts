/** One at a time among processes that share a directory, whoever of them is killed. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { sleep, systemClock } from '../../../lib/clock.ts';
import { isRunning } from '../../../lib/exec.ts';
import { isAlive, markOf, TOUCH_MS } from './process-mark.ts';

/** A process as files hold it. */
export const MarkFile = z.object({ pid: z.int().positive(), startedAt: z.string().nullable() });

/** Between two looks at who is next. */
const LOOK_MS = 50;

interface Ticket {
  readonly number: number;
  readonly token: string;
  readonly file: string;
}

/**
 * Runs `work` while no other process with the same directory (made when missing) does, in the order of arrival. Rejects
 * with the signal's reason when it aborts while waiting; the turn of a killed process is over.
 *
 * Lamport's bakery with files: each waiter draws a number that is higher than all it sees, and the lowest is served. Every
 * file belongs to one process and is removed by it, or by anybody once that process is gone. There is no lock to break, so
 * none can be broken while somebody else takes it (what lock files with a time-out suffer from).
 */
export async function inTurn<T>(
  directory: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
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

/** Whether the process that wrote its mark into the file lives; if not, the file is removed. */
export async function isThere(file: string): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return false;
  const mark = MarkFile.safeParse(jsonOf(text));
  if (mark.success && (await isAlive(mark.data, file))) return true;
  await rm(file, { force: true });
  return false;
}

/** Files appear with their content or not at all: nobody takes a half-written one for a gone process's. */
export async function writeWhole(file: string, value: unknown): Promise<void> {
  const part = `${file}.${randomUUID()}.part`;
  await writeFile(part, JSON.stringify(value), { mode: 0o600 });
  await rename(part, file);
}

/** Removes what processes that were killed in the middle of {@link writeWhole} left; names begin with a process id. */
export async function removeHalfWritten(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const pid = /^(?:drawing-|\d{12}-)?(\d+)-[\w-]+\.json\.[\w-]+\.part$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) await rm(join(directory, name), { force: true });
  }
}

/** Where start times of processes cannot be had, a file's age tells whether its process is still that one. */
export function touchRegularly(file: string): Disposable {
  let cancel = (): void => undefined;
  const touch = (): void => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
    cancel = systemClock.after(TOUCH_MS, touch);
  };
  cancel = systemClock.after(TOUCH_MS, touch);
  return { [Symbol.dispose]: () => cancel() };
}

/** The value of a JSON text; null for what is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
