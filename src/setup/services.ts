/** Services of this machine: installing, starting, stopping, removing, and how they are. */

import { existsSync } from 'node:fs';
import { thisPlatform } from '../config/machine-paths.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { run, selfCommand } from '../lib/exec.ts';
import { type PlanStep, type RunStep, runPlan, type StepResult } from '../lib/plan.ts';
import {
  NOT_INSTALLED,
  type ServicePlans,
  type ServiceRole,
  type ServiceState,
} from '../service/service-spec.ts';
import { isElevated } from '../service/windows/elevation.ts';
import {
  closedDirectory,
  planService,
  requireFree,
  type ServiceRequest,
  serviceSpec,
} from './service-plans.ts';
import { notElevated, queryService, startPlanned, stopPlanned, topicOf } from './service-run.ts';

export interface InstallOptions {
  readonly signal: AbortSignal;
  /** Each step as it is over. */
  readonly onStep?: (result: StepResult) => void;
  /** Start it, or restart it when something changed. Default true. */
  readonly start?: boolean;
}

export interface Installed {
  readonly result: 'installed' | 'updated' | 'already';
  readonly name: string;
  readonly manager: ServicePlans['manager'];
  readonly state: ServiceState;
}

const RELOAD_MS = 30_000;

/**
 * Installs or updates a service in place and starts it. Harmless when repeated: "already". What a step that fails did before
 * is taken back. CONFIG_MISSING without settings, ELEVATION_NEEDED, SERVICE_UNSUPPORTED, SERVICE_FAILED (it is installed but
 * does not start).
 */
export async function installService(
  request: Omit<ServiceRequest, 'signal'>,
  options: InstallOptions,
): Promise<Installed> {
  const { signal, onStep = () => {}, start = true } = options;
  const asked = { ...request, signal };
  requireManager(request.role);
  requireSettings(asked);
  const plans = await planService(asked);
  requireReachable(asked);
  const before = await queryService(plans, signal);
  await removeOther(asked, signal, onStep);
  const isChanged = plans.install.length > 0;
  // What is only made sure of once more is no news.
  const tell = isChanged ? { onStep } : {};
  await runPlan([...plans.install, ...plans.secure], { signal, ...tell }).catch((error) =>
    failedPlan(error, plans),
  );
  const isNew = before.state === 'not-installed';
  const result = isNew ? 'installed' : isChanged ? 'updated' : 'already';
  const { name, manager } = plans;
  if (!start || (before.state === 'running' && !isChanged)) {
    return { result, name, manager, state: await queryService(plans, signal) };
  }
  if (before.state === 'running') await stopPlanned(plans, signal);
  return { result, name, manager, state: await startPlanned(plans, request.role, signal) };
}

/** What {@link installService} would do on this or another system, for people to read. */
export async function planInstall(request: ServiceRequest): Promise<readonly PlanStep[]> {
  const { install, secure, start, manager } = await planService(request);
  const starts = start.map((each): RunStep => ({ kind: 'run', ...each, what: `start it (${manager})` }));
  return install.length === 0 ? [] : [...install, ...secure, ...starts];
}

/** The service as it is installed here, whichever manager has it, and its state. */
export async function findService(
  role: ServiceRole,
  signal: AbortSignal,
): Promise<{ readonly plans: ServicePlans; readonly state: ServiceState; readonly isInteractive: boolean }> {
  const kinds = thisPlatform() === 'linux' ? [false] : [false, true];
  let first: ServicePlans | undefined;
  for (const isInteractive of kinds) {
    const plans = await planService({ role, isInteractive, signal });
    first ??= plans;
    const state = await queryService(plans, signal);
    if (state.state !== 'not-installed') return { plans, state, isInteractive };
  }
  return {
    plans: first ?? (await planService({ role, signal })),
    state: NOT_INSTALLED,
    isInteractive: false,
  };
}

/** State of the service of this role. */
export async function serviceStatus(
  role: ServiceRole,
  signal: AbortSignal,
): Promise<ServiceState & { readonly name: string; readonly manager: ServicePlans['manager'] }> {
  const { plans, state } = await findService(role, signal);
  return { name: plans.name, manager: plans.manager, ...state };
}

/** State of the control plane's service, whatever its configuration is like. */
export async function controlServiceState(signal: AbortSignal): Promise<ServiceState> {
  if (thisPlatform() !== 'linux' || !existsSync('/run/systemd/system')) return NOT_INSTALLED;
  return await queryService({ manager: 'systemd', name: 'flatrender-control' }, signal);
}

/** Starts the service and waits until it runs. SERVICE_NOT_INSTALLED; SERVICE_FAILED with its last lines. */
export async function startService(
  role: ServiceRole,
  signal: AbortSignal,
): Promise<ServiceState & { readonly already: boolean }> {
  const { plans, state } = await requireService(role, signal);
  if (state.state === 'running') return { ...state, already: true };
  return { ...(await startPlanned(plans, role, signal)), already: false };
}

