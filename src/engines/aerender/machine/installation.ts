/** Where After Effects is on this machine; several versions may be installed side by side. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { FlatrenderError } from '../../../lib/errors.ts';
import { fileVersion } from './file-version.ts';

/** One After Effects. Paths are absolute. */
export interface Installation {
  readonly aerender: string;
  /** What runs a script: AfterFX.com or AfterFX.exe (Windows), the application bundle (macOS), a program (elsewhere). */
  readonly afterfx: string;
  /** "24.2.1", or "24" where only the folder's name tells; null: unknown. */
  readonly version: string | null;
  /** The folder that holds aerender. */
  readonly directory: string;
}

export interface InstallationOptions {
  readonly platform?: NodeJS.Platform;
  /** Folders that hold "Adobe After Effects <year>" folders; default: where Adobe's installer puts them. */
  readonly roots?: readonly string[];
  readonly signal?: AbortSignal;
}

/** Adobe's installer: `C:\Program Files\Adobe\Adobe After Effects 2024\Support Files`, `/Applications/Adobe After Effects 2024`. */
const FOLDER = /^Adobe After Effects\b/i;
/** Versions by what folders are called; from 2022 on the year is the version. (Adobe, After Effects release notes.) */
const VERSIONS_BY_NAME: Readonly<Record<string, string>> = {
  'CC 2017': '14',
  'CC 2018': '15',
  'CC 2019': '16',
  '2020': '17',
  '2021': '18',
};
/** An Info.plist is some kilobytes. */
const LONGEST_PLIST = 1024 * 1024;

/** Where Adobe's installer puts After Effects; nowhere on Linux. */
export function standardRoots(platform: NodeJS.Platform, env: NodeJS.ProcessEnv = process.env): string[] {
  if (platform === 'darwin') return ['/Applications'];
  if (platform !== 'win32') return [];
  return [path.win32.join(env.ProgramW6432 ?? env.ProgramFiles ?? 'C:\\Program Files', 'Adobe')];
}

/** Every After Effects in the standard places, the one that is used first: newest release, then betas. Never throws but on abort. */
export async function listInstallations(options: InstallationOptions = {}): Promise<Installation[]> {
  const platform = options.platform ?? process.platform;
  const found: { installation: Installation; isBeta: boolean }[] = [];
  for (const root of options.roots ?? standardRoots(platform)) {
    for (const name of await entriesOf(root)) {
      options.signal?.throwIfAborted();
      if (!FOLDER.test(name)) continue;
      const installation = await installationIn(path.join(root, name), platform);
      if (installation) found.push({ installation, isBeta: /beta/i.test(name) });
    }
  }
  // A beta renders for customers only where somebody chose it (AE_PATH), or where there is nothing else.
  return found
    .sort(
      (a, b) =>
        Number(a.isBeta) - Number(b.isBeta) ||
        compareVersions(b.installation.version, a.installation.version) ||
        a.installation.directory.localeCompare(b.installation.directory),
    )
    .map(({ installation }) => installation);
}

/**
 * The After Effects to use. `given` (AE_PATH): aerender, its folder ("Support Files"), AfterFX, or the folder around them;
 * null: the newest in the standard places. AE_NOT_FOUND says where it was looked for.
 */
