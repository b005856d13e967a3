/** The agent API over the simulated network. */
import type { AgentApi } from '../../src/client/agent-api.ts';
import type { Network, Server } from './network.ts';
import type { Process } from './world.ts';

const TIMEOUT_MS = 15_000;
const CLAIM_GRACE_MS = 10_000;

/** The calls of one agent, signed with a secret of this generation; `pick` says which control plane answers the next. */
export function agentApi(
  process: Process,
  nodeId: string,
  generation: number,
  network: Network,
  pick: () => Server | null,
): AgentApi {
  const ask = async <T>(
    route: string,
    id: string | null,
    body: unknown,
    signal?: AbortSignal,
    timeoutMs: number = TIMEOUT_MS,
  ): Promise<T> => {
    const params: Record<string, string> = id === null ? {} : { id };
    const call = { route, caller: nodeId, params, body, headers: { generation: String(generation) } };
    return (await network.call(process, pick(), call, { timeoutMs, signal })) as T;
  };
  return {
    url: 'sim://farm',
    register: (request, signal) => ask('register', null, request, signal),
    hello: (signal) => ask('hello', null, {}, signal),
    claim: (request, signal) => ask('claim', null, request, signal, request.waitMs + CLAIM_GRACE_MS),
    heartbeat: (request, signal) => ask('heartbeat', null, request, signal),
    preview: async () => undefined,
    log: (id, request, signal) => ask('taskLog', id, request, signal),
    uploads: (id, request, signal) => ask('taskUploads', id, request, signal),
    complete: (id, request, signal) => ask('complete', id, request, signal),
    fail: (id, request, signal) => ask('fail', id, request, signal),
    release: (id, request, signal) => ask('release', id, request, signal),
  } as AgentApi;
}
