/** What this machine has of After Effects. */
import { toFlatrenderError } from '../../../lib/errors.ts';
import { MOCK_MODE_VERSION } from '../../../protocol/names.ts';
import type { EngineInfo } from '../../../protocol/nodes.ts';
import type { EngineSettings } from '../../engine.ts';
import { countFonts } from './fonts.ts';
import { findInstallation, type Installation, listInstallations } from './installation.ts';
import { readLearned } from './learned.ts';

/** `EngineInfo.notes` and its parts are limited: a node tells of itself at every registration. */
const LONGEST_NOTE = 1024;
const MOST_NAMES = 40;

export interface ProbeOptions {
  /** Folders to look in; default: the standard ones. */
  readonly roots?: readonly string[];
  readonly platform?: NodeJS.Platform;
  readonly env?: NodeJS.ProcessEnv;
}

/** Whether After Effects can be used and which one, or mock mode, or why not. Starts no program. Never throws. */
export async function probeAerender(
  { aerender: settings }: Pick<EngineSettings, 'aerender'>,
  options: ProbeOptions = {},
): Promise<EngineInfo> {
  const name = 'aerender';
  if (!settings) {
    return { name, available: false, reason: 'this node does not use After Effects', hint: 'set AE_PATH' };
  }
  if (settings.path === '') {
    return {
      name,
      available: true,
      version: MOCK_MODE_VERSION,
      notes: ['mock mode: AE_PATH is empty, so it makes test pictures without After Effects'],
    };
  }
  try {
    const { platform = process.platform, env = process.env } = options;
    const [all, used] = await Promise.all([
      listInstallations(options),
      findInstallation(settings.path, options),
    ]);
    const learned = await readLearned(settings.stateDir, used);
    // app.version is "24.2x1": what follows the numbers is the build.
    const version = /^\d+(?:\.\d+)*/.exec(learned?.version ?? '')?.[0] ?? used.version;
    const others = all.filter(({ directory }) => directory !== used.directory);
    const notes = [
      `After Effects in ${used.directory}`,
      others.length > 0 ? `also installed: ${others.map(nameOf).join(', ')}` : null,
      learned && listed('output modules', learned.outputModules),
      learned && listed('render settings', learned.renderSettings),
      `${await countFonts({ platform, env })} font files`,
      isSessionZero(platform, env) ? SESSION_ZERO : null,
    ].flatMap((note) => (note ? [note.slice(0, LONGEST_NOTE)] : []));
    return { name, available: true, ...(version === null ? {} : { version: version.slice(0, 64) }), notes };
  } catch (error) {
    const { message, hint } = toFlatrenderError(error);
    return {
      name,
      available: false,
      reason: message.slice(0, 1024),
      ...(hint === undefined ? {} : { hint }),
    };
  }
}

/** The note of a probe in session 0. */
export const SESSION_ZERO =
  'runs as a service in session 0, where After Effects has no desktop: windows cannot be seen or answered, and some ' +
  'effects and codecs fail; better let the agent start when its user logs on';

/**
 * Services run in session 0 and have no SESSIONNAME; "Console" and "RDP-Tcp#1" are those of people (Microsoft, "Service changes
 * for Windows Vista"; the variable is set by the logon). Not tried on a real Windows.
 */
export function isSessionZero(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): boolean {
  if (platform !== 'win32') return false;
  const name = env.SESSIONNAME ?? '';
  return name === '' || /^services$/i.test(name);
}

function nameOf({ version, directory }: Installation): string {
  return version === null ? directory : `${version} (${directory})`;
}

function listed(what: string, names: readonly string[]): string | null {
  if (names.length === 0) return null;
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '';
  return `${what}: ${names.slice(0, MOST_NAMES).join(', ')}${more}`;
}
