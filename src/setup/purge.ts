/** What a service leaves on a machine, removed for good. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, posix, win32 } from 'node:path';
import { controlHome } from '../config/home.ts';
import { NODE_TUNNEL } from '../config/machine-paths.ts';
import { type PlanStep, runPlan } from '../lib/plan.ts';
import type { ServiceRole } from '../service/service-spec.ts';
import { serviceSpec, thisPlatform } from './service-plans.ts';
import type { InstallOptions } from './services.ts';
import { planTunnelDown } from './tunnel-plan.ts';
import { askTunnel, tunnelSystem } from './tunnel-system.ts';

/** Removes settings, secrets and state of a role whose service is gone; of a node the tunnel too, of a farm its mesh not. */
export async function purgeService(
  role: ServiceRole,
  { signal, onStep = () => {} }: Pick<InstallOptions, 'signal' | 'onStep'>,
): Promise<void> {
  const { paths, platform } = serviceSpec({ role, signal });
  const remove = (path: string): PlanStep => ({
    kind: 'remove',
    path,
    recursive: true,
    what: `remove ${path}`,
  });
  if (role === 'control') {
    await runPlan([remove(controlHome())], { signal, onStep });
    return;
  }
  const tunnel = tunnelSystem(platform, paths.tunnelFile);
  const isTunnel = existsSync(paths.tunnelFile) || (await askTunnel(tunnel, signal)) !== null;
  const beside = besides(paths.envFile).map(remove);
  await runPlan(
    [
      ...(isTunnel ? planTunnelDown(tunnel) : []),
      ...beside,
      remove(paths.stateDir),
      ...logSteps(paths, remove),
    ],
    { signal, onStep },
  );
}

/** Settings, keys and the record of joining; on Windows the program is in the same directory and stays. */
function besides(envFile: string): string[] {
  const path = thisPlatform() === 'win32' ? win32 : posix;
  const directory = path.dirname(envFile);
  const names = ['agent.env', 'joined.json', `${NODE_TUNNEL}.key`, `${NODE_TUNNEL}.invitation.key`];
  return names.map((name) => path.join(directory, name));
}

/** The log of an agent. On Linux the journal has it, and the directories of systemd belong to both roles. */
function logSteps(
  { stateDir, logDir }: { readonly stateDir: string; readonly logDir: string },
  remove: (path: string) => PlanStep,
): PlanStep[] {
  if (thisPlatform() !== 'linux') return [remove(logDir)];
  // Another role's state is in its own directory beside it.
  const parent = dirname(stateDir);
  const isLast = !existsSync(parent) || readdirSync(parent).every((name) => name === 'agent');
  return [remove('/var/cache/flatrender/agent'), ...(isLast ? [remove(logDir)] : [])];
}
