/** The manual way: this machine's own key, and a tunnel with what `wg add-peer` said on the control plane. */
import { runPlan, type StepResult } from '../lib/plan.ts';
import { requirePublicKey } from '../mesh/keys.ts';
import { renderNodeConfig } from '../mesh/templates.ts';
import { checkTunnelFile } from './join/check-machine.ts';
import type { JoinPaths } from './join/join-machine.ts';
import { planOwnKey } from './join/own-key.ts';
import { planTunnelUp, type TunnelSystem } from './tunnel-plan.ts';
import { askTunnel, readTunnelFile, requireWireGuard } from './tunnel-system.ts';

/** What the other end is. */
export interface TunnelByHand {
  /** `HOST:PORT` of the control plane. */
  readonly endpoint: string;
  readonly serverKey: string;
  /** The control plane in the mesh. */
  readonly serverAddress: string;
  /** This machine in the mesh. */
  readonly address: string;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  readonly onStep: (result: StepResult) => void;
}

/** Makes the key unless there is one; nothing else. */
export async function makeOwnKey(
  { keyFile }: JoinPaths,
  { platform }: TunnelSystem,
  options: RunOptions,
): Promise<{
  readonly publicKey: string;
  readonly privateKey: string;
  readonly result: 'created' | 'already';
}> {
  const { keys, isNew, steps } = planOwnKey(keyFile, platform);
  await runPlan(steps, options);
  return { ...keys, result: isNew ? 'created' : 'already' };
}

/** Writes wg-flatrender.conf with the own key and brings it up. False: it is up like this. MESH_INVALID, PROGRAM_MISSING. */
export async function setUpTunnel(
  system: TunnelSystem,
  privateKey: string,
  { endpoint, serverKey, serverAddress, address }: TunnelByHand,
  options: RunOptions,
): Promise<boolean> {
  const serverPublicKey = requirePublicKey(serverKey, '--server-key');
  const text = renderNodeConfig({ privateKey, address, serverPublicKey, endpoint, serverAddress });
  requireWireGuard(system);
  const running = await askTunnel(system, options.signal);
  checkTunnelFile(system, serverPublicKey, running);
  if (running && readTunnelFile(system.file)?.text === text) return false;
  await runPlan(planTunnelUp(system, text, running !== null), options);
  return true;
}
