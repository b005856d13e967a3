/**
 * The agent as a Windows service, through sc.exe. After Microsoft's "sc.exe create", "sc.exe config" and "sc.exe failure";
 * not all of it could be tried on a real Windows: Wine knows neither config nor failureflag.
 */
import { NODE_TUNNEL } from '../../config/machine-paths.ts';
import type { Command } from '../../lib/exec.ts';
import type { PlanStep, RunStep } from '../../lib/plan.ts';
import {
  type Found,
  NOT_INSTALLED,
  type RunState,
  type ServicePlans,
  type ServiceSpec,
  type ServiceState,
} from '../service-spec.ts';
import { systemProgram } from './system-program.ts';

const WINDOWS_SERVICE = 'FlatRenderNodeAgent';
const DISPLAY_NAME = 'FlatRender Node Agent';
const DESCRIPTION = 'Renders jobs of the FlatRender farm on this machine.';
/** Restarted 5 s after each failure (also after the third: the last action is repeated); counted anew after a day. */
const RESTARTS = 'restart/5000/restart/5000/restart/5000';
const FORGET_FAILURES_SECONDS = 86_400;
// Winerror.h
const ERROR_SERVICE_DOES_NOT_EXIST = 1060;
const ERROR_SERVICE_NOT_ACTIVE = 1062;
/** The service control manager does not answer at this moment: it is starting, or between two services (seen in Wine). */
const RPC_S_SERVER_UNAVAILABLE = 1722;
/** ERROR_INVALID_COMMAND_LINE: Wine 10's sc.exe has no such command; Windows answers 0. */
const NOT_IN_WINE = [1639];
/** LocalSystem and the administrators: names of accounts are translated, their numbers (SIDs) are not. */
const SYSTEM_AND_ADMINISTRATORS = ['*S-1-5-18:F', '*S-1-5-32-544:F'];

/** The plans for the Windows service. */
export function windowsServicePlans(spec: ServiceSpec, found: Found = {}): ServicePlans {
  const { paths, hasTunnel } = spec;
  const wanted = {
    binPath: commandLine(spec),
    depend: hasTunnel ? `WireGuardTunnel$${NODE_TUNNEL}` : '/',
  };
  const values = ['binPath=', wanted.binPath, 'start=', 'auto', 'DisplayName=', DISPLAY_NAME];
  return {
    manager: 'windows-service',
    name: WINDOWS_SERVICE,
    install: changes(found, wanted, values),
    secure: [
      {
        ...sc('have Windows restart it when it fails: three times after 5 s', [
          'failure',
          WINDOWS_SERVICE,
          'reset=',
          String(FORGET_FAILURES_SECONDS),
          'actions=',
          RESTARTS,
        ]),
      },
      {
        ...sc('count an exit with an error as a failure', ['failureflag', WINDOWS_SERVICE, '1']),
        allow: NOT_IN_WINE,
      },
      { kind: 'directory', path: paths.stateDir, what: 'make the directory of the state' },
      { kind: 'directory', path: paths.logDir, what: 'make the directory of the log' },
      {
        kind: 'run',
        file: systemProgram('icacls'),
        args: [paths.envFile, '/inheritance:r', '/grant:r', ...SYSTEM_AND_ADMINISTRATORS],
        what: 'let only administrators and the service read its settings',
      },
    ],
    uninstall: [
      {
        ...sc('remove the service', ['delete', WINDOWS_SERVICE]),
        allow: [ERROR_SERVICE_DOES_NOT_EXIST],
      },
    ],
    start: [scCommand(['start', WINDOWS_SERVICE])],
    stop: [scCommand(['stop', WINDOWS_SERVICE])],
  };
}

