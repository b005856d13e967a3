/** How the node on this machine is: its service, what the agent says of itself, its tunnel. */
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { healthUrlOf, loadAgentConfig } from '../config/agent-config.ts';
import { thisPlatform } from '../config/machine-paths.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { ManagerName, ServiceState } from '../service/service-spec.ts';
import { serviceSpec } from './service-plans.ts';
import { serviceStatus } from './services.ts';
import { realInterface } from './tunnel-system.ts';

/** What the health endpoint of an agent tells. */
export interface AgentHealth {
  readonly queue: { readonly pending: number; readonly processing: number };
  readonly agent: {
    readonly nodeId: string;
    readonly version: string;
    readonly connected: boolean;
    readonly draining: boolean;
    readonly engines: readonly string[];
  };
}

export interface NodeStatus {
  readonly service: ServiceState & { readonly name: string; readonly manager: ManagerName };
  /** null: the endpoint is switched off. */
  readonly healthUrl: string | null;
  /** null: it does not answer. */
  readonly health: AgentHealth | null;
  readonly tunnel: { readonly installed: boolean; readonly up: boolean; readonly address: string | null };
  /** Runs, is connected, and its tunnel is up if it has one. */
  readonly ok: boolean;
}

const HEALTH_MS = 5_000;

/** Looks at everything; works without an administrator's rights as far as the system lets it. */
export async function nodeStatus(signal: AbortSignal): Promise<NodeStatus> {
  const service = await serviceStatus('agent', signal);
  const { paths } = serviceSpec({ role: 'agent', signal });
  const address = networkInterfaces()[realInterface({ platform: thisPlatform() })]?.[0]?.address ?? null;
  const tunnel = {
    installed: address !== null || existsSync(paths.tunnelFile),
    up: address !== null,
    address,
  };
  const healthUrl = serviceHealthUrl(paths.envFile);
  const health = healthUrl === null ? null : await askAgent(healthUrl, signal);
  const isConnected = healthUrl === null || health?.agent.connected === true;
  return {
    service,
    healthUrl,
    health,
    tunnel,
    ok: service.state === 'running' && isConnected && (!tunnel.installed || tunnel.up),
  };
}

/** What the agent answers there; null: nothing that makes sense. */
export async function askAgent(url: string, signal: AbortSignal): Promise<AgentHealth | null> {
  try {
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(HEALTH_MS)]);
    const answer = await fetch(url, { signal: timeout });
    const body = (await answer.json()) as Partial<AgentHealth>;
    return body.agent && body.queue ? { agent: body.agent, queue: body.queue } : null;
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

/** Of the service's settings; the default for who may not read them. null: it is switched off, or anywhere. */
export function serviceHealthUrl(envFile: string): string | null {
  let place = { healthHost: '127.0.0.1', healthPort: 7777 as number | null };
  try {
    // What is in the environment of this terminal is not in the service's.
    if (existsSync(envFile)) place = loadAgentConfig({ envFile, env: {} }).config;
  } catch (error) {
    if (!(error instanceof FlatrenderError)) throw error;
  }
  return healthUrlOf(place);
}
