/**
 * `node join`: from a bare machine to a node. Every step can be repeated: what was done is found done, and what a failure
 * leaves behind is what the same command goes on with.
 */

import type { Enrolled } from '../../client/enrol.ts';
import { healthUrlOf, loadAgentConfig } from '../../config/agent-config.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { KeyPair } from '../../mesh/keys.ts';
import type { Invitation } from '../../protocol/enrolment.ts';
import { agentEnvSteps, directorySteps, recordSteps } from './agent-env-steps.ts';
import { type Checked, checkMachine, readCredentials } from './check-machine.ts';
import { enrolMachine, NoAnswer } from './enrol-machine.ts';
import { keptError, noAnswerError } from './join-failure.ts';
import type { Credentials, JoinMachine } from './join-machine.ts';
import { JoinTunnel } from './join-tunnel.ts';
import { planOwnKey } from './own-key.ts';
import { reachAsNode } from './reach-as-node.ts';
import { waitUntilReady } from './wait-until-ready.ts';

export interface JoinOptions {
  readonly invitation: Invitation;
  /** Further settings of agent.env. */
  readonly settings: Readonly<Record<string, string>>;
  readonly start: boolean;
  /** For the control plane to answer, and again for the agent to be ready. */
  readonly timeoutMs: number;
}

/** Shows steps as they happen. */
export interface JoinSteps {
  run<T>(
    title: string,
    work: (say: (detail: string) => void) => Promise<T>,
    summary?: (result: T) => string,
  ): Promise<T>;
}

/** How it ended. */
export interface Joined {
  readonly node: string;
  readonly farm: string;
  readonly url: string;
  /** `changed`: it had joined before, something was missing. `already`: nothing had to be done. */
  readonly result: 'joined' | 'changed' | 'already';
  /** In the mesh; null: no tunnel of this farm. */
  readonly address: string | null;
  readonly publicKey: string;
  readonly envFile: string;
  /** `ready`: the agent is connected. `started`: it has no health endpoint to ask. `none`: the operator runs it. */
  readonly agent: 'ready' | 'started' | 'installed' | 'none';
  readonly warnings: readonly string[];
}

interface Run {
  readonly machine: JoinMachine;
  readonly options: JoinOptions;
  readonly steps: JoinSteps;
  readonly signal: AbortSignal;
  readonly checked: Checked;
  readonly keys: KeyPair;
  readonly tunnel: JoinTunnel | null;
}

/** Joins. Errors say what is kept; an abort takes back what makes no sense to keep, too. */
export async function joinNode(
  machine: JoinMachine,
  options: JoinOptions,
  steps: JoinSteps,
  signal: AbortSignal,
): Promise<Joined> {
  const { invitation } = options;
  const { node, farm, url, mesh } = invitation;
  const checked = await steps.run(
    `check this machine for node ${node} of ${farm}`,
    () => checkMachine(machine, invitation, signal),
    ({ joined }) => (joined ? 'it has joined already' : ''),
  );
  const own = planOwnKey(machine.paths.keyFile, machine.platform);
  await steps.run(
    'make this machine’s own key',
    () => machine.runPlan([...directorySteps(machine), ...own.steps], signal),
    () => (own.isNew ? own.keys.publicKey : `${own.keys.publicKey} (already)`),
  );
  const tunnel = mesh === null ? null : new JoinTunnel(machine, mesh, own.keys, checked.running);
  const run: Run = { machine, options, steps, signal, checked, keys: own.keys, tunnel };
  const changed = checked.joined ? await goOn(run, checked.joined) : await enrolAndSwitch(run);
  const agent = await runAgent(run, changed);
  return {
    node,
    farm,
    url,
    result: checked.joined === null ? 'joined' : changed || agent.changed ? 'changed' : 'already',
    address: mesh?.address ?? null,
    publicKey: own.keys.publicKey,
    envFile: machine.paths.envFile,
    agent: agent.state,
    warnings: checked.warnings,
  };
}

/** The invitation was used here before: what is missing is done. Returns whether anything was. */
async function goOn(run: Run, node: Credentials): Promise<boolean> {
  const { machine, options, steps, signal, tunnel } = run;
  const opened = tunnel
    ? await steps.run(
        `bring the tunnel up to ${options.invitation.mesh?.endpoint}`,
        () => tunnel.open('own', signal),
        (isNew) => (isNew ? '' : 'already'),
      )
    : false;
  const written = await writeSettings(run, {});
  const { timeoutMs, invitation } = options;
  await steps.run(`reach ${node.url} as node ${node.nodeId}`, (say) =>
    reachAsNode(machine, node, { invitation, tunnel, isNew: false, timeoutMs, signal, say }),
  );
  await tunnel?.forgetTemporaryKey(signal);
  return opened || written;
}

