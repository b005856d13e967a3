/** The check of the agent on this machine: does it answer, is it this node's, is it connected. */
import type { AgentHealth } from '../../setup/node-status.ts';
import type { Check, Finding } from './checks.ts';
import { whoHas } from './ports.ts';

/** What the check asks. */
export interface AgentFacts {
  readonly nodeId: string;
  /** ORCHESTRATOR_URL. */
  readonly url: string;
  /** Of this program. */
  readonly version: string;
  /** Where it tells how it is; null: nowhere (HEALTH_PORT is off or 0). */
  readonly healthUrl: string | null;
  /** What it tells; null: nothing that makes sense. */
  readonly health: (url: string) => Promise<AgentHealth | null>;
  readonly isListening: (host: string, port: number) => Promise<boolean>;
}

/** The check; without an agent it is skipped for the reason given. */
export function agentCheck(facts: AgentFacts | string): Check {
  return {
    name: 'agent',
    run: async () =>
      typeof facts === 'string' ? { status: 'skipped', message: facts } : await checkAgent(facts),
  };
}

async function checkAgent(facts: AgentFacts): Promise<Finding> {
  const { healthUrl } = facts;
  if (healthUrl === null)
    return { status: 'skipped', message: 'it has no health endpoint of its own to ask (HEALTH_PORT)' };
  const health = await facts.health(healthUrl);
  if (health === null) return await checkPort(facts, healthUrl);
  const { agent, queue } = health;
  const { port } = new URL(healthUrl);
  if (agent.nodeId !== facts.nodeId) {
    return {
      status: 'failed',
      message: `at ${healthUrl} answers the agent of another node, ${agent.nodeId}`,
      fix: `end that one, or: flatrender node config set HEALTH_PORT=${nextPort(port)} --restart`,
    };
  }
  if (!agent.connected) {
    return {
      status: 'failed',
      message: `the agent of ${agent.nodeId} runs, but has no connection to ${facts.url}`,
      fix: 'see signature, tunnel and control plane here; what the agent says: flatrender node logs -n 30',
    };
  }
  const work = agent.draining ? 'draining' : queue.processing > 0 ? `renders ${queue.processing}` : 'idle';
  const message = `the agent of ${agent.nodeId} is connected, ${work}`;
  if (agent.version === facts.version) return { status: 'ok', message };
  return {
    status: 'warning',
    message: `${message}; it runs version ${agent.version}, this is ${facts.version}`,
    fix: 'flatrender node restart',
  };
}

/** Nothing that is an agent answers: another program may have the port, then the agent works but cannot be asked. */
async function checkPort({ isListening }: AgentFacts, healthUrl: string): Promise<Finding> {
  const { hostname, port } = new URL(healthUrl);
  if (await isListening(hostname.replace(/^\[(.*)\]$/, '$1'), Number(port))) {
    return {
      status: 'failed',
      message: `another program has port ${port} (HEALTH_PORT): the agent cannot be asked how it is`,
      fix: `who has it: ${whoHas(Number(port))}; another port: flatrender node config set HEALTH_PORT=${nextPort(port)} --restart`,
    };
  }
  return {
    status: 'failed',
    message: `no agent answers at ${healthUrl}`,
    fix: 'as a service: flatrender node start; in this terminal: flatrender agent run',
  };
}

function nextPort(port: string): number {
  return port === '65535' ? 7777 : Number(port) + 1;
}
