/** This machine's WireGuard: where its programs are, what it says of the node's tunnel, what its file is. */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { delimiter, join, win32 } from 'node:path';
import { NODE_TUNNEL, type ServicePlatform } from '../config/machine-paths.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { run } from '../lib/exec.ts';
import { parseWgDump } from '../mesh/wg-dump.ts';
import type { TunnelSystem } from './tunnel-plan.ts';

const ASK_MS = 10_000;

/** The node's tunnel as it runs. */
export interface RunningTunnel {
  /** The key in use. */
  readonly publicKey: string;
  readonly peerKey: string | null;
  /** Address and port that are dialled now; null: none was found yet. */
  readonly endpoint: string | null;
  /** Epoch milliseconds of the last handshake; null: never. */
  readonly handshakeAt: number | null;
}

/** What is in a wg-flatrender.conf. */
export interface TunnelFile {
  readonly text: string;
  readonly privateKey: string | null;
  readonly peerKey: string | null;
}

/** What the plans need to know of this machine; `isHere` false: of any machine of that system, at the usual places. */
export function tunnelSystem(
  platform: ServicePlatform,
  file: string,
  isHere = platform === process.platform,
): TunnelSystem {
  const programFiles = process.env.ProgramFiles ?? 'C:\\Program Files';
  const find = (name: string): string => (platform === 'darwin' ? (findProgram(name) ?? name) : name);
  return {
    platform,
    hasSystemd: platform === 'linux' && (isHere ? existsSync('/run/systemd/system') : true),
    file,
    wg: platform === 'win32' ? win32.join(programFiles, 'WireGuard', 'wg.exe') : find('wg'),
    wgQuick: find('wg-quick'),
    wireguard: win32.join(programFiles, 'WireGuard', 'wireguard.exe'),
  };
}

/** What runs; null: the tunnel is not up, or WireGuard is not installed. */
export async function askTunnel(system: TunnelSystem, signal: AbortSignal): Promise<RunningTunnel | null> {
  const asked = await run(system.wg, ['show', realInterface(system), 'dump'], {
    anyExitCode: true,
    timeoutMs: ASK_MS,
    signal,
  }).catch((error) => {
    if (signal.aborted) throw error;
    return null;
  });
  if (asked?.exitCode !== 0) return null;
  // The first line is of the interface: private key, public key, … (wg(8), dump).
  const [peer] = parseWgDump(asked.stdout);
  return {
    publicKey: /^[^\t\n]*\t([^\t\n]+)/.exec(asked.stdout)?.[1] ?? '',
    peerKey: peer?.[0] ?? null,
    endpoint: peer?.[1].endpoint ?? null,
    handshakeAt: peer?.[1].handshakeAt ?? null,
  };
}

/** The file; null: there is none. ELEVATION_NEEDED when it may not be read. */
export function readTunnelFile(path: string): TunnelFile | null {
  try {
    return parseTunnelFile(readFileSync(path, 'utf8'));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new FlatrenderError('ELEVATION_NEEDED', `${path} cannot be read: ${(cause as Error).message}`, {
      cause,
      hint: 'run as administrator (Windows) or with sudo',
    });
  }
}

/** Reads what identifies a configuration; the rest is wg's business. */
export function parseTunnelFile(text: string): TunnelFile {
  const value = (key: string): string | null =>
    new RegExp(`^\\s*${key}\\s*=\\s*([^\\s#]+)`, 'im').exec(text)?.[1] ?? null;
  return { text, privateKey: value('PrivateKey'), peerKey: value('PublicKey') };
}

/** The same text with another private key: whatever else was changed by hand stays. */
export function withPrivateKey(text: string, privateKey: string): string {
  return text.replace(/^(\s*PrivateKey\s*=\s*)[^\s#]+/im, (_whole, start: string) => start + privateKey);
}

/** Which interface of this machine has an address; null: none. */
export function interfaceOf(address: string): string | null {
  const found = Object.entries(networkInterfaces()).find(([, entries]) =>
    entries?.some((entry) => entry.address === address),
  );
  return found?.[0] ?? null;
}

/** A program on PATH or where Homebrew puts it; null: not installed. */
function findProgram(name: string): string | null {
  const directories = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...(process.platform === 'darwin' ? ['/opt/homebrew/bin', '/usr/local/bin'] : []),
  ];
  // An empty or relative entry would run what happens to lie in the current directory.
  const file = directories
    .filter((directory) => /^([A-Za-z]:)?[\\/]/.test(directory))
    .map((directory) => join(directory, name))
    .find(isProgram);
  return file ?? null;
}

/** PROGRAM_MISSING with the command that installs WireGuard on this system. */
export function requireWireGuard(system: TunnelSystem): void {
  const missing =
    system.platform === 'win32'
      ? [system.wireguard, system.wg].filter((file) => !existsSync(file))
      : ['wg', 'wg-quick'].filter((name) => findProgram(name) === null);
  if (missing.length === 0) return;
  const osRelease = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  throw new FlatrenderError('PROGRAM_MISSING', `WireGuard is not installed: no ${missing.join(', no ')}`, {
    hint: `install it, then give the same command again:\n  ${wireGuardInstall(system.platform, osRelease)}`,
  });
}

/** What to type to install WireGuard's tools; `osRelease` is the text of os-release(5). */
export function wireGuardInstall(platform: ServicePlatform, osRelease: string): string {
  if (platform === 'win32') return 'winget install --exact --id WireGuard.WireGuard';
  if (platform === 'darwin') return 'brew install wireguard-tools';
  const ids = [...osRelease.matchAll(/^(?:ID|ID_LIKE)=(.*)$/gm)].flatMap(([, value = '']) =>
    value.replace(/["']/g, '').split(' '),
  );
  const commands: readonly (readonly [RegExp, string])[] = [
    [/^(debian|ubuntu)$/, 'sudo apt-get install wireguard-tools'],
    [/^(fedora|rhel|centos)$/, 'sudo dnf install wireguard-tools'],
    [/^arch$/, 'sudo pacman -S wireguard-tools'],
    [/^alpine$/, 'sudo apk add wireguard-tools'],
    [/^(suse|opensuse.*)$/, 'sudo zypper install wireguard-tools'],
  ];
  const found = commands.find(([id]) => ids.some((each) => id.test(each)));
  return found?.[1] ?? 'the package wireguard-tools of your distribution';
}

/** macOS: wg-quick writes the interface's real name (utunN) there. */
export function realInterface({ platform }: Pick<TunnelSystem, 'platform'>): string {
  const file = `/var/run/wireguard/${NODE_TUNNEL}.name`;
  return platform === 'darwin' && existsSync(file) ? readFileSync(file, 'utf8').trim() : NODE_TUNNEL;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
