/** Where fonts go so that After Effects sees them, and what is done to put them there. Pure. */
import path from 'node:path';
import type { Command } from '../../../lib/exec.ts';

/** A folder for fonts. */
export interface FontPlace {
  /** user: this account's; adobe: the one that all of Adobe's programs read. */
  readonly kind: 'user' | 'adobe';
  readonly directory: string;
  /** Made when it is missing; others are used only where they are. */
  readonly mayCreate: boolean;
}

/** What a machine says about itself. */
export interface FontMachine {
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
}

/** Fonts of this user (Windows 10 1809 and later), in the registry by full path (Microsoft, "Font installation and deletion"). */
const REGISTRY_KEY = 'HKCU\\Software\\Microsoft\\Windows NT\\CurrentVersion\\Fonts';

/**
 * The places, in the order in which they are tried; a font goes to each that can be written.
 *
 * The Adobe folders are those that After Effects itself names (scripting guide, FontsObject
 * `pollForAndPushNonSystemFontFolders`); they serve service accounts too, which see no per-user fonts (nexrender issue 667),
 * but want rights that an agent may lack. Not tried with a real After Effects.
 */
export function fontPlaces({ platform, env, home }: FontMachine): FontPlace[] {
  if (platform === 'win32') {
    const local = env.LOCALAPPDATA ?? path.win32.join(home, 'AppData', 'Local');
    const common =
      env.CommonProgramW6432 ??
      env.CommonProgramFiles ??
      path.win32.join(env.ProgramFiles ?? 'C:\\Program Files', 'Common Files');
    return [
      { kind: 'adobe', directory: path.win32.join(common, 'Adobe', 'Fonts'), mayCreate: false },
      { kind: 'user', directory: path.win32.join(local, 'Microsoft', 'Windows', 'Fonts'), mayCreate: true },
    ];
  }
  if (platform === 'darwin') {
    return [
      { kind: 'adobe', directory: '/Library/Application Support/Adobe/Fonts', mayCreate: false },
      { kind: 'user', directory: path.posix.join(home, 'Library', 'Fonts'), mayCreate: true },
    ];
  }
  // Fontconfig's folder for the user (fonts.conf(5): "xdg" prefix), in one of our own.
  const data = env.XDG_DATA_HOME || path.posix.join(home, '.local', 'share');
  return [{ kind: 'user', directory: path.posix.join(data, 'fonts', 'flatrender'), mayCreate: true }];
}

/** Folders with fonts that After Effects may use, for counting. */
export function fontFolders(machine: FontMachine): string[] {
  const { platform, env } = machine;
  const system =
    platform === 'win32'
      ? [path.win32.join(env.SystemRoot ?? 'C:\\Windows', 'Fonts')]
      : platform === 'darwin'
        ? ['/System/Library/Fonts', '/Library/Fonts']
        : ['/usr/share/fonts', '/usr/local/share/fonts'];
  return [...system, ...fontPlaces(machine).map(({ directory }) => directory)];
}

/** One file as it is put in one place. */
export interface FontStep {
  readonly from: string;
  readonly to: string;
  readonly place: FontPlace['kind'];
  /** Makes the system know of it, and forget it; null: files are enough. */
  readonly register: Command | null;
  readonly unregister: Command | null;
}

/** What installing one font file means in one place; `name` is the file's name there. */
export function fontStep(from: string, name: string, place: FontPlace, platform: NodeJS.Platform): FontStep {
  const join = platform === 'win32' ? path.win32.join : path.posix.join;
  const to = join(place.directory, name);
  const isRegistered = platform === 'win32' && place.kind === 'user';
  // The value's name only has to be nobody else's; Windows takes the font's names out of the file.
  const value = `${name} (TrueType)`;
  return {
    from,
    to,
    place: place.kind,
    register: isRegistered
      ? { file: 'reg', args: ['add', REGISTRY_KEY, '/v', value, '/t', 'REG_SZ', '/d', to, '/f'] }
      : null,
    unregister: isRegistered ? { file: 'reg', args: ['delete', REGISTRY_KEY, '/v', value, '/f'] } : null,
  };
}
