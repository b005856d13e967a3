/** What a service of this machine needs to be, and what is there of it already. */
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { loadControlConfig } from '../config/control-config.ts';
import { controlHome, homePaths } from '../config/home.ts';
import { machinePaths, type ServicePlatform, thisPlatform } from '../config/machine-paths.ts';
import { readEnvFile } from '../lib/env-file.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { type Command, run, selfCommand } from '../lib/exec.ts';
import { launchdPlans } from '../service/launchd.ts';
import {
  type Found,
  type ServicePlans,
  type ServiceRole,
  type ServiceSpec,
  serviceUser,
} from '../service/service-spec.ts';
import { systemdPlans } from '../service/systemd.ts';
import { logonTaskPlans } from '../service/windows/logon-task-plan.ts';
import { REGISTRY_QUERY, readRegistryKey, windowsServicePlans } from '../service/windows/service-plan.ts';

/** What is asked for; the rest is found out. */
export interface ServiceRequest {
  readonly role: ServiceRole;
  /** Default: this machine's. Plans can be made for any. */
  readonly platform?: ServicePlatform | undefined;
  /** In the session of the user (Windows, macOS). */
  readonly isInteractive?: boolean | undefined;
  readonly signal: AbortSignal;
}

const QUERY_MS = 15_000;

/**
 * The plans of a service, of which on this machine only what is still to do is left; for another platform as on a new
 * machine. SERVICE_UNSUPPORTED for a control plane that is not on Linux, and for a program that the service cannot reach.
 */
export async function planService(request: ServiceRequest): Promise<ServicePlans> {
  const spec = serviceSpec(request);
  const isHere = spec.platform === thisPlatform();
  if (!isHere) return plansOf(spec, {});
  return plansOf(spec, await look(spec, request.signal));
}

/** How a service is to be, from the settings of this machine. */
export function serviceSpec(request: ServiceRequest): ServiceSpec {
  const { role, platform = thisPlatform(), isInteractive = false } = request;
  if (role === 'control' && platform !== 'linux') {
    throw new FlatrenderError('SERVICE_UNSUPPORTED', 'the control plane is a service on Linux only', {
      hint: 'elsewhere it runs by hand: flatrender control run',
    });
  }
  if (isInteractive && platform === 'linux') {
    throw new FlatrenderError('USAGE', '--interactive is for Windows and macOS', {
      hint: 'on Linux no engine needs the session of a user: leave it out',
    });
  }
  const isHere = platform === thisPlatform();
  const programDir = platform === 'win32' && !isHere ? 'C:\\flatrender' : dirname(process.execPath);
  const paths = machinePaths(platform, role, programDir);
  const base = {
    platform,
    role,
    program: isHere ? selfCommand([]) : programOn(platform),
    paths,
    hasTunnel: !isHere || existsSync(paths.tunnelFile),
    isInteractive,
    ...accountOf(platform),
  };
  if (platform !== 'linux' || !isHere) return base;
  return role === 'agent' ? agentOnLinux(base) : controlOnLinux(base);
}

function agentOnLinux(base: ServiceSpec): ServiceSpec {
  const { envFile } = base.paths;
  const values = readableValues(envFile);
  const { STATE_DIR, TEMP_DIR, FFMPEG_PATH } = values;
  const writable = [STATE_DIR, TEMP_DIR].filter((path): path is string => !!path && isAbsolute(path));
  return {
    ...base,
    writable,
    readsHomes: [...wordsOf(base.program), FFMPEG_PATH ?? '', ...writable].some(isInHome),
    groups: groupsHere(['video', 'render']),
  };
}

/** What agent.env says; nothing for who may not read it: then nothing is installed either. */
function readableValues(file: string): Readonly<Record<string, string>> {
  try {
    accessSync(file, constants.R_OK);
  } catch {
    return {};
  }
  return readEnvFile(file).values;
}

function controlOnLinux(base: ServiceSpec): ServiceSpec {
  const home = controlHome();
  // A directory that was chosen stays where it is; the one of whoever typed this is nobody's but theirs.
  const stateDir = process.env.FLATRENDER_HOME ? home : base.paths.stateDir;
  const config = loadControlConfig({ directory: home });
  const { interface: device, directory, socket } = config.mesh;
  const hasMesh = existsSync(join(directory, `${device}.conf`));
  const store = config.store.replace(/^sqlite:/, '');
  const outside = [config.objects.path, ...(isAbsolute(store) ? [dirname(store)] : [])].filter(
    (path) => isAbsolute(path) && !`${path}/`.startsWith(`${home}/`),
  );
  const writable = [...(stateDir === base.paths.stateDir ? [] : [stateDir]), ...outside];
  return {
    ...base,
    paths: { ...base.paths, stateDir },
    hasTunnel: hasMesh,
    ...(hasMesh ? { mesh: { interface: device, directory, socket } } : {}),
    writable,
    readsHomes: [...wordsOf(base.program), ...writable].some(isInHome),
    ...(home === stateDir ? {} : { moveFrom: { directory: home, entries: entriesOf(home) } }),
  };
}

