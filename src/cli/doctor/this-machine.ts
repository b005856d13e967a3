/** What doctor looks at on this machine: as a node, as the control plane, as somebody's terminal. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createAgentApi } from '../../client/agent-api.ts';
import { openCall } from '../../client/http.ts';
import { createSignedHttp } from '../../client/signed-http.ts';
import { waitingClock } from '../../client/waiting-clock.ts';
import type { AgentConfig } from '../../config/agent-config.ts';
import {
  agentEnvFile,
  healthUrlOf,
  isAgentSetUp,
  type LoadedAgentConfig,
  loadAgentConfig,
} from '../../config/agent-config.ts';
import { clientFile, loadClientConfig } from '../../config/client-config.ts';
import { controlHome, homePaths } from '../../config/home.ts';
import { type MachinePaths, machinePaths, thisPlatform } from '../../config/machine-paths.ts';
import { isNamedAfterEffects, listProcesses } from '../../engines/aerender/machine/processes.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { ServiceRole } from '../../service/service-spec.ts';
import { askAgent } from '../../setup/node-status.ts';
import { readServiceLog } from '../../setup/service-logs.ts';
import type { AgentFacts } from './agent-check.ts';
import type { Disk } from './machine-checks.ts';
import type { NodeOptions } from './node-checks.ts';
import { isListening } from './ports.ts';
import { type BundleSource, fileSource } from './support-bundle.ts';

/** Lines of the log in the bundle: about a day of a busy node. */
const JOURNAL_LINES = 5000;

/** The agent of this machine: its settings, or what is wrong with them; null: it has none. */
export type FoundAgent = LoadedAgentConfig | FlatrenderError | null;

/** Looks for the agent's settings. Errors that are no bug are returned. */
export function findAgent(): FoundAgent {
  try {
    return isAgentSetUp() ? loadAgentConfig({}) : null;
  } catch (error) {
    if (error instanceof FlatrenderError) return error;
    throw error;
  }
}

/** The state directory of the control plane of this machine; null: there is none (that may be seen). */
export function findControlHome(): string | null {
  const home = controlHome();
  return existsSync(homePaths(home).config) ? home : null;
}

/** Where an installed service of this machine has its things. */
export function pathsOf(role: 'agent' | 'control'): MachinePaths {
  return machinePaths(thisPlatform(), role, dirname(process.execPath));
}

/** What the check of the agent asks this machine. */
export function agentFacts(config: AgentConfig, version: string, signal: AbortSignal): AgentFacts {
  const { nodeId, url } = config;
  const health = (address: string): ReturnType<typeof askAgent> => askAgent(address, signal);
  return { nodeId, url, version, healthUrl: healthUrlOf(config), health, isListening };
}

/** Where the agent of this machine writes; below MIN_FREE_GB its tasks fail. */
export function agentDisks({ stateDir, tempDir, minFreeBytes }: AgentConfig): readonly Disk[] {
  return [
    { key: 'STATE_DIR', path: stateDir, leastBytes: minFreeBytes },
    { key: 'TEMP_DIR', path: tempDir, leastBytes: minFreeBytes },
  ];
}

/** What the node's checks ask this machine; `close` ends its connections. */
export function nodeFacts(
  loaded: LoadedAgentConfig,
  signal: AbortSignal,
): NodeOptions & { readonly close: () => Promise<void> } {
  const { config, file } = loaded;
  const http = createSignedHttp({
    url: config.url,
    keyId: config.nodeId,
    secret: config.secret,
    clock: waitingClock,
  });
  return {
    config,
    envFile: file,
    warnings: () =>
      file === null ? [] : loadAgentConfig({ envFile: file }).warnings.map(({ message }) => message),
    api: createAgentApi(http),
    close: () => http.close(),
    signal,
    async probe(url) {
      const { origin, pathname, search } = new URL(url);
      try {
        const call = { method: 'GET', path: pathname + search, timeoutMs: 10_000 } as const;
        const answer = await openCall({ url: origin, signal }, call);
        answer.destroy();
        return answer.statusCode ?? 0;
      } catch (error) {
        if (error instanceof FlatrenderError && error.code !== 'UNREACHABLE') return error.status;
        throw error;
      }
    },
    strays: () => strays(healthUrlOf(config), signal),
  };
}

