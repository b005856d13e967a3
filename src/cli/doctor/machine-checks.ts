/** Checks of this machine: Node, state directory, disk, encoders, engines. */
import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AerenderSettings } from '../../config/aerender-settings.ts';
import { homePaths } from '../../config/home.ts';
import type { ProbeOptions } from '../../engines/aerender/machine/probe.ts';
import { formatBytes } from '../output.ts';
import type { Check, Finding } from './checks.ts';
import { SESSION_FIX } from './service-checks.ts';

/** Below this nothing can be rendered; below the other a 4K job may fill it. */
const DISK_FAILED_BYTES = 1e9;
const DISK_WARNING_BYTES = 10e9;

/** A place that the agent of this machine writes to. */
export interface Disk {
  /** The setting that moves it. */
  readonly key: 'STATE_DIR' | 'TEMP_DIR';
  readonly path: string;
  /** With less free the agent does not work. */
  readonly leastBytes: number;
}

export interface MachineOptions {
  /** State directory. */
  readonly home: string;
  /** Of this machine's agent; empty: there is none. */
  readonly disks: readonly Disk[];
  /** FFMPEG_PATH of this machine's agent, or empty. */
  readonly ffmpegPath: string;
  /** How this machine's agent uses After Effects; null: there is no agent here. */
  readonly aerender: AerenderSettings | null;
}

/** The checks that need no control plane. */
export function machineChecks({ home, disks, ffmpegPath, aerender }: MachineOptions): readonly Check[] {
  return [
    { name: 'node.js', run: async () => checkNode(process.versions.node) },
    { name: 'state', run: () => checkHome(home) },
    { name: 'disk', run: () => checkDisks(home, disks) },
    { name: 'encoder', run: () => checkEncoder(ffmpegPath) },
    { name: 'engines', run: () => checkEngines(ffmpegPath) },
    { name: 'after effects', run: () => checkAfterEffects(aerender) },
  ];
}

/** Node 24 is the oldest that works; package.json says the same. */
export function checkNode(version: string): Finding {
  if (Number.parseInt(version, 10) >= 24) return { status: 'ok', message: version };
  return {
    status: 'failed',
    message: `${version} is too old: 24 or newer is needed`,
    fix: 'install it from https://nodejs.org',
  };
}

async function checkHome(home: string): Promise<readonly Finding[]> {
  const info = await stat(home).catch(() => null);
  if (!info) {
    return [
      {
        status: 'skipped',
        message: `${home} does not exist yet`,
        fix: 'made by "flatrender login" or "flatrender control init"',
      },
    ];
  }
  const found: Finding[] = [];
  try {
    await access(home, constants.R_OK | constants.W_OK);
  } catch {
    found.push({
      status: 'failed',
      message: `${home} cannot be written by this user`,
      fix: `chown -R "$(id -un)" '${home}'`,
    });
  }
  const paths = homePaths(home);
  // Windows has no mode bits; there the directory's ACL protects it.
  for (const file of process.platform === 'win32' ? [] : [paths.farmSecret, paths.clientConfig]) {
    const mode = (await stat(file).catch(() => null))?.mode;
    if (mode !== undefined && (mode & 0o077) !== 0) {
      found.push({ status: 'failed', message: `others may read ${file}`, fix: `chmod 600 '${file}'` });
    }
  }
  return found.length > 0 ? found : [{ status: 'ok', message: home }];
}

/** The state directory and where the agent writes; places on the same disk are one finding, with the strictest limit. */
export async function checkDisks(home: string, disks: readonly Disk[]): Promise<readonly Finding[]> {
  const byDevice = new Map<number, Finding>();
  // The agent's own come first: what they need is more, and they are moved by a setting.
  const wanted = [...disks, { key: 'FLATRENDER_HOME', path: home, leastBytes: 0 } as const];
  for (const { key, path, leastBytes } of wanted) {
    let place = path;
    while (!(await stat(place).catch(() => null)) && dirname(place) !== place) place = dirname(place);
    const { dev } = await stat(place);
    if (byDevice.has(dev)) continue;
    const { bavail, bsize } = await statfs(place);
    const free = bavail * bsize;
    const message = `${formatBytes(free)} free at ${place}`;
    if (free >= Math.max(DISK_WARNING_BYTES, leastBytes)) {
      byDevice.set(dev, { status: 'ok', message });
      continue;
    }
    const isFull = free < Math.max(DISK_FAILED_BYTES, leastBytes);
    const least = free < leastBytes ? `, less than MIN_FREE_GB=${leastBytes / 1e9}` : '';
    const move =
      key === 'FLATRENDER_HOME'
        ? 'move the state directory (FLATRENDER_HOME) to another disk'
        : `another disk: flatrender node config set ${key}=PATH --restart`;
    byDevice.set(dev, {
      status: isFull ? 'failed' : 'warning',
      message: `${message}${least}`,
      fix: `make room, or ${move}`,
    });
  }
  return [...byDevice.values()];
}