/** Stops the service and waits until it has ended; what it renders is handed back to the farm. */
export async function stopService(
  role: ServiceRole,
  signal: AbortSignal,
): Promise<ServiceState & { readonly already: boolean }> {
  const { plans, state } = await requireService(role, signal);
  if (!['running', 'starting', 'stopping'].includes(state.state)) return { ...state, already: true };
  return { ...(await stopPlanned(plans, signal)), already: false };
}

/** Stops, if it runs, and starts. */
export async function restartService(role: ServiceRole, signal: AbortSignal): Promise<ServiceState> {
  const { plans } = await requireService(role, signal);
  await stopPlanned(plans, signal);
  return await startPlanned(plans, role, signal);
}

/** Stops and removes the service; settings and state stay. False: there was none. */
export async function uninstallService(
  role: ServiceRole,
  options: Pick<InstallOptions, 'signal' | 'onStep'>,
): Promise<boolean> {
  requireManager(role);
  const { signal, onStep = () => {} } = options;
  const { plans, state } = await findService(role, signal);
  if (state.state === 'not-installed') return false;
  await stopPlanned(plans, signal);
  await runPlan(plans.uninstall, { signal, onStep }).catch((error) => failedPlan(error, plans));
  return true;
}

async function requireService(role: ServiceRole, signal: AbortSignal) {
  requireManager(role);
  const found = await findService(role, signal);
  if (found.state.state !== 'not-installed') return found;
  throw new FlatrenderError('SERVICE_NOT_INSTALLED', `the service ${found.plans.name} is not installed`, {
    hint: `flatrender ${topicOf(role)} install`,
  });
}

/** ELEVATION_NEEDED, or SERVICE_UNSUPPORTED without a service manager: said before anything is changed. */
export function requireManager(role: ServiceRole): void {
  if (thisPlatform() === 'linux' && !existsSync('/run/systemd/system')) {
    throw new FlatrenderError(
      'SERVICE_UNSUPPORTED',
      'systemd does not run here: nothing keeps a service running',
      {
        hint: `let your container or supervisor run: flatrender ${role} run`,
      },
    );
  }
  const may = process.platform === 'win32' ? isElevated() : process.geteuid?.() === 0;
  if (may === false) throw notElevated();
}

/** CONFIG_MISSING: a service without settings would only fail again and again. */
function requireSettings(request: ServiceRequest): void {
  const spec = serviceSpec(request);
  const { paths, moveFrom, role } = spec;
  requireFree(spec);
  if (role === 'agent') {
    if (existsSync(paths.envFile)) return;
    throw new FlatrenderError('CONFIG_MISSING', `there is no ${paths.envFile}: this machine is no node yet`, {
      hint:
        'with an invitation: flatrender node join FILE; without: "flatrender node add NAME --agent-env agent.env" on the ' +
        `control plane, and copy that file to ${paths.envFile}`,
    });
  }
  if (moveFrom?.entries.includes('flatrender.yaml') || existsSync(`${paths.stateDir}/flatrender.yaml`))
    return;
  throw new FlatrenderError('CONFIG_MISSING', 'no control plane was set up on this machine', {
    hint: 'flatrender control init --mesh',
  });
}

/** SERVICE_UNSUPPORTED when the service's own user could not read the program. */
export function requireReachable({ role }: ServiceRequest): void {
  if (thisPlatform() !== 'linux') return;
  const { file, args } = selfCommand([]);
  for (const path of [file, ...args].filter((word) => word.startsWith('/'))) {
    const closed = closedDirectory(path);
    if (closed === null) continue;
    throw new FlatrenderError(
      'SERVICE_UNSUPPORTED',
      `the service's user cannot read ${path}: ${closed} is closed`,
      {
        hint: `put flatrender where everybody may read it, such as /opt/flatrender, and run its "${topicOf(role)} install"`,
      },
    );
  }
}

/** The agent is a service or a task, not both: they would wait for each other's lock. */
async function removeOther(
  { role, isInteractive = false }: ServiceRequest,
  signal: AbortSignal,
  onStep: (result: StepResult) => void,
): Promise<void> {
  if (thisPlatform() === 'linux') return;
  const other = await planService({ role, isInteractive: !isInteractive, signal });
  if ((await queryService(other, signal)).state === 'not-installed') return;
  await stopPlanned(other, signal);
  await runPlan(other.uninstall, { signal, onStep }).catch((error) => failedPlan(error, other));
}

async function failedPlan(error: unknown, { manager }: ServicePlans): Promise<never> {
  // The files are as before again; systemd has read the others.
  if (manager === 'systemd') {
    await run('systemctl', ['daemon-reload'], { anyExitCode: true, timeoutMs: RELOAD_MS }).catch(
      () => undefined,
    );
  }
  if (error instanceof FlatrenderError && /exit code 5\b/.test(error.message) && thisPlatform() === 'win32') {
    throw notElevated();
  }
  throw error;
}