/** What of a state directory is the control plane's: not the login of this terminal, nor agents that ran here by hand. */
function entriesOf(home: string): string[] {
  const { clientConfig, agents, controlPid, controlUrl } = homePaths(home);
  const stays = new Set([clientConfig, agents, controlPid, controlUrl]);
  const isTheirs = (name: string): boolean => !stays.has(join(home, name)) && !/\.lock$/.test(name);
  return existsSync(home) ? readdirSync(home).filter(isTheirs).sort() : [];
}

/** SETUP_FAILED when a control plane that is to be moved would meet the files of another one: it would start with a mixture. */
export function requireFree({ paths, moveFrom }: Pick<ServiceSpec, 'paths' | 'moveFrom'>): void {
  const taken = moveFrom?.entries.map((name) => join(paths.stateDir, name)).find((path) => existsSync(path));
  if (taken === undefined) return;
  throw new FlatrenderError(
    'SETUP_FAILED',
    `${taken} is there already: the control plane in ${moveFrom?.directory} cannot be moved to ${paths.stateDir}`,
    { hint: `of a control plane before? Move away the one that is not wanted: ${paths.stateDir}` },
  );
}

function plansOf(spec: ServiceSpec, found: Found): ServicePlans {
  switch (spec.platform) {
    case 'linux':
      return systemdPlans(spec, found);
    case 'darwin':
      return launchdPlans(spec, found);
    case 'win32':
      return spec.isInteractive ? logonTaskPlans(spec, found) : windowsServicePlans(spec, found);
  }
}

/** Looks at this machine: only what a plan would change. */
async function look(spec: ServiceSpec, signal: AbortSignal): Promise<Found> {
  const ask = async ({ file, args }: Command) =>
    await run(file, args, { anyExitCode: true, timeoutMs: QUERY_MS, signal }).catch((error) => {
      if (signal.aborted) throw error;
      return { stdout: '', exitCode: -1 };
    });
  const fresh = plansOf(spec, {}).install;
  const files = Object.fromEntries(
    fresh.flatMap((step) =>
      step.kind === 'write' && existsSync(step.path) ? [[step.path, readFileSync(step.path, 'utf8')]] : [],
    ),
  );
  if (spec.platform === 'linux') {
    const units = fresh.flatMap((step) =>
      step.kind === 'run' && step.args[0] === 'enable' ? step.args.slice(1) : [],
    );
    const states = await ask({ file: 'systemctl', args: ['is-enabled', ...units] });
    const enabled = units.filter((_, index) => states.stdout.split('\n')[index]?.trim() === 'enabled');
    const user = await ask({ file: 'getent', args: ['passwd', serviceUser(spec.role)] });
    return { files, enabled, hasUser: user.exitCode === 0 };
  }
  if (spec.platform === 'win32' && !spec.isInteractive) {
    const { stdout, exitCode } = await ask(REGISTRY_QUERY);
    return exitCode === 0 ? { files, registered: readRegistryKey(stdout) } : { files };
  }
  return { files };
}

/** Where the kit puts the program on another system. */
function programOn(platform: ServicePlatform): Command {
  return platform === 'win32'
    ? { file: 'C:\\flatrender\\flatrender.exe', args: [] }
    : { file: '/opt/flatrender/bin/flatrender', args: [] };
}

function accountOf(platform: ServicePlatform): { readonly user: string; readonly uid?: number } {
  const { USERDOMAIN, USERNAME, SUDO_USER, SUDO_UID, USER } = process.env;
  if (platform === 'win32') return { user: USERDOMAIN ? `${USERDOMAIN}\\${USERNAME}` : (USERNAME ?? 'USER') };
  // On macOS it runs as who typed sudo: nobody else has that person's fonts and programs.
  return { user: SUDO_USER ?? USER ?? 'root', uid: Number(SUDO_UID ?? process.getuid?.() ?? 501) };
}

function groupsHere(names: readonly string[]): string[] {
  const text = existsSync('/etc/group') ? readFileSync('/etc/group', 'utf8') : '';
  return names.filter((name) => new RegExp(`^${name}:`, 'm').test(text));
}

function wordsOf({ file, args }: Command): string[] {
  return [file, ...args];
}

function isInHome(path: string): boolean {
  return /^\/(home|root|run\/user)\//.test(path);
}

/** The first directory above a file that other users may not enter; null: everybody gets there. Not for Windows. */
export function closedDirectory(file: string): string | null {
  let closed: string | null = null;
  for (let directory = dirname(file); ; directory = dirname(directory)) {
    if ((statSync(directory).mode & 0o001) === 0) closed = directory;
    if (directory === dirname(directory)) return closed;
  }
}