async function enrolAndSwitch(run: Run): Promise<true> {
  const { machine, options, steps, signal, tunnel, keys } = run;
  const { invitation, timeoutMs } = options;
  const enrolled = await enrol(run).catch(async (error) => {
    const left = (await tunnel?.takeBack()) ?? null;
    throw keptError(error, machine.paths.keyFile, tunnel !== null, left);
  });
  const { node, secret } = enrolled;
  await writeSettings(run, {
    NODE_ID: node,
    NODE_HMAC_SECRET: secret,
    ORCHESTRATOR_URL: originOf(invitation),
  });
  await machine.runPlan(recordSteps(machine, invitation, keys.publicKey), signal);
  const credentials = readCredentials(machine.paths.envFile) ?? { nodeId: node, secret, url: invitation.url };
  const title =
    tunnel === null
      ? `reach ${credentials.url} as node ${node}`
      : 'change the tunnel to this machine’s own key';
  await steps.run(title, (say) =>
    reachAsNode(machine, credentials, { invitation, tunnel, isNew: true, timeoutMs, signal, say }),
  );
  await tunnel?.forgetTemporaryKey(signal);
  return true;
}

async function enrol({ machine, options, steps, signal, tunnel, keys }: Run): Promise<Enrolled> {
  const { invitation, timeoutMs } = options;
  if (tunnel) {
    await steps.run(`bring the tunnel up to ${invitation.mesh?.endpoint}`, () =>
      tunnel.open('temporary', signal),
    );
  }
  return await steps.run(`have ${invitation.url} take this machine as node ${invitation.node}`, (say) =>
    enrolMachine({
      enrol: (attempt) => machine.enrol(invitation, keys.publicKey, attempt),
      tunnel: tunnel && {
        key: tunnel.key,
        useKey: (name) => tunnel.useKey(name, signal),
        switchesLive: tunnel.switchesLive,
      },
      clock: machine.clock,
      signal,
      timeoutMs,
      say,
    }).catch(async (error) => {
      if (!(error instanceof NoAnswer)) throw error;
      const hadHandshake = (await tunnel?.hadHandshake(signal)) ?? false;
      throw noAnswerError(invitation, error.cause, { hadHandshake, isEnrolled: false });
    }),
  );
}

/** Returns whether agent.env was changed. */
async function writeSettings(
  { machine, options, steps, signal }: Run,
  values: Readonly<Record<string, string>>,
): Promise<boolean> {
  const planned = agentEnvSteps(machine, { ...values, ...options.settings });
  const isChanged = planned.some(({ kind }) => kind === 'write');
  if (isChanged) {
    await steps.run(`write ${machine.paths.envFile}`, () => machine.runPlan(planned, signal));
  }
  return isChanged;
}

async function runAgent(
  { machine, options, steps, signal }: Run,
  restart: boolean,
): Promise<{ readonly state: Joined['agent']; readonly changed: boolean }> {
  const { service, paths } = machine;
  const { start, timeoutMs, invitation } = options;
  if (service === null) return { state: 'none', changed: false };
  const title = start ? 'install and start the agent' : 'install the agent';
  const { changed } = await steps.run(
    title,
    (say) => service.install({ start, restart, signal, onStep: ({ step }) => say(step.what) }),
    (result) => (result.changed ? '' : 'already'),
  );
  if (!start) return { state: 'installed', changed };
  const healthUrl = healthUrlOf(loadAgentConfig({ envFile: paths.envFile, env: {} }).config);
  if (healthUrl === null) return { state: 'started', changed };
  await steps.run('wait until the agent is connected', (say) =>
    waitUntilReady(machine, invitation.node, healthUrl, { timeoutMs, signal, say }),
  );
  return { state: 'ready', changed };
}

/** What ORCHESTRATOR_URL takes: no path. CONFIG_INVALID for one behind a prefix. */
function originOf({ url }: Invitation): string {
  const { origin, pathname } = new URL(url);
  if (pathname === '/') return origin;
  throw new FlatrenderError('CONFIG_INVALID', `${url} has a path: a node needs scheme, host and port only`, {
    hint: 'flatrender node invite NODE --orchestrator-url URL',
  });
}
