/** The state directory and what is where in it. */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { FlatrenderError } from '../lib/errors.ts';
import { machinePaths } from './machine-paths.ts';

/** The state directory: $FLATRENDER_HOME, or `.flatrender` in the home directory; absolute. Not created. */
export function flatrenderHome(env: NodeJS.ProcessEnv = process.env): string {
  const given = env.FLATRENDER_HOME;
  return given ? resolve(given) : join(homedir(), '.flatrender');
}

/**
 * The state directory of this machine's control plane: $FLATRENDER_HOME, or the one in the home directory, or, when that
 * has no control plane and a service was installed, the service's.
 */
export function controlHome(env: NodeJS.ProcessEnv = process.env): string {
  const own = flatrenderHome(env);
  if (env.FLATRENDER_HOME || process.platform !== 'linux' || existsSync(homePaths(own).config)) return own;
  const { stateDir } = machinePaths('linux', 'control', '');
  // Others than root and the service do not see into it.
  return existsSync(homePaths(stateDir).config) ? stateDir : own;
}

/** Where each thing of a state directory is. */
export interface HomePaths {
  readonly directory: string;
  readonly config: string;
  readonly farmSecret: string;
  readonly controlPid: string;
  /** Where the running control plane listens. */
  readonly controlUrl: string;
  readonly controlLog: string;
  readonly clientConfig: string;
  /** State of the agents of this machine, one directory per node id. */
  readonly agents: string;
}

/** The paths in a state directory (default: {@link flatrenderHome}). */
export function homePaths(directory: string = flatrenderHome()): HomePaths {
  return {
    directory,
    config: join(directory, 'flatrender.yaml'),
    farmSecret: join(directory, 'farm.secret'),
    controlPid: join(directory, 'control.pid'),
    controlUrl: join(directory, 'control.url'),
    controlLog: join(directory, 'control.log'),
    clientConfig: join(directory, 'client.json'),
    agents: join(directory, 'agent'),
  };
}

/** Creates the state directory, readable by its owner only. CONFIG_INVALID when that cannot be done. */
export function createHome(directory: string): void {
  try {
    // Directories above it are others' as well: the service's user must get through them.
    mkdirSync(dirname(directory), { recursive: true, mode: 0o755 });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    // Node says ENOENT for a file system that is read-only.
    const why =
      code === 'EEXIST' || code === 'ENOTDIR'
        ? 'a file is where a directory should be'
        : 'check that you may write there';
    throw new FlatrenderError('CONFIG_INVALID', `cannot make the state directory ${directory}`, {
      cause,
      hint: `${why}; choose another place with FLATRENDER_HOME`,
    });
  }
}

/** Bytes of the farm secret; every other secret is derived from it. */
const FARM_SECRET_BYTES = 32;

/**
 * Writes a new farm secret (hex text, mode 0600) unless there is one; returns whether it wrote. The file is never
 * replaced: with another secret no node could sign in any more.
 */
export function createFarmSecret(directory: string): boolean {
  const file = homePaths(directory).farmSecret;
  if (existsSync(file)) return false;
  createHome(directory);
  // The global one: an import of node:crypto costs every command 4 ms at start.
  const secret = crypto.getRandomValues(Buffer.alloc(FARM_SECRET_BYTES));
  writePrivateFile(file, `${secret.toString('hex')}\n`);
  return true;
}

/** Reads the farm secret. CONFIG_MISSING without one; CONFIG_INVALID when it is damaged or others may read it. */
export function loadFarmSecret(directory: string): Buffer {
  const file = homePaths(directory).farmSecret;
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new FlatrenderError('CONFIG_MISSING', `no farm secret at ${file}`, {
      cause,
      hint:
        `a farm that exists already keeps its secret: scp OTHER-MACHINE:${file} ${file} (from another control plane of it, ` +
        'the old machine or your backup); for a new farm run "flatrender control init"',
    });
  }
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new FlatrenderError('CONFIG_INVALID', `${file} is not a farm secret (64 hexadecimal characters)`, {
      hint: 'restore it from your backup; a new one means a new secret for every node',
    });
  }
  // Windows has no mode bits; there the directory's ACL protects it.
  if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) {
    throw new FlatrenderError('CONFIG_INVALID', `others on this machine may read ${file}`, {
      hint: `run "chmod 600 ${file}"; if somebody may have read it, give every node a new secret`,
    });
  }
  return Buffer.from(text, 'hex');
}

/** Creates a file that only its owner may read, and syncs it. Fails when the file exists. */
export function writePrivateFile(file: string, text: string): void {
  const descriptor = openSync(file, 'wx', 0o600);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  chmodSync(file, 0o600);
}
