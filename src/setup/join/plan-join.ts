/** What joining would do to a machine, for people to read. */
import type { PlanStep } from '../../lib/plan.ts';
import { agentEnvSteps, directorySteps, recordSteps } from './agent-env-steps.ts';
import type { JoinMachine } from './join-machine.ts';
import type { JoinOptions } from './join-node.ts';
import { forgetKeyStep, JoinTunnel } from './join-tunnel.ts';
import { planOwnKey } from './own-key.ts';

/** Every step on a machine that is no node yet. The requests to the control plane in between are not steps. */
export async function planJoin(
  machine: JoinMachine,
  { invitation, settings }: Pick<JoinOptions, 'invitation' | 'settings'>,
): Promise<readonly PlanStep[]> {
  const { paths, platform } = machine;
  const { keys, steps } = planOwnKey(paths.keyFile, platform);
  const { node, url, mesh } = invitation;
  const tunnel = mesh === null ? null : new JoinTunnel(machine, mesh, keys, null);
  const credentials = { NODE_ID: node, NODE_HMAC_SECRET: '', ORCHESTRATOR_URL: url };
  return [
    ...directorySteps(machine),
    ...steps,
    ...(tunnel?.planOpen('temporary') ?? []),
    ...agentEnvSteps(machine, { ...credentials, ...settings }),
    ...recordSteps(machine, invitation, keys.publicKey),
    ...(tunnel ? [...tunnel.planSettle(), forgetKeyStep(paths)] : []),
    ...((await machine.service?.plan()) ?? []),
  ];
}
