/** What a service leaves on a machine, removed for good. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, posix, win32 } from 'node:path';
import { controlHome } from '../config/home.ts';
import { type MachinePaths, NODE_TUNNEL, thisPlatform } from '../config/machine-paths.ts';
import { run } from '../lib/exec.ts';
import { type PlanStep, runPlan } from '../lib/plan.ts';
import { type ServiceRole, serviceUser } from '../service/service-spec.ts';
import { serviceSpec } from './service-plans.ts';
import type { InstallOptions } from './services.ts';
import { planTunnelDown } from './tunnel-plan.ts';
import { askTunnel, tunnelSystem } from './tunnel-system.ts';
import { formerProgram } from './update-program.ts';

const CACHE = '/var/cache/flatrender';

/** Removes settings, secrets and state of a role whose service is gone; of a node the tunnel too, of a farm its mesh not. */
export async function purgeService(
  role: ServiceRole,
  { signal, onStep = () => {} }: Pick<InstallOptions, 'signal' | 'onStep'>,
): Promise<void> {
  const { paths, platform } = serviceSpec({ role, signal });
  const steps = role === 'control' ? [remove(controlHome())] : besides(paths.envFile).map(remove);
  const tunnel = tunnelSystem(platform, paths.tunnelFile);
  const hasTunnel =
    role === 'agent' && (existsSync(paths.tunnelFile) || (await askTunnel(tunnel, signal)) !== null);
  const more =
    platform === 'linux'
      ? [`${CACHE}/${role}`, ...(role === 'control' ? [`${CACHE}-mesh`] : [])]
      : [paths.logDir];
  const former = formerProgram();
  const plan = [
    ...(hasTunnel ? planTunnelDown(tunnel) : []),
    ...steps,
    ...[...(role === 'agent' ? [paths.stateDir] : []), ...more, ...(former === null ? [] : [former])].map(
      remove,
    ),
  ];
  await runPlan(plan, { signal, onStep });
  if (platform === 'linux') await runPlan(await lastSteps(role, paths, signal), { signal, onStep });
}

/** The user of the role; and what both roles share on Linux, once the other one is not there either. */
async function lastSteps(role: ServiceRole, paths: MachinePaths, signal: AbortSignal): Promise<PlanStep[]> {
  const name = serviceUser(role);
  const { exitCode } = await run('getent', ['passwd', name], { anyExitCode: true, signal });
  const user: PlanStep = { kind: 'run', file: 'userdel', args: [name], what: `remove the user ${name}` };
  const empty = [dirname(paths.envFile), dirname(paths.stateDir), CACHE].filter(isEmpty);
  return [...empty.map(remove), ...(exitCode === 0 ? [user] : [])];
}

function remove(path: string): PlanStep {
  return { kind: 'remove', path, recursive: true, what: `remove ${path}` };
}

/** Settings, keys and the record of joining; on Windows the program is in the same directory and stays. */
function besides(envFile: string): string[] {
  const path = thisPlatform() === 'win32' ? win32 : posix;
  const names = ['agent.env', 'joined.json', `${NODE_TUNNEL}.key`, `${NODE_TUNNEL}.invitation.key`];
  return names.map((name) => path.join(path.dirname(envFile), name));
}

function isEmpty(directory: string): boolean {
  return existsSync(directory) && readdirSync(directory).length === 0;
}
