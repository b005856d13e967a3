/** Replacing the program that the service of this machine runs. */
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSea } from 'node:sea';
import { setTimeout as wait } from 'node:timers/promises';
import { FlatrenderError } from '../lib/errors.ts';
import { run } from '../lib/exec.ts';
import { packageRoot } from '../lib/paths.ts';
import { askAgent, serviceHealthUrl } from './node-status.ts';
import { serviceSpec } from './service-plans.ts';
import { findService, requireManager, startService, stopService } from './services.ts';

/** A program on this disk: one executable file, or the directory of an unpacked archive for Linux. */
export interface ProgramPlace {
  readonly kind: 'file' | 'directory';
  readonly path: string;
}

/** What the update does to the service; replaced in tests. */
export interface UpdateService {
  readonly isRunning: boolean;
  stop(): Promise<void>;
  /** As the program that is there now wants it. */
  install(): Promise<void>;
  /** Resolves once this version works. */
  healthy(version: string): Promise<void>;
}

interface UpdateOptions {
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

export interface Updated {
  readonly from: string;
  readonly to: string;
  /** Where the former program is; null: it could be removed. */
  readonly old: string | null;
}

const CHECK_MS = 60_000;
const UNPACK_MS = 600_000;
const INSTALL_MS = 240_000;
const HEALTHY_MS = 60_000;
const POLL_MS = 300;

/**
 * Replaces this program by `file` (flatrender.exe; on Linux the release's tar.gz) and starts the service with it. A program that
 * does not run here is refused before anything happens; one that does not become healthy is taken out again, and the former
 * one runs as before. SETUP_FAILED, SERVICE_FAILED, ELEVATION_NEEDED.
 */
export async function updateProgram(file: string, options: UpdateOptions): Promise<Updated> {
  const { signal } = options;
  requireManager('agent');
  const place = thisProgram();
  if (!existsSync(file)) {
    throw new FlatrenderError('USAGE', `there is no file ${file}`, {
      hint: 'give the path of the new release',
    });
  }
  const { state, plans, isInteractive } = await findService('agent', signal);
  const isInstalled = state.state !== 'not-installed';
  const isRunning = state.state === 'running' || state.state === 'starting';
  const healthUrl = serviceHealthUrl(serviceSpec({ role: 'agent', signal }).paths.envFile);
  const service: UpdateService = {
    isRunning,
    stop: async () => void (isRunning && (await stopService('agent', signal))),
    install: async () => {
      if (!isInstalled) return;
      // The new program knows best how its service is to be; in the plan of this one are its own files.
      const args = ['node', 'install', '--no-start', ...(isInteractive ? ['--interactive'] : [])];
      const { file: program, prefix } = starterOf(place);
      await run(program, [...prefix, ...args], { signal, timeoutMs: INSTALL_MS });
      if (isRunning) await startService('agent', signal);
    },
    healthy: async (version) => {
      if (!isRunning || healthUrl === null) return;
      const deadline = performance.now() + HEALTHY_MS;
      for (;;) {
        const health = await askAgent(healthUrl, signal);
        if (health?.agent.version === version) return;
        if (performance.now() > deadline) {
          const answer = health === null ? 'does not answer' : `is still version ${health.agent.version}`;
          throw new FlatrenderError('SERVICE_FAILED', `${plans.name} ${answer} after ${HEALTHY_MS / 1000} s`);
        }
        await wait(POLL_MS, undefined, { signal });
      }
    },
  };
  return await replaceProgram(file, place, service, options);
}

/** The steps of {@link updateProgram} for a program at any place. */
export async function replaceProgram(
  file: string,
  place: ProgramPlace,
  service: UpdateService,
  { signal, say }: UpdateOptions,
): Promise<Updated> {
  const next = beside(place, 'new');
  const old = beside(place, 'old');
  // What an update before left: on Windows the program that ran could not be removed.
  tryRemove(next);
  tryRemove(old);
  say(`checking ${file}`);
  const from = await versionOf(place, signal);
  let to: string;
  try {
    await put(file, { ...place, path: next }, signal);
    to = await versionOf({ ...place, path: next }, signal);
  } catch (error) {
    tryRemove(next);
    throw error;
  }
  try {
    say(`stopping version ${from}`);
    await service.stop();
    // A program that runs cannot be overwritten, but it can be renamed, also on Windows.
    renameSync(place.path, old);
    renameSync(next, place.path);
    say(`starting version ${to}`);
    await service.install();
    await service.healthy(to);
  } catch (error) {
    await takeBack({ place, next, old, service });
    const why = error instanceof Error ? error.message : String(error);
    throw new FlatrenderError('SETUP_FAILED', `version ${to} does not work: ${why}`, {
      cause: error,
      hint: `version ${from} is back${service.isRunning ? ' and runs' : ''}`,
    });
  }
  return { from, to, old: tryRemove(old) ? null : old };
}

/** flatrender.new.exe: what does not end in .exe is given to the shell on Windows (cross-spawn), which does not know it. */
function beside({ path }: ProgramPlace, word: string): string {
  return path.replace(/(\.exe)?$/i, (ending) => `.${word}${ending}`);
}

async function takeBack(update: {
  readonly place: ProgramPlace;
  readonly next: string;
  readonly old: string;
  readonly service: UpdateService;
}): Promise<void> {
  const { place, next, old, service } = update;
  await service.stop().catch(() => undefined);
  if (existsSync(old)) {
    if (existsSync(place.path)) renameSync(place.path, next);
    renameSync(old, place.path);
  }
  tryRemove(next);
  await service.install();
}

/** The program that an update has left beside this one; null: there is none. */
export function formerProgram(): string | null {
  const place = releasedProgram();
  const old = place && beside(place, 'old');
  return old !== null && existsSync(old) ? old : null;
}

/** What is to be replaced. SETUP_FAILED for a program that is not out of a release. */
function thisProgram(): ProgramPlace {
  const place = releasedProgram();
  if (place !== null) return place;
  throw new FlatrenderError(
    'SETUP_FAILED',
    `${packageRoot()} is not an unpacked release: it cannot be replaced`,
    {
      hint: 'update it as it was installed (npm, git), then: flatrender node install, flatrender node restart',
    },
  );
}

function releasedProgram(): ProgramPlace | null {
  if (isSea()) return { kind: 'file', path: process.execPath };
  const path = packageRoot();
  const isUnpacked = process.platform === 'linux' && existsSync(join(path, 'node', 'bin', 'node'));
  return isUnpacked ? { kind: 'directory', path } : null;
}

async function put(file: string, target: ProgramPlace, signal: AbortSignal): Promise<void> {
  if (target.kind === 'file') return await copyFile(file, target.path);
  if (!statSync(file).isFile()) throw new FlatrenderError('USAGE', `${file} is not a file`);
  mkdirSync(target.path, { mode: 0o755 });
  // One directory is at the top of the archive.
  const args = ['-xf', file, '-C', target.path, '--strip-components=1', '--no-same-owner'];
  await run('tar', args, { signal, timeoutMs: UNPACK_MS }).catch((cause) => {
    signal.throwIfAborted();
    throw new FlatrenderError('SETUP_FAILED', `${file} cannot be unpacked: ${cause.message}`, {
      cause,
      hint: 'fetch it again and compare its checksum with SHA256SUMS; nothing was changed',
    });
  });
}

/** What says `--version` there; SETUP_FAILED when it does not run, or is for another system. */
async function versionOf(place: ProgramPlace, signal: AbortSignal): Promise<string> {
  const { file, prefix } = starterOf(place);
  const isWindows = process.platform === 'win32';
  const { stdout } = await run(file, [...prefix, '--version'], { signal, timeoutMs: CHECK_MS }).catch(
    (cause) => {
      signal.throwIfAborted();
      throw new FlatrenderError(
        'SETUP_FAILED',
        `${place.path} is no flatrender for this machine: ${cause.message}`,
        {
          cause,
          hint: isWindows
            ? 'take flatrender.exe out of the release for Windows'
            : 'take the tar.gz of the release for Linux',
        },
      );
    },
  );
  const [, version, system] = /^flatrender\/(\S+) (\S+)/.exec(stdout) ?? [];
  const own = `${process.platform}-${process.arch}`;
  if (version !== undefined && system === own) return version;
  throw new FlatrenderError(
    'SETUP_FAILED',
    version === undefined
      ? `${place.path} is no flatrender: it says "${stdout.trim().slice(0, 80)}"`
      : `${place.path} is for ${system}, this machine is ${own}`,
  );
}

function starterOf({ kind, path }: ProgramPlace): {
  readonly file: string;
  readonly prefix: readonly string[];
} {
  return kind === 'file'
    ? { file: path, prefix: [] }
    : { file: join(path, 'node', 'bin', 'node'), prefix: [join(path, 'bin', 'run.js')] };
}

/** False: it is in use, or in a directory that may not be changed. */
function tryRemove(path: string): boolean {
  try {
    rmSync(path, { recursive: true, force: true });
    return true;
  } catch {
    return !existsSync(path) && existsSync(dirname(path));
  }
}
