import { randomUUID } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

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
  return kind + time + randomCharacters();
}

/** Seven, out of a UUID: Node has the bytes of many at hand, asking the system for some costs several times as much. */
function randomCharacters(): string {
  const uuid = randomUUID();
  let bits = Number.parseInt(uuid.slice(0, 8), 16);
  let text = ALPHABET.charAt(Number.parseInt(uuid.slice(9, 13), 16) & 31);
  for (let i = 0; i < 6; i += 1) {
    text += ALPHABET.charAt(bits & 31);
    bits >>>= 5;
  }
  return text;
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
