/** A real control plane and a real agent in this process, for tests of the commands. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAgent } from '../../src/agent/agent.ts';
import { type Api, createApi } from '../../src/client/api.ts';
import { loadAgentConfig } from '../../src/config/agent-config.ts';
import { saveClientConfig } from '../../src/config/client-config.ts';
import { type ControlConfigInput, ControlConfigSchema } from '../../src/config/control-schema.ts';
import { createFarmSecret } from '../../src/config/home.ts';
import { makeToken } from '../../src/control/client-auth.ts';
import { startControl } from '../../src/control/control.ts';
import { createLogger } from '../../src/lib/logger.ts';
import type { TokenRole } from '../../src/protocol/tokens.ts';

export interface LiveFarm extends AsyncDisposable {
  readonly url: string;
  /** Admin. */
  readonly token: string;
  readonly api: Api;
  /** HOME for `runCli`; logged in as admin. */
  readonly home: string;
  newToken(role: TokenRole): Promise<string>;
  /** Starts an agent; resolves when it is registered. */
  startAgent(id: string): Promise<void>;
  /** Ends the control plane; the agent goes on trying. */
  stopControl(): Promise<void>;
}

/** Disposing of it ends everything. */
export async function startLiveFarm(more: Pick<ControlConfigInput, 'webhooks'> = {}): Promise<LiveFarm> {
  const home = await mkdtemp(join(tmpdir(), 'flatrender-live-'));
  const directory = join(home, '.flatrender');
  const logger = createLogger({ level: 'silent' });
  createFarmSecret(directory);
  const config = ControlConfigSchema.parse({
    gateway: { host: '127.0.0.1', port: 0 },
    leases: { heartbeatSeconds: 0.2 },
    ...more,
  });
  const running = await startControl({ directory, config, logger });
  const newToken = async (role: TokenRole): Promise<string> => {
    const { token, record } = makeToken({ name: `test ${role}`, role, expiresAt: null }, Date.now());
    await running.control.store.createToken(record);
    return token;
  };
  const token = await newToken('admin');
  saveClientConfig({ url: running.url, token }, directory);
  const api = createApi({ url: running.url, token });
  const agents: ReturnType<typeof startAgent>[] = [];
  return {
    url: running.url,
    token,
    api,
    home,
    newToken,
    async startAgent(id) {
      const { secret } = await api.createNode({ id });
      const { config: agentConfig } = loadAgentConfig({
        env: {
          NODE_ID: id,
          NODE_HMAC_SECRET: secret,
          ORCHESTRATOR_URL: running.url,
          STATE_DIR: join(home, id),
          HEALTH_PORT: 'off',
        },
      });
      const agent = startAgent({ config: agentConfig, logger, version: 'test' });
      agents.push(agent);
      await agent.ready;
    },
    stopControl: () => running.close(),
    async [Symbol.asyncDispose]() {
      for (const agent of agents) {
        agent.shutdown();
        agent.shutdown();
      }
      await Promise.all(agents.map((agent) => agent.done));
      await running.close();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
