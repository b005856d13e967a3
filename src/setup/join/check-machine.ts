/** Everything that can be known to fail, before anything is changed. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { NODE_TUNNEL } from '../../config/machine-paths.ts';
import { parseEnvFile } from '../../lib/env-file.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { Invitation, InvitationMesh } from '../../protocol/enrolment.ts';
import { CLOCK_TOLERANCE_SECONDS } from '../../protocol/signatures.ts';
import type { TunnelSystem } from '../tunnel-plan.ts';
import { type RunningTunnel, readTunnelFile } from '../tunnel-system.ts';
import type { Credentials, JoinMachine } from './join-machine.ts';
import { invitationMark, readJoinRecord } from './join-record.ts';

/** What was found. */
export interface Checked {
  readonly warnings: readonly string[];
  /** This invitation was used here before; null: not yet. */
  readonly joined: Credentials | null;
  readonly running: RunningTunnel | null;
}

/** Room for templates and for one render's pictures; the agent itself keeps MIN_FREE_GB. */
const LITTLE_SPACE = 5e9;
const PLACEHOLDER = 'paste-the-secret-of-this-node-here';

/** Refuses what cannot work, with what to do about it. */
export async function checkMachine(
  machine: JoinMachine,
  invitation: Invitation,
  signal: AbortSignal,
): Promise<Checked> {
  const { mesh } = invitation;
  checkElevation(machine, invitation);
  const joined = readJoined(machine, invitation);
  const warnings = joined ? [] : checkExpiry(invitation, machine.clock.now());
  machine.service?.check();
  if (mesh === null) return { warnings: [...warnings, ...(await checkDisk(machine))], joined, running: null };
  machine.requireWireGuard();
  const running = await machine.askTunnel(signal);
  checkTunnelFile(machine.tunnel, mesh.serverPublicKey, running);
  checkAddresses(machine, invitation.node, mesh);
  if (!joined) await checkEndpointName(machine, mesh);
  return { warnings: [...warnings, ...(await checkDisk(machine))], joined, running };
}

/** The node that this machine is already; null: none. CONFIG_INVALID when its agent.env cannot be read. */
export function readCredentials(envFile: string): Credentials | null {
  if (!existsSync(envFile)) return null;
  let text: string;
  try {
    text = readFileSync(envFile, 'utf8');
  } catch (cause) {
    throw new FlatrenderError('ELEVATION_NEEDED', `${envFile} cannot be read: ${(cause as Error).message}`, {
      cause,
      hint: 'run as administrator (Windows) or with sudo',
    });
  }
  const { NODE_ID, NODE_HMAC_SECRET, ORCHESTRATOR_URL = '' } = parseEnvFile(text, envFile).values;
  if (!NODE_ID || !NODE_HMAC_SECRET || NODE_HMAC_SECRET === PLACEHOLDER) return null;
  return { nodeId: NODE_ID, secret: NODE_HMAC_SECRET, url: ORCHESTRATOR_URL };
}

function checkElevation({ isElevated, service, elevatedCommand }: JoinMachine, { mesh }: Invitation): void {
  if (isElevated !== false || (mesh === null && service === null)) return;
  const what = mesh === null ? 'install the service' : 'bring the tunnel up';
  throw new FlatrenderError('ELEVATION_NEEDED', `only an administrator may ${what}`, {
    hint: elevatedCommand,
  });
}

function readJoined({ paths }: JoinMachine, invitation: Invitation): Credentials | null {
  const known = readCredentials(paths.envFile);
  if (known === null) return null;
  if (known.nodeId !== invitation.node) {
    throw new FlatrenderError(
      'NODE_EXISTS',
      `this machine is node ${known.nodeId} already (${paths.envFile}); the invitation is for ${invitation.node}`,
      {
        hint: `to make it ${invitation.node}, first take away what it is: flatrender node uninstall --purge`,
      },
    );
  }
  const record = readJoinRecord(paths.recordFile);
  return record?.invitation === invitationMark(invitation) ? known : null;
}

function checkExpiry({ node, expiresAt }: Invitation, now: number): string[] {
  const overMs = now - Date.parse(expiresAt);
  if (overMs <= 0) return [];
  const clock = `this machine’s clock says ${new Date(now).toISOString()}`;
  if (overMs <= CLOCK_TOLERANCE_SECONDS * 1000) {
    return [`the invitation expired at ${expiresAt}, and ${clock}: it is tried, in case the clock is wrong`];
  }
  // Were the clock wrong by that much, nothing signed with it would be taken either.
  throw new FlatrenderError('INVITATION_EXPIRED', `the invitation expired at ${expiresAt}; ${clock}`, {
    hint: `is the clock right? Then, on the control plane: flatrender node invite ${node}`,
  });
}

/** Refuses a wg-flatrender that leads elsewhere: MESH_INVALID names the file, or the interface that came from nowhere. */
export function checkTunnelFile(
  { file, platform }: TunnelSystem,
  serverPublicKey: string,
  running: RunningTunnel | null,
): void {
  const found = readTunnelFile(file);
  if (found && found.peerKey !== serverPublicKey) {
    const peer = found.peerKey ?? 'missing';
    const message = `${file} belongs to another tunnel: its peer is ${peer}, this farm’s is ${serverPublicKey}`;
    throw new FlatrenderError('MESH_INVALID', message, {
      hint: 'of a farm that this machine has left? Then: flatrender node uninstall --purge; else give that tunnel another name',
    });
  }
  if (!found && running) {
    const remove = platform === 'linux' ? `ip link delete ${NODE_TUNNEL}` : 'take that tunnel down';
    throw new FlatrenderError('MESH_INVALID', `an interface ${NODE_TUNNEL} is up, but not from ${file}`, {
      hint: `who brought it up? It has to go first: ${remove}`,
    });
  }
}

function checkAddresses(machine: JoinMachine, node: string, mesh: InvitationMesh): void {
  const server = machine.interfaceOf(mesh.serverAddress);
  if (server !== null && server !== NODE_TUNNEL) {
    throw new FlatrenderError(
      'MESH_INVALID',
      `this machine is the control plane itself: ${mesh.serverAddress} is on its ${server}`,
      {
        hint: `a node beside it needs no tunnel: flatrender node invite ${node} --no-mesh`,
      },
    );
  }
  const own = machine.interfaceOf(mesh.address);
  if (own !== null && own !== NODE_TUNNEL && !/^utun\d+$/.test(own)) {
    throw new FlatrenderError(
      'MESH_ADDRESS_TAKEN',
      `${mesh.address}, the node’s address in the mesh, is already on ${own} of this machine`,
      {
        hint: `take it off there, or another one: flatrender node invite ${node} --address IP`,
      },
    );
  }
}

async function checkEndpointName(machine: JoinMachine, { endpoint }: InvitationMesh): Promise<void> {
  const host = endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  try {
    await machine.lookup(host);
  } catch (cause) {
    throw new FlatrenderError('UNREACHABLE', `the name ${host} of the control plane is not known here`, {
      cause,
      hint: 'does this machine have internet and DNS? Is the name right (flatrender wg init --endpoint on the control plane)?',
    });
  }
}

async function checkDisk({ freeBytes, paths }: JoinMachine): Promise<string[]> {
  let directory = paths.stateDir;
  while (!existsSync(directory) && dirname(directory) !== directory) directory = dirname(directory);
  const free = await freeBytes(directory);
  if (free === null || free >= LITTLE_SPACE) return [];
  const gigabytes = (free / 1e9).toFixed(1);
  return [`only ${gigabytes} GB are free for ${paths.stateDir}: tasks that need more are handed to others`];
}
