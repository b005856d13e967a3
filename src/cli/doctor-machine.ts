/** Checks of this machine: Node, state directory, disk, encoders, engines. */
import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { homePaths } from '../config/home.ts';
import type { Check, Finding } from './doctor.ts';
import { formatBytes } from './output.ts';

/** Below this nothing can be rendered; below the other a 4K job may fill it. */
const DISK_FAILED_BYTES = 1e9;
const DISK_WARNING_BYTES = 10e9;

export interface MachineOptions {
  /** State directory. */
  readonly home: string;
  /** FFMPEG_PATH of this machine's agent, or empty. */
  readonly ffmpegPath: string;
}

/** The checks that need no control plane. */
export function machineChecks({ home, ffmpegPath }: MachineOptions): readonly Check[] {
  return [
    { name: 'node.js', run: async () => checkNode(process.versions.node) },
    { name: 'state', run: () => checkHome(home) },
    { name: 'disk', run: () => checkDisk(home) },
    { name: 'encoder', run: () => checkEncoder(ffmpegPath) },
    { name: 'engines', run: () => checkEngines(ffmpegPath) },
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

async function checkDisk(home: string): Promise<Finding> {
  let place = home;
  while (!(await stat(place).catch(() => null)) && dirname(place) !== place) place = dirname(place);
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize;
  const message = `${formatBytes(free)} free at ${place}`;
  if (free >= DISK_WARNING_BYTES) return { status: 'ok', message };
  const fix = 'make room, or move the state directory (FLATRENDER_HOME) to another disk';
  return { status: free < DISK_FAILED_BYTES ? 'failed' : 'warning', message, fix };
}

async function checkEncoder(ffmpegPath: string): Promise<Finding> {
  const { findFfmpeg, INSTALL_HINT } = await import('../media/ffmpeg.ts');
  const tools = await findFfmpeg({ ffmpegPath });
  if (tools) return { status: 'ok', message: `ffmpeg ${tools.version} (${tools.ffmpeg})` };
  const { loadNodeAv } = await import('../media/node-av.ts');
  if (await loadNodeAv())
    return { status: 'ok', message: 'node-av, the one in the package (no ffmpeg on PATH)' };
  return {
    status: 'failed',
    message: 'no video encoder: neither an ffmpeg on PATH nor the package node-av',
    fix: INSTALL_HINT,
  };
}

async function checkEngines(ffmpegPath: string): Promise<readonly Finding[]> {
  const { createEngineHosts } = await import('../engines/host-pool.ts');
  const hosts = createEngineHosts({ maxIdle: 1 });
  try {
    const engines = await hosts.probe({ ffmpegPath, previewMs: 1000, threads: 0 });
    return engines.map(({ name, available, version, reason, hint }) =>
      available
        ? { status: 'ok' as const, message: version === undefined ? name : `${name} ${version}` }
        : { status: 'warning' as const, message: `${name}: ${reason ?? 'not available'}`, fix: hint },
    );
  } finally {
    await hosts.close();
  }
}
