import { randomFillSync } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const RANDOM_CHARACTERS = 7;
// Asking the system for seven bytes costs as much as asking for thousands.
const random = Buffer.alloc(512 * RANDOM_CHARACTERS);
let used = random.length;

/**
 * A new identifier: a letter for its kind, 9 characters of time and 7 random ones (Crockford base32, lower
 * case). Ids of one kind sort by creation time, so a million of them stay dense in a B-tree.
 */
export function newId(kind: 'j' | 'b' | 't' | 'c' | 'w', nowMs: number): string {
  let time = '';
  let rest = nowMs;
  for (let i = 0; i < 9; i += 1) {
    time = ALPHABET.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  let id = kind + time;
  for (const end = used + RANDOM_CHARACTERS; used < end; used += 1) {
    id += ALPHABET.charAt((random[used] ?? 0) & 31);
  }
  return id;
}

/** The id of a job's n-th task: `<job>.<index>`, index from 0. */
export function taskIdOf(jobId: string, index: number): string {
  return `${jobId}.${index}`;
}

/** The job a task id belongs to. */
export function jobIdOf(taskId: string): string {
  const dot = taskId.lastIndexOf('.');
  return dot < 0 ? taskId : taskId.slice(0, dot);
}