async function checkEncoder(ffmpegPath: string): Promise<Finding> {
  const { findFfmpeg, INSTALL_HINT } = await import('../../media/ffmpeg.ts');
  const tools = await findFfmpeg({ ffmpegPath });
  if (tools) return { status: 'ok', message: `ffmpeg ${tools.version} (${tools.ffmpeg})` };
  const { loadNodeAv } = await import('../../media/node-av.ts');
  if (await loadNodeAv())
    return { status: 'ok', message: 'node-av, the one in the package (no ffmpeg on PATH)' };
  return {
    status: 'failed',
    message: 'no video encoder: neither an ffmpeg on PATH nor the package node-av',
    fix: INSTALL_HINT,
  };
}

async function checkEngines(ffmpegPath: string): Promise<readonly Finding[]> {
  const { createEngineHosts } = await import('../../engines/host-pool.ts');
  const hosts = createEngineHosts({ maxIdle: 1 });
  try {
    const engines = await hosts.probe({ ffmpegPath, previewMs: 1000, threads: 0 });
    // After Effects has a check of its own: most machines do well without it.
    return engines
      .filter(({ name }) => name !== 'aerender')
      .map(({ name, available, version, reason, hint }) =>
        available
          ? { status: 'ok' as const, message: version === undefined ? name : `${name} ${version}` }
          : { status: 'warning' as const, message: `${name}: ${reason ?? 'not available'}`, fix: hint },
      );
  } finally {
    await hosts.close();
  }
}

/**
 * After Effects: which versions there are and which is used; mock mode; an AE_PATH that leads nowhere. A machine without an
 * agent, or of a system that After Effects does not run on, is well without it.
 */
export async function checkAfterEffects(
  aerender: AerenderSettings | null,
  options: ProbeOptions = {},
): Promise<readonly Finding[]> {
  const { probeAerender, SESSION_ZERO } = await import('../../engines/aerender/machine/probe.ts');
  const settings = aerender ?? NO_AGENT;
  const {
    available,
    version,
    reason,
    hint,
    notes = [],
  } = await probeAerender({ aerender: settings }, options);
  if (!available) {
    const message = reason ?? 'not available';
    if (settings.path !== null) return [{ status: 'failed', message, fix: hint }];
    const platform = options.platform ?? process.platform;
    const isExpected = aerender !== null && (platform === 'win32' || platform === 'darwin');
    return [{ status: isExpected ? 'warning' : 'skipped', message, fix: aerender ? hint : undefined }];
  }
  if (settings.path === '') {
    const fix = 'remove AE_PATH= from agent.env to use the After Effects of this machine';
    return [{ status: 'warning', message: notes[0] ?? 'mock mode', fix }];
  }
  const facts = notes.filter((note) => note !== SESSION_ZERO);
  return [
    { status: 'ok', message: [version ?? 'of unknown version', ...facts].join('; ') },
    ...(notes.includes(SESSION_ZERO)
      ? [{ status: 'warning' as const, message: SESSION_ZERO, fix: SESSION_FIX }]
      : []),
  ];
}

/** Without an agent there is only to see what is installed. */
const NO_AGENT: AerenderSettings = {
  path: null,
  stateDir: '',
  slots: 1,
  mode: null,
  outputModules: { sequence: null, movie: null },
  mfrPercent: null,
  memoryPercent: null,
  reuse: false,
  close: 'DO_NOT_SAVE_CHANGES',
  killStale: 'off',
  limits: { launch: 300, bind: 300, firstFrame: 600, frame: 600, encode: 600 },
};
