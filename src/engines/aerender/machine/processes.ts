/** The programs of After Effects that run on this machine: how busy a task's are, and which are leftovers. */
import { readFile, realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { killTree, run } from '../../../lib/exec.ts';
import {
  type ProcessDetails,
  PS_DETAILS,
  parseParents,
  parsePsDetails,
  parseTasklist,
  readProcDetails,
  TASKLIST_DETAILS,
  treeOf,
} from '../../../lib/process-list.ts';
import type { AerenderSettings } from '../../engine.ts';
import type { Installation } from './installation.ts';
import { isAlive, type ProcessMark } from './process-mark.ts';
import type { Session } from './session.ts';

/** A list of processes that takes longer than this is not worth waiting for: tasklist asks every window for its title. */
const LIST_TIMEOUT_MS = 30_000;

/**
 * Every process of this machine. On Windows parents and start times cost a second (PowerShell, or wmic where that is
 * missing): only `withParents`. Rejects when the system's own program fails.
 */
export async function listProcesses(
  options: { readonly withParents?: boolean; readonly signal?: AbortSignal } = {},
): Promise<ProcessDetails[]> {
  const { signal } = options;
  if (process.platform === 'linux') return readProcDetails();
  const limits = { timeoutMs: LIST_TIMEOUT_MS, ...(signal ? { signal } : {}) };
  if (process.platform !== 'win32') {
    const { stdout } = await run('ps', PS_DETAILS, { ...limits, env: { LC_ALL: 'C' } });
    return parsePsDetails(stdout);
  }
  const listed = parseTasklist((await run('tasklist', TASKLIST_DETAILS, limits)).stdout);
  if (options.withParents !== true) return listed;
  const parents = await windowsParents(limits);
  return listed.map((entry) => {
    const known = parents.get(entry.pid);
    return known ? { ...entry, parent: known.parent, startedAt: known.startedAt || null } : entry;
  });
}

/** Parents and start times (Win32_Process of the management interface). Empty when neither program is there. */
async function windowsParents(limits: { readonly timeoutMs: number; readonly signal?: AbortSignal }) {
  const script =
    'Get-CimInstance Win32_Process | ForEach-Object { "$($_.ProcessId),$($_.ParentProcessId),$($_.CreationDate.ToFileTimeUtc())" }';
  const asked = await run('powershell', ['-NoProfile', '-NonInteractive', '-Command', script], {
    ...limits,
    anyExitCode: true,
  }).catch(() => null);
  const found = parseParents(asked?.stdout ?? '');
  if (found.size > 0) return found;
  // Gone from Windows 11 24H2 on, but there where PowerShell is locked down (and under Wine). Columns: node, parent, own.
  const old = await run('wmic', ['process', 'get', 'ParentProcessId,ProcessId', '/FORMAT:CSV'], {
    ...limits,
    anyExitCode: true,
  }).catch(() => null);
  const lines = (old?.stdout ?? '').replace(/^[^,\r\n]*,(\d+),(\d+)\s*$/gm, '$2,$1,');
  return parseParents(lines);
}

/** {@link cpuOfTree} of this moment. */
export async function treeCpuMs(pid: number, signal?: AbortSignal): Promise<number | null> {
  return cpuOfTree(pid, await listProcesses(signal ? { signal } : {}).catch(() => []));
}

/**
 * Processor time of a process and all it started, ms; null: it is gone, or the system does not say. Where parents are
 * unknown (Windows), the time of the process and of every After Effects: a sign of life that is wrong only when two run.
 */
export function cpuOfTree(pid: number, entries: readonly ProcessDetails[]): number | null {
  const hasParents = entries.some(({ parent }) => parent !== null);
  const tree = treeOf([pid], entries);
  if (!hasParents) for (const entry of entries) if (isNamedAfterEffects(entry.name)) tree.add(entry.pid);
  const times = entries.filter((entry) => tree.has(entry.pid)).flatMap(({ cpuMs }) => cpuMs ?? []);
  return times.length === 0 ? null : times.reduce((sum, time) => sum + time, 0);
}

/** Where a system shows no titles, a file may: one a line. For simulators, whose dialogs are files. */
const TITLES_VARIABLE = 'FLATRENDER_WINDOW_TITLES';

/** Titles of the main windows of processes and of what they started; Windows only, elsewhere none. */
export async function windowTitles(pids: readonly number[], signal?: AbortSignal): Promise<string[]> {
  if (process.platform === 'win32') {
    return titlesOf(pids, await listProcesses(signal ? { signal } : {}).catch(() => []));
  }
  const file = process.env[TITLES_VARIABLE];
  if (file === undefined || file === '') return [];
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

/** The same from a list. A crash is told by a program of its own, and parents may be unknown: by name as well. */
export function titlesOf(pids: readonly number[], entries: readonly ProcessDetails[]): string[] {
  const tree = treeOf(pids, entries);
  const user = entries.find(({ pid }) => tree.has(pid))?.user;
  const isOfAfterEffects = (name: string): boolean => isNamedAfterEffects(name) || isReporter(name);
  return entries
    .filter((entry) => tree.has(entry.pid) || (entry.user === user && isOfAfterEffects(entry.name)))
    .flatMap(({ title }) => title ?? []);
}

/** What {@link staleProcesses} decides by. */
export interface StaleRules {
  readonly policy: AerenderSettings['killStale'];
  readonly platform: NodeJS.Platform;
  /** Where programs have no names of their own (simulators are run by node): the files that make one of After Effects. */
  readonly programs: readonly string[];
  /** The folder of these programs: a simulator may be told of it. */
  readonly directory?: string;
  /** This process: it, those it descends from and processes of other users are left alone. */
  readonly self: number;
  /** Process ids whose whole trees are left alone: running siblings. */
  readonly keep: readonly number[];
  /** Processes that tasks of this node started and that nobody watches any more. */
  readonly own: readonly number[];
}

/**
 * Which processes are to be ended before After Effects is launched: the topmost of each tree. By policy `own` only what
 * tasks of this node left, by `all` every aerender and AfterFX of this user, but those of running siblings. Where parents
 * are unknown, siblings cannot be told from leftovers: while there are any, `all` is `own`.
 */
export function staleProcesses(entries: readonly ProcessDetails[], rules: StaleRules): ProcessDetails[] {
  if (rules.policy === 'off') return [];
  const byPid = new Map(entries.map((entry) => [entry.pid, entry]));
  const me = byPid.get(rules.self);
  const kept = treeOf(rules.keep, entries);
  for (const pid of ancestorsOf(rules.self, byPid)) kept.add(pid);
  const own = treeOf(rules.own, entries);
  const isBlind = rules.keep.length > 0 && entries.every(({ parent }) => parent === null);
  const isTarget = (entry: ProcessDetails): boolean =>
    !kept.has(entry.pid) &&
    entry.pid > 1 &&
    entry.user !== null &&
    entry.user === (me?.user ?? null) &&
    (own.has(entry.pid) || (rules.policy === 'all' && !isBlind && isAfterEffects(entry, rules)));
  const targets = entries.filter(isTarget);
  const all = new Set(targets.map(({ pid }) => pid));
  return targets.filter(({ parent }) => parent === null || !all.has(parent));
}

/**
 * Ends what {@link staleProcesses} names; returns it. Sessions of tasks whose host is gone are forgotten afterwards.
 *
 * First the processes, then the sessions: a task announces itself before it starts anything, so whoever started what is in
 * the list is known by then. The other way round, a task that begins in between would lose its After Effects.
 */
export async function killStale(options: {
  readonly policy: AerenderSettings['killStale'];
  readonly installation: Installation;
  readonly session: Session;
  readonly signal: AbortSignal;
  /** Default: this machine's. */
  readonly list?: () => Promise<ProcessDetails[]>;
}): Promise<ProcessDetails[]> {
  const { installation, policy, session, signal } = options;
  if (policy === 'off') return [];
  const list = options.list ?? (() => listProcesses({ withParents: true, signal }));
  const entries = await list();
  const others = await session.others();
  const left = others.filter((entry) => !entry.isAlive);
  const own = await running(
    left.flatMap(({ children }) => children),
    entries,
  );
  const stale = staleProcesses(entries, {
    policy,
    platform: process.platform,
    programs: await programsOf(installation),
    directory: installation.directory,
    self: process.pid,
    keep: others
      .filter((entry) => entry.isAlive)
      .flatMap(({ owner, children }) => [owner.pid, ...children.map(({ pid }) => pid)]),
    own,
  });
  const ended = stale.length === 0 ? [] : stillThere(stale, await list());
  for (const { pid } of ended) {
    signal.throwIfAborted();
    await killTree(pid);
  }
  for (const entry of left) await session.forget(entry);
  return ended;
}

/** Without those that have ended since: their ids may belong to others by now. */
function stillThere(stale: readonly ProcessDetails[], now: readonly ProcessDetails[]): ProcessDetails[] {
  const byPid = new Map(now.map((entry) => [entry.pid, entry]));
  return stale.filter(({ pid, startedAt, name }) => {
    const found = byPid.get(pid);
    return found !== undefined && (startedAt === null ? found.name === name : found.startedAt === startedAt);
  });
}

/** Which of the programs that were written down still run, and are no others with the same id. */
async function running(marks: readonly ProcessMark[], entries: readonly ProcessDetails[]): Promise<number[]> {
  const named = new Set(entries.filter(({ name }) => isNamedAfterEffects(name)).map(({ pid }) => pid));
  const alive: number[] = [];
  for (const mark of marks) {
    // Without a start time (Windows) its name has to do.
    if (mark.startedAt === null ? named.has(mark.pid) : await isAlive(mark)) alive.push(mark.pid);
  }
  return alive;
}

async function programsOf({ aerender, afterfx }: Installation): Promise<string[]> {
  const real = await Promise.all([aerender, afterfx].map((file) => realpath(file).catch(() => file)));
  return [...new Set([aerender, afterfx, ...real])];
}

/** File names by which After Effects and its renderer run (Windows; the extension may be missing). */
export function isNamedAfterEffects(name: string): boolean {
  return /^(?:aerender|afterfx)(?:\.exe|\.com)?$/i.test(name);
}

/** The program that asks what to report after a crash (nexrender issue 921 shows its window). Its name is not verified. */
function isReporter(name: string): boolean {
  return /^(?:AdobeCrashReport|CRLogTransport|Adobe Crash (?:Processor|Reporter)|CrashReporter|WerFault)/i.test(
    name,
  );
}

/** What runs scripts; its first arguments may name one. */
const INTERPRETERS = /^(?:node|bun|deno|sh|bash|dash|wine(?:64)?(?:-preloader)?)(?:\.exe)?$/i;

function isAfterEffects(entry: ProcessDetails, { platform, programs, directory = '' }: StaleRules): boolean {
  if (platform === 'win32') return isNamedAfterEffects(entry.name);
  const [program = '', ...more] = entry.commandLine;
  if (platform === 'darwin') {
    // One text with spaces in its paths: …/Adobe After Effects 2024/Adobe After Effects 2024.app/Contents/MacOS/After Effects
    return (
      /^\/(?:[^/]+\/)*Adobe After Effects[^/]*\/(?:aerender\b|Adobe After Effects[^/]*\.app\/)/i.test(
        program,
      ) || programs.some((file) => program === file || program.startsWith(`${file} `))
    );
  }
  // There is no After Effects for Linux: by their names alone, simulators of other installations would be ended.
  if (programs.includes(program)) return true;
  // "node --flag /opt/ae/aerender -project …", or "node /sim/aerender-program.ts /opt/ae -project …": the script is the
  // first argument that is no flag.
  if (!INTERPRETERS.test(basename(program))) return false;
  const [script, first] = more.filter((argument) => !argument.startsWith('-'));
  if (script === undefined) return false;
  return (
    programs.includes(script) ||
    (directory !== '' && first === directory && /^(?:aerender|afterfx)\b/i.test(basename(script)))
  );
}

function ancestorsOf(pid: number, byPid: ReadonlyMap<number, ProcessDetails>): Set<number> {
  const found = new Set([pid]);
  for (let at = byPid.get(pid)?.parent ?? null; at !== null && at > 1 && !found.has(at); ) {
    found.add(at);
    at = byPid.get(at)?.parent ?? null;
  }
  return found;
}
