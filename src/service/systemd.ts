/** systemd: hardened units of the agent, the control plane and the mesh's helper. */
import { posix } from 'node:path';
import { NODE_TUNNEL } from '../config/machine-paths.ts';
import type { PlanStep, RunStep } from '../lib/plan.ts';
import {
  type Found,
  NOT_INSTALLED,
  type RunState,
  type ServicePlans,
  type ServiceSpec,
  type ServiceState,
  STOP_SECONDS,
  serviceUser,
} from './service-spec.ts';
import { unitText } from './unit-text.ts';

const UNIT_DIRECTORY = '/etc/systemd/system';
const MESH_SOCKET = 'flatrender-mesh.socket';
/** Handing back takes up to 10 s after the grace; then systemd ends what is left. */
const KILL_SECONDS = STOP_SECONDS + 20;

const CONFIG = 'flatrender.yaml';
const MOVE: readonly string[] = ['--no-clobber', '--no-target-directory', '--'];

/** The plans for systemd. */
export function systemdPlans(spec: ServiceSpec, found: Found = {}): ServicePlans {
  const name = `flatrender-${spec.role}`;
  const units = unitsOf(spec);
  const enabled = spec.mesh ? [`${name}.service`, MESH_SOCKET] : [`${name}.service`];
  const changed = units.filter(([file, text]) => found.files?.[posix.join(UNIT_DIRECTORY, file)] !== text);
  const notEnabled = enabled.filter((unit) => !found.enabled?.includes(unit));
  return {
    manager: 'systemd',
    name,
    install: [
      ...(found.hasUser ? [] : [makeUser(spec)]),
      ...moveSteps(spec),
      ...changed.map(([file, text]): PlanStep => {
        const path = posix.join(UNIT_DIRECTORY, file);
        return { kind: 'write', path, text, mode: 0o644, what: `write the unit ${file}` };
      }),
      ...(changed.length > 0 ? [systemctl('have systemd read its units', ['daemon-reload'])] : []),
      ...(notEnabled.length > 0 ? [enableStep(notEnabled)] : []),
      ...(notEnabled.includes(MESH_SOCKET) ? [listenStep()] : []),
    ],
    secure: ownerSteps(spec),
    uninstall: [
      { ...systemctl(`stop ${name} and start it no more`, ['disable', '--now', ...enabled]), allow: [1, 5] },
      ...units.map(([file]): PlanStep => {
        const path = posix.join(UNIT_DIRECTORY, file);
        return { kind: 'remove', path, what: `remove the unit ${file}` };
      }),
      systemctl('have systemd forget the units', ['daemon-reload']),
      { ...systemctl('forget how it ended', ['reset-failed', `${name}.service`]), allow: [1, 5] },
    ],
    // A unit that failed too often does not start before that is forgotten; "restart" also starts.
    start: [{ file: 'systemctl', args: ['restart', '--no-block', `${name}.service`] }],
    stop: [{ file: 'systemctl', args: ['stop', '--no-block', `${name}.service`] }],
  };
}

/** What tells the state of a unit, for {@link readSystemdState}. */
export function systemdQuery(name: string): readonly string[] {
  const properties = [
    'LoadState',
    'ActiveState',
    'MainPID',
    'ActiveEnterTimestamp',
    'Result',
    'ExecMainStatus',
    'ExecMainCode',
    'NRestarts',
  ];
  return ['show', `${name}.service`, '--timestamp=unix', `--property=${properties.join(',')}`];
}

const STATES: Readonly<Record<string, RunState>> = {
  active: 'running',
  reloading: 'running',
  activating: 'starting',
  deactivating: 'stopping',
  failed: 'failed',
};

/** Reads `systemctl show` (org.freedesktop.systemd1(5)). */
export function readSystemdState(text: string): ServiceState {
  const value = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  if (value('LoadState') === 'not-found') return NOT_INSTALLED;
  const active = value('ActiveState');
  // A unit that waits for RestartSec= is "activating": it has just failed.
  const state = STATES[active] ?? 'stopped';
  const since = /^@(\d+)/.exec(value('ActiveEnterTimestamp'))?.[1];
  const isUp = state === 'running';
  return {
    state,
    pid: Number(value('MainPID')) || null,
    since: isUp && since !== undefined ? Number(since) * 1000 : null,
    lastExit: lastExitOf(value('Result'), value('ExecMainCode'), value('ExecMainStatus'), value('NRestarts')),
  };
}

function lastExitOf(result: string, code: string, status: string, restarts: string): string | null {
  const again = Number(restarts) > 0 ? `, restarted ${restarts} times` : '';
  if (result === 'success' || result === '') return again === '' ? null : `failed before${again}`;
  // waitid(2): CLD_EXITED is 1, a signal is anything else.
  const how = code === '1' ? `exit code ${status}` : `signal ${status}`;
  return `${result} (${how})${again}`;
}

