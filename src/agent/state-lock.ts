/** One agent per state directory. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { isRunning } from '../lib/exec.ts';
import { renamePatiently } from './json-file.ts';

/** The owner touches the file this often, … */
const TOUCH_MS = 5_000;
/** … and is taken for gone when it has not for this long: its process id may belong to another program by now. */
const STALE_MS = 20_000;

/** Locks that this process holds: in a container every start of the agent has the same process id. */
const held = new Map<string, string>();

/**
 * Locks the directory (created when missing) until disposed. ALREADY_RUNNING when a living agent has it; the lock of
 * one that was killed is taken over.
 */
export async function lockState(directory: string, clock: Clock): Promise<AsyncDisposable> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, 'agent.lock');
  const owner = await ownerOf(file);
  if (owner !== null) {
    throw new FlatrenderError('ALREADY_RUNNING', `an agent (process ${owner}) already uses ${directory}`, {
      hint: 'stop it first, or give this one another STATE_DIR (and its own NODE_ID)',
      details: { pid: owner },
    });
  }
  const token = randomUUID();
  const next = `${file}.${token}`;
  await writeFile(next, `${process.pid} ${token}\n`, { mode: 0o600 });
  await renamePatiently(next, file);
  held.set(file, token);
  // Of two agents that found the same stale lock the later one wins; the earlier one sees it here.
  if (!(await readFile(file, 'utf8')).includes(token)) {
    held.delete(file);
    throw new FlatrenderError('ALREADY_RUNNING', `another agent just took ${directory}`, {
      hint: 'start only one',
    });
  }
  let cancel = (): void => undefined;
  const touch = (): void => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
    cancel = clock.after(TOUCH_MS, touch);
  };
  touch();
  return {
    async [Symbol.asyncDispose]() {
      cancel();
      if (held.get(file) !== token) return;
      held.delete(file);
      await rm(file, { force: true });
    },
  };
}

/** Process id of the living owner, or null. */
async function ownerOf(file: string): Promise<number | null> {
  let text: string;
  let touchedAt: number;
  try {
    text = await readFile(file, 'utf8');
    touchedAt = (await stat(file)).mtimeMs;
  } catch {
    return null;
  }
  const [pidText, token] = text.trim().split(' ');
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 0) return null;
  if (pid === process.pid) return held.get(file) === token ? pid : null;
  // A zombie, which stays one in a container without an init, does not count as running.
  return Date.now() - touchedAt < STALE_MS && isRunning(pid) ? pid : null;
}