/** Processes of After Effects although the agent has no task; while it works, they are most likely its own. */
async function strays(healthUrl: string | null, signal: AbortSignal): Promise<readonly string[]> {
  const health = healthUrl === null ? null : await askAgent(healthUrl, signal);
  if ((health?.queue.processing ?? 0) > 0) return [];
  const entries = await listProcesses({ signal }).catch(() => []);
  return entries.filter(({ name }) => isNamedAfterEffects(name)).map(({ name, pid }) => `${name} (${pid})`);
}

/** Files and logs of this machine for the support bundle. */
export function bundleSources(
  agent: FoundAgent,
  home: string | null,
  signal: AbortSignal,
): readonly BundleSource[] {
  const agentPaths = pathsOf('agent');
  const files: [string, string][] = [];
  const envFile = envFileOf(agent);
  if (envFile !== null) files.push([envFile, 'node']);
  files.push([agentPaths.tunnelFile, 'node'], [join(agentPaths.logDir, 'agent.log'), 'node']);
  if (home !== null) {
    const { config, controlLog } = homePaths(home);
    files.push([config, 'control'], [controlLog, 'control']);
    files.push([join(dirname(agentPaths.tunnelFile), 'wg0.conf'), 'control']);
    files.push([join(pathsOf('control').logDir, 'control.log'), 'control']);
  }
  return [
    ...[...new Map(files.map((each) => [each[0], each])).values()].map(([path, directory]) =>
      fileSource(path, directory),
    ),
    ...(agent === null ? [] : [journalSource('agent', 'node', signal)]),
    ...(home === null ? [] : [journalSource('control', 'control', signal)]),
  ];
}

/** The service's end of systemd's journal; nothing where another manager keeps a log file, or there is no journal. */
function journalSource(role: ServiceRole, directory: string, signal: AbortSignal): BundleSource {
  return {
    name: `${directory}/journal.log`,
    async read() {
      if (thisPlatform() !== 'linux') return null;
      const lines: string[] = [];
      const onLine = (line: string): void => void lines.push(line);
      try {
        await readServiceLog(role, { lines: JOURNAL_LINES, follow: false, signal, onLine });
      } catch (error) {
        if (signal.aborted) throw error;
      }
      return lines.length === 0 ? null : `${lines.join('\n')}\n`;
    },
  };
}

/** Secrets that this machine knows, so that they are taken out of logs, too. */
export async function knownSecrets(agent: FoundAgent, home: string | null): Promise<readonly string[]> {
  const found: string[] = [];
  if (agent !== null && !(agent instanceof FlatrenderError)) found.push(agent.config.secret);
  found.push(
    ...(await secretsIn(envFileOf(agent), /^\s*(?:export\s+)?NODE_HMAC_SECRET\s*=\s*["']?([^\s"']+)/gm)),
  );
  if (home !== null) {
    found.push(((await readFile(homePaths(home).farmSecret, 'utf8').catch(() => '')) as string).trim());
  }
  if (existsSync(clientFile())) {
    try {
      found.push(loadClientConfig({}).token ?? '');
    } catch {
      // A broken file has no token that could be told apart.
    }
  }
  for (const path of [pathsOf('agent').tunnelFile, join(dirname(pathsOf('agent').tunnelFile), 'wg0.conf')]) {
    found.push(...(await secretsIn(path, /^\s*(?:PrivateKey|PresharedKey)\s*=\s*(\S+)/gim)));
  }
  return found.filter((secret) => secret !== '');
}

/** What a file says in the first group of the pattern. */
async function secretsIn(path: string | null, pattern: RegExp): Promise<string[]> {
  const text: string = path === null ? '' : await readFile(path, 'utf8').catch(() => '');
  return [...text.matchAll(pattern)].map(([, secret = '']) => secret);
}

/** Also one that cannot be used: whoever helps wants to see why. */
function envFileOf(agent: FoundAgent): string | null {
  if (agent === null || !(agent instanceof FlatrenderError)) return agent?.file ?? null;
  try {
    return agentEnvFile();
  } catch {
    // AGENT_ENV_FILE names a file that is not there.
    return null;
  }
}