function makeUser({ role, paths }: ServiceSpec): RunStep {
  return {
    kind: 'run',
    what: `make a user of its own for the service: ${serviceUser(role)}`,
    file: 'useradd',
    args: [
      '--system',
      '--user-group',
      '--no-create-home',
      '--home-dir',
      posix.dirname(paths.stateDir),
      '--shell',
      '/usr/sbin/nologin',
      serviceUser(role),
    ],
    undo: { file: 'userdel', args: [serviceUser(role)] },
  };
}

function moveSteps({ paths, moveFrom }: ServiceSpec): PlanStep[] {
  if (!moveFrom) return [];
  const { directory, entries } = moveFrom;
  return [
    { kind: 'directory', path: paths.stateDir, mode: 0o700, what: 'make the directory of the state' },
    // Its configuration last: where that is, a move that was interrupted goes on from.
    ...[...entries]
      .sort((a, b) => Number(a === CONFIG) - Number(b === CONFIG))
      .map(
        (entry): PlanStep => ({
          kind: 'run',
          what: `move ${entry} to where the service has it`,
          file: 'mv',
          // Neither over nor into what is there already, in both directions.
          args: [...MOVE, posix.join(directory, entry), posix.join(paths.stateDir, entry)],
          undo: {
            file: 'mv',
            args: [...MOVE, posix.join(paths.stateDir, entry), posix.join(directory, entry)],
          },
          // Outputs may be on another disk.
          timeoutMs: 3_600_000,
        }),
      ),
  ];
}

function ownerSteps({ role, paths }: ServiceSpec): PlanStep[] {
  if (role === 'control') {
    const args = ['--recursive', `${serviceUser(role)}:${serviceUser(role)}`, paths.stateDir];
    return [{ kind: 'run', file: 'chown', args, what: 'give the state to the service' }];
  }
  const { envFile } = paths;
  return [
    {
      kind: 'run',
      file: 'chown',
      args: [`root:${serviceUser(role)}`, envFile],
      what: 'let the service read its settings',
    },
    { kind: 'run', file: 'chmod', args: ['0640', envFile], what: 'let nobody else read the secret in them' },
  ];
}

function enableStep(units: readonly string[]): RunStep {
  return {
    ...systemctl(`start ${units.join(' and ')} at every boot`, ['enable', ...units]),
    undo: { file: 'systemctl', args: ['disable', ...units] },
  };
}

function listenStep(): RunStep {
  return {
    ...systemctl('let the control plane change the mesh', ['start', MESH_SOCKET]),
    undo: { file: 'systemctl', args: ['stop', MESH_SOCKET] },
  };
}

function unitsOf(spec: ServiceSpec): [string, string][] {
  const { role, paths, program, hasTunnel, mesh } = spec;
  const tunnel = role === 'agent' ? `wg-quick@${NODE_TUNNEL}.service` : `wg-quick@${mesh?.interface}.service`;
  const values = {
    program: [program.file, ...program.args].map((word) => systemdWord(word)).join(' '),
    user: serviceUser(role),
    envFile: systemdWord(`AGENT_ENV_FILE=${paths.envFile}`, false),
    home: systemdWord(`FLATRENDER_HOME=${paths.stateDir}`, false),
    stopSeconds: STOP_SECONDS,
    killSeconds: KILL_SECONDS,
    after: hasTunnel && (role === 'agent' || mesh) ? ` ${tunnel}` : '',
    protectHome: spec.readsHomes ? 'read-only' : 'yes',
    // "-": a disk that is not there does not keep the service from starting.
    writable: lineOf(
      'ReadWritePaths=',
      spec.writable?.map((path) => systemdWord(`-${path}`, false)),
    ),
    groups: lineOf('SupplementaryGroups=', spec.groups),
    meshFlags: mesh ? ` --interface ${mesh.interface} --directory ${systemdWord(mesh.directory)}` : '',
    meshDirectory: systemdWord(mesh?.directory ?? '/etc/wireguard', false),
    meshSocket: mesh?.socket ?? '',
  };
  const files = [`flatrender-${role}.service`, ...(mesh ? [MESH_SOCKET, 'flatrender-mesh@.service'] : [])];
  return files.map((file) => [file, unitText(file, values)]);
}

function lineOf(key: string, values: readonly string[] = []): string {
  return values.length === 0 ? '' : `${key}${values.join(' ')}`;
}

/** A word of a unit's line (systemd.syntax(7)), literally: quoted where it has spaces; in a command `$` is doubled too. */
function systemdWord(word: string, isCommand = true): string {
  const literal = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%');
  const safe = isCommand ? literal.replaceAll('$', '$$$$') : literal;
  return /^[\w@+=:,./%$-]+$/.test(safe) ? safe : `"${safe}"`;
}

function systemctl(what: string, args: readonly string[]): RunStep {
  return { kind: 'run', file: 'systemctl', args, what };
}
