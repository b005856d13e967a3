/** Which processes belong to a tree: read from /proc on Linux, from `ps` elsewhere. */
import { readdirSync, readFileSync } from 'node:fs';

/** One process of the machine. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** Process group. */
  readonly group: number;
  /** Ended, but not yet collected by its parent: it holds nothing and cannot be killed. */
  readonly isZombie: boolean;
}

/** Every process that /proc shows. Linux only. */
export function readProc(): ProcessEntry[] {
  const found: ProcessEntry[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const entry = parseProcStat(readFileSync(`/proc/${name}/stat`, 'utf8'));
      if (entry) found.push(entry);
    } catch {
      // ended between the listing and the reading
    }
  }
  return found;
}

/** One line of /proc/PID/stat (proc(5)): `pid (name) state ppid pgrp …`; the name may hold spaces and parentheses. */
export function parseProcStat(text: string): ProcessEntry | undefined {
  const pid = Number.parseInt(text, 10);
  const [state, parent, group] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (!Number.isInteger(pid) || !state || !parent || !group) return undefined;
  return { pid, parent: Number(parent), group: Number(group), isZombie: state === 'Z' || state === 'X' };
}

/** The output of `ps -A -o pid=,ppid=,pgid=,stat=` (POSIX, macOS). */
export function parsePs(text: string): ProcessEntry[] {
  return text.split('\n').flatMap((line) => {
    const [pid, parent, group, state] = line.trim().split(/\s+/);
    if (!pid || !parent || !group || !state) return [];
    return [
      { pid: Number(pid), parent: Number(parent), group: Number(group), isZombie: state.startsWith('Z') },
    ];
  });
}

/**
 * The process, its descendants, and all members of its process group: a child that lost its parent stays in the
 * group, one that left the group is still a descendant. Zombies are left out; so is the caller.
 */
export function membersOfTree(pid: number, entries: readonly ProcessEntry[], self: number): number[] {
  const members = new Set([pid]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const entry of entries) {
      if (members.has(entry.pid) || (entry.group !== pid && !members.has(entry.parent))) continue;
      members.add(entry.pid);
      grown = true;
    }
  }
  const alive = new Set(entries.filter((entry) => !entry.isZombie).map((entry) => entry.pid));
  return [...members].filter((member) => alive.has(member) && member !== self);
}
