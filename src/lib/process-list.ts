/** Which processes there are: read from /proc on Linux, from `ps` or `tasklist` elsewhere. Here is only the reading. */
import { readdirSync, readFileSync, statSync } from 'node:fs';

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

/** One process with what is known about it; what a system does not tell is null. */
export interface ProcessDetails {
  readonly pid: number;
  readonly parent: number | null;
  /** File name of the program. */
  readonly name: string;
  /** Something that is equal for processes of one user: a uid, or "MACHINE\\user". */
  readonly user: string | null;
  /** Processor time so far, user and system. */
  readonly cpuMs: number | null;
  /** Of its main window (Windows). */
  readonly title: string | null;
  /** Something that differs for a later process of the same id. */
  readonly startedAt: string | null;
  /** Arguments with the program, or all of them as one text (macOS); empty: unknown. */
  readonly commandLine: readonly string[];
}

/** Linux shows times in hundredths of a second whatever the kernel's own clock is (proc(5): USER_HZ, 100 everywhere today). */
const TICK_MS = 10;

/** Every process that /proc shows, without zombies. Linux only. */
export function readProcDetails(): ProcessDetails[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcOne(Number(name)) ?? []);
}

/** One process; undefined when there is none, or only a zombie. Linux only. */
export function readProcOne(pid: number): ProcessDetails | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    return parseProcDetails(stat, commandLine, String(statSync(`/proc/${pid}`).uid));
  } catch {
    return undefined; // ended meanwhile, or not ours to read
  }
}

/** Fields 14, 15 and 22 of /proc/PID/stat are user time, system time and start, in ticks (proc(5)). */
export function parseProcDetails(
  stat: string,
  commandLine: readonly string[],
  user: string,
): ProcessDetails | undefined {
  const entry = parseProcStat(stat);
  if (!entry || entry.isZombie) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    pid: entry.pid,
    parent: entry.parent,
    name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
    user,
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    title: null,
    startedAt: fields[19] ?? null,
    commandLine,
  };
}

/** Arguments of `ps` for {@link parsePsDetails}; LC_ALL=C keeps the date in its five words. */
export const PS_DETAILS = ['-A', '-ww', '-o', 'pid=,ppid=,uid=,time=,stat=,lstart=,command='] as const;

/** The output of `ps` with {@link PS_DETAILS} (macOS, BSD, procps), without zombies. */
export function parsePsDetails(text: string): ProcessDetails[] {
  return text.split('\n').flatMap((line) => {
    const found = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+([\d:.-]+)\s+(\S+)\s+((?:\S+\s+){4}\S+)\s+(.*)$/.exec(line);
    const [, pid, parent, user, time, state, startedAt, command] = found ?? [];
    if (!time || !user || !startedAt || command === undefined || state?.startsWith('Z')) return [];
    return [
      {
        pid: Number(pid),
        parent: Number(parent),
        // Paths hold spaces ("/Applications/Adobe After Effects 2024/aerender -project …").
        name: (command.split(/ -/)[0] ?? command).replace(/^.*\//, '').trim(),
        user,
        cpuMs: clockMs(time),
        title: null,
        startedAt: startedAt.replace(/\s+/g, ' '),
        commandLine: [command],
      },
    ];
  });
}

/** Arguments of `tasklist` for {@link parseTasklist}: all columns, no head. */
export const TASKLIST_DETAILS = ['/V', '/FO', 'CSV', '/NH'] as const;

/**
 * The output of `tasklist /V /FO CSV /NH`: image, process id, session name, session number, memory, status, user, CPU time
 * and window title (Microsoft, "tasklist"). Heads and "Unknown"/"N/A" are translated, so columns count by their place. A
 * window's title is the last column and may hold anything. Not tried on a real Windows in other languages.
 */
export function parseTasklist(text: string): (ProcessDetails & { readonly session: number | null })[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const columns = csvColumns(line);
    const [name, pid, , session] = columns;
    const [, , , , , , user, time, title] = columns;
    if (!name || !pid || !/^\d+$/.test(pid)) return [];
    return [
      {
        pid: Number(pid),
        parent: null,
        name,
        // Only "MACHINE\\user" is a name; of others' processes it says N/A in its own language.
        user: user?.includes('\\') ? user : null,
        cpuMs: time ? clockMs(time) : null,
        title: title && !/^(?:N\/A|n\.v\.|nicht zutreffend|no disponible)$/i.test(title) ? title : null,
        startedAt: null,
        commandLine: [],
        session: session && /^\d+$/.test(session) ? Number(session) : null,
      },
    ];
  });
}

/** Splits one line of CSV whose fields are quoted; quotes inside are doubled, or (tasklist) not. */
function csvColumns(line: string): string[] {
  const inner = /^"(.*)"\s*$/.exec(line)?.[1];
  return inner === undefined ? [] : inner.split('","').map((column) => column.replaceAll('""', '"'));
}

/** "1-02:03:04", "12:03.04", "0:00:01" → milliseconds; null: no such text. */
export function clockMs(text: string): number | null {
  const found = /^(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:[.,]\d+)?)$/.exec(text.trim());
  if (!found) return null;
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = found
    .slice(1)
    .map((part) => Number((part ?? '0').replace(',', '.')));
  return Math.round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000);
}

/** Lines of "process id, parent, start" with commas, as asked of Windows' management interface. */
export function parseParents(
  text: string,
): Map<number, { readonly parent: number; readonly startedAt: string }> {
  const found = new Map<number, { parent: number; startedAt: string }>();
  for (const line of text.split(/\r?\n/)) {
    const [, pid, parent, startedAt = ''] = /^(\d+),(\d+),(\d*)\s*$/.exec(line) ?? [];
    if (pid !== undefined) found.set(Number(pid), { parent: Number(parent), startedAt });
  }
  return found;
}

/** The processes and all that they started, as far as parents are known. */
export function treeOf(roots: Iterable<number>, entries: readonly ProcessDetails[]): Set<number> {
  const members = new Set(roots);
  for (let grown = true; grown; ) {
    grown = false;
    for (const { pid, parent } of entries) {
      if (parent === null || members.has(pid) || !members.has(parent)) continue;
      members.add(pid);
      grown = true;
    }
  }
  return members;
}