export async function findInstallation(
  given: string | null,
  options: InstallationOptions = {},
): Promise<Installation> {
  const platform = options.platform ?? process.platform;
  if (given === null) {
    const [newest] = await listInstallations({ ...options, platform });
    if (newest) return newest;
    throw notInstalled(options.roots ?? standardRoots(platform), platform);
  }
  // Copied from a shell or from Explorer ("Copy as path"), a path may still wear its quotes.
  const place = path.resolve(given.trim().replace(/^(["'])(.*)\1$/, '$2'));
  options.signal?.throwIfAborted();
  const info = await stat(place).catch(() => null);
  const [newest] = await listInstallations({ ...options, platform });
  if (!info) throw wrongPath(given, 'there is no such file or folder', platform, newest);
  const start = info.isFile() || /\.app$/i.test(place) ? path.dirname(place) : place;
  const found = await installationIn(start, platform, info.isFile() ? path.basename(place) : undefined);
  if (found) return found;
  const { aerender, afterfx } = NAMES[platform === 'win32' || platform === 'darwin' ? platform : 'linux'];
  throw wrongPath(given, `${start} does not hold ${aerender[0]} and ${afterfx[0]}`, platform, newest);
}

/** Programs by what they are called; of several the first that is there. */
const NAMES = {
  // AfterFX.com is the console program of the two: it waits, and shows what the script writes ("Other integration
  // possibilities", After Effects C++ SDK guide). Users report that AfterFX.exe with -m -noui ends without a word.
  win32: { aerender: ['aerender.exe', 'aerender.com'], afterfx: ['AfterFX.com', 'AfterFX.exe'] },
  darwin: { aerender: ['aerender'], afterfx: ['Adobe After Effects <year>.app', 'AfterFX'] },
  linux: { aerender: ['aerender'], afterfx: ['AfterFX'] },
} as const;

async function installationIn(
  folder: string,
  platform: NodeJS.Platform,
  named?: string,
): Promise<Installation | null> {
  const names = NAMES[platform === 'win32' || platform === 'darwin' ? platform : 'linux'];
  for (const directory of [folder, path.join(folder, 'Support Files')]) {
    const entries = await entriesOf(directory);
    const pick = (wanted: readonly string[]): string | undefined =>
      wanted.flatMap((name) => entries.filter((entry) => entry.toLowerCase() === name.toLowerCase()))[0];
    const app =
      platform === 'darwin' ? entries.find((entry) => FOLDER.test(entry) && isApplication(entry)) : undefined;
    const aerender = named !== undefined && /^aerender/i.test(named) ? named : pick(names.aerender);
    const afterfx = app ?? pick(names.afterfx);
    if (aerender === undefined || afterfx === undefined) continue;
    return {
      aerender: path.join(directory, aerender),
      afterfx: path.join(directory, afterfx),
      version: await versionOf(directory, afterfx, platform),
      directory,
    };
  }
  return null;
}

/** The render engine is an application of its own beside the one that runs scripts. */
function isApplication(entry: string): boolean {
  return /\.app$/i.test(entry) && !/render engine/i.test(entry);
}

async function versionOf(
  directory: string,
  afterfx: string,
  platform: NodeJS.Platform,
): Promise<string | null> {
  const written =
    platform === 'darwin'
      ? await plistVersion(path.join(directory, afterfx, 'Contents', 'Info.plist'))
      : platform === 'win32'
        ? await fileVersion(path.join(directory, 'AfterFX.exe'))
        : null;
  if (written !== null) return written;
  const folder = directory.split(/[\\/]/).findLast((part) => FOLDER.test(part));
  const name = folder === undefined ? null : /((?:CC )?20\d\d)/.exec(folder)?.[1];
  if (name === undefined || name === null) return null;
  const known = VERSIONS_BY_NAME[name];
  const year = Number(name.slice(-4));
  return known ?? (year >= 2022 ? String(year - 2000) : null);
}

/** CFBundleShortVersionString, where the list is XML (a binary one is left to the folder's name). */
async function plistVersion(file: string): Promise<string | null> {
  const info = await stat(file).catch(() => null);
  if (!info?.isFile() || info.size > LONGEST_PLIST) return null;
  const text = await readFile(file, 'utf8').catch(() => '');
  return (
    /<key>CFBundleShortVersionString<\/key>\s*<string>(\d+(?:\.\d+)*)[^<]*<\/string>/.exec(text)?.[1] ?? null
  );
}

/** Negative when a is older; unknown is older than anything. */
export function compareVersions(a: string | null, b: string | null): number {
  const parts = (text: string | null): number[] => (text === null ? [-1] : text.split('.').map(Number));
  const [left, right] = [parts(a), parts(b)];
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

async function entriesOf(directory: string): Promise<string[]> {
  return await readdir(directory).catch(() => []);
}

function notInstalled(roots: readonly string[], platform: NodeJS.Platform): FlatrenderError {
  const looked = roots.length > 0 ? `no "Adobe After Effects <year>" in ${roots.join(' or ')}` : null;
  return new FlatrenderError(
    'AE_NOT_FOUND',
    `After Effects was not found: ${looked ?? `there is none for this system (${platform})`}`,
    {
      hint: looked
        ? 'install it, or set AE_PATH to its aerender; AE_PATH= (empty) tries the farm without it (mock mode)'
        : 'AE_PATH= (empty) tries the farm without it (mock mode)',
      details: { lookedIn: [...roots] },
    },
  );
}

function wrongPath(
  given: string,
  why: string,
  platform: NodeJS.Platform,
  newest: Installation | undefined,
): FlatrenderError {
  const example =
    platform === 'darwin'
      ? '/Applications/Adobe After Effects 2024/aerender'
      : 'C:\\Program Files\\Adobe\\Adobe After Effects 2024\\Support Files\\aerender.exe';
  return new FlatrenderError('AE_NOT_FOUND', `AE_PATH is "${given}", but ${why}`, {
    hint: newest
      ? `put AE_PATH=${newest.aerender} into agent.env`
      : `set AE_PATH to aerender, such as ${example}, or remove AE_PATH to have it found`,
    details: { path: given },
  });
}