function changes(
  { registered }: Found,
  wanted: { readonly binPath: string; readonly depend: string },
  values: readonly string[],
): PlanStep[] {
  const describe = sc('describe it', ['description', WINDOWS_SERVICE, DESCRIPTION]);
  if (!registered) {
    const depend = wanted.depend === '/' ? [] : ['depend=', wanted.depend];
    const create = sc(`create the service ${WINDOWS_SERVICE}`, [
      'create',
      WINDOWS_SERVICE,
      ...values,
      ...depend,
    ]);
    return [{ ...create, undo: scCommand(['delete', WINDOWS_SERVICE]) }, describe];
  }
  const { ImagePath, Start, DisplayName, Description, DependOnService } = registered;
  const isSame =
    ImagePath === wanted.binPath &&
    Number(Start) === 2 &&
    DisplayName === DISPLAY_NAME &&
    (DependOnService ?? '/') === wanted.depend;
  const change = sc(`change the service ${WINDOWS_SERVICE}`, [
    'config',
    WINDOWS_SERVICE,
    ...values,
    // A slash alone: none (there is no way to leave an old one out).
    'depend=',
    wanted.depend,
  ]);
  const undo = scCommand([
    'config',
    WINDOWS_SERVICE,
    ...['binPath=', ImagePath ?? wanted.binPath, 'depend=', DependOnService ?? '/'],
  ]);
  return [...(isSame ? [] : [{ ...change, undo }]), ...(Description === DESCRIPTION ? [] : [describe])];
}

/** What Windows starts: quotes are part of it, or a path with spaces could mean another program. */
function commandLine({ program }: ServiceSpec): string {
  const words = [program.file, ...program.args].map((word) => `"${word}"`);
  return `${words.join(' ')} agent run --service`;
}

/** What tells the state, for {@link readServiceQuery}. Windows' "queryex" has the process id, which Wine does not know. */
export const SERVICE_QUERIES: readonly Command[] = [
  scCommand(['queryex', WINDOWS_SERVICE]),
  scCommand(['query', WINDOWS_SERVICE]),
];

/** dwCurrentState of SERVICE_STATUS (winsvc.h). */
const STATES: Readonly<Record<number, RunState>> = {
  1: 'stopped',
  2: 'starting',
  3: 'stopping',
  4: 'running',
};

/**
 * Reads `sc query` and `sc queryex` by the order of their numbers: their words are translated. TYPE, STATE, exit code,
 * the service's own exit code, check point, wait hint, and with queryex the process id. null: this is no answer.
 */
export function readServiceQuery(text: string, exitCode: number): ServiceState | null {
  if (exitCode === ERROR_SERVICE_DOES_NOT_EXIST) return NOT_INSTALLED;
  const numbers = [...text.matchAll(/^\s+\S[^:\r\n]*: +(?:0x)?([\da-f]+)\b/gim)].map(
    (match) => match[1] ?? '',
  );
  const [, state, win32Exit, ownExit, , , pid] = numbers;
  const known = STATES[Number(state)];
  if (exitCode !== 0 || known === undefined) return null;
  const exit = Number(win32Exit) === 1066 ? `exit code ${ownExit}` : `Windows error ${win32Exit}`;
  // ERROR_SERVICE_NEVER_STARTED and 0 are no failures.
  const isFailed = known === 'stopped' && !['0', '1077', undefined].includes(win32Exit);
  return {
    state: isFailed ? 'failed' : known,
    pid: Number(pid) || null,
    since: null,
    lastExit: isFailed ? exit : null,
  };
}

/** What tells how the service is set up, for {@link readRegistryKey}: names of values are not translated, `sc qc` is. */
export const REGISTRY_QUERY: Command = {
  file: systemProgram('reg'),
  args: ['query', `HKLM\\SYSTEM\\CurrentControlSet\\Services\\${WINDOWS_SERVICE}`],
};

/** Reads the values of one key as `reg query` shows them: name, type and data in columns. */
export function readRegistryKey(text: string): Readonly<Record<string, string>> {
  const lines = [...text.matchAll(/^ {4}(\S.*?) {4}REG_(\w+) {4}(.*?)\r?$/gm)];
  return Object.fromEntries(
    lines.map(([, name = '', type, data = '']) => [
      name,
      // Items of a list are separated by \0, written out.
      type === 'MULTI_SZ' ? data.replace(/(\\0)+$/, '').replaceAll('\\0', '/') : data,
    ]),
  );
}

/** Exit codes of `sc start` and `sc stop` that mean: it is like that already. */
export const ALREADY_CODES: readonly number[] = [1056, ERROR_SERVICE_NOT_ACTIVE];

function scCommand(args: readonly string[]): Command {
  return { file: systemProgram('sc'), args };
}

function sc(what: string, args: readonly string[]): RunStep {
  return { kind: 'run', what, ...scCommand(args), again: [RPC_S_SERVER_UNAVAILABLE] };
}
