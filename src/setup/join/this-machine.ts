/** The machine that this runs on, as joining sees it; for a plan also another system, of which nothing is known. */
import { lookup } from 'node:dns/promises';
import { statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, posix, win32 } from 'node:path';
import { z } from 'zod';
import { createAgentApi } from '../../client/agent-api.ts';
import { enrol } from '../../client/enrol.ts';
import { callJson } from '../../client/http.ts';
import { createSignedHttp } from '../../client/signed-http.ts';
import { waitingClock } from '../../client/waiting-clock.ts';
import { machinePaths, NODE_TUNNEL, type ServicePlatform, thisPlatform } from '../../config/machine-paths.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { runPlan } from '../../lib/plan.ts';
import { isElevated } from '../../service/windows/elevation.ts';
import { lastLogLines } from '../service-logs.ts';
import {
  installService,
  planInstall,
  requireManager,
  requireReachable,
  restartService,
} from '../services.ts';
import { askTunnel, interfaceOf, requireWireGuard, tunnelSystem } from '../tunnel-system.ts';
import type { AgentHealth, JoinMachine, JoinPaths, JoinService } from './join-machine.ts';

interface ThisMachineOptions {
  /** Version of this program. */
  readonly version: string;
  /** For a plan: any machine of that system. Default: this one. */
  readonly platform?: ServicePlatform | undefined;
  /** Default: where the service looks for it. */
  readonly envFile?: string | undefined;
  readonly withService: boolean;
  readonly isInteractive: boolean;
  /** For ELEVATION_NEEDED. */
  readonly elevatedCommand: string;
  readonly signal: AbortSignal;
}

const HELLO_MS = 10_000;
const HEALTH_MS = 2_000;
const Health = z.object({ agent: z.object({ nodeId: z.string(), connected: z.boolean() }) });

/** This machine. */
export function thisMachine(options: ThisMachineOptions): JoinMachine {
  const { version, platform = thisPlatform(), withService } = options;
  const programDir =
    platform === 'win32' && process.platform !== 'win32' ? 'C:\\flatrender' : dirname(process.execPath);
  const paths = machinePaths(platform, 'agent', programDir);
  const tunnel = tunnelSystem(platform, paths.tunnelFile, options.platform === undefined);
  const clock = waitingClock;
  const startedAt = clock.now();
  return {
    platform,
    paths: joinPaths(platform, options.envFile ?? paths.envFile, paths.stateDir),
    tunnel,
    service: withService ? agentService(options, platform) : null,
    clock,
    isElevated: process.platform === 'win32' ? isElevated() : process.geteuid?.() === 0,
    elevatedCommand: options.elevatedCommand,
    runPlan: (steps, aborted) => runPlan(steps, { signal: aborted }),
    requireWireGuard: () => requireWireGuard(tunnel),
    askTunnel: (aborted) => askTunnel(tunnel, aborted),
    interfaceOf,
    lookup,
    freeBytes: async (directory) => {
      const { bavail, bsize } = await statfs(directory).catch(() => ({ bavail: null, bsize: 0 }));
      return bavail === null ? null : bavail * bsize;
    },
    enrol: (invitation, publicKey, aborted) =>
      enrol({
        invitation,
        request: { publicKey, hostname: hostname(), agentVersion: version },
        clock,
        signal: aborted,
      }),
    hello: async ({ nodeId, secret, url }, aborted) => {
      const http = createSignedHttp({ url, keyId: nodeId, secret, clock });
      try {
        await createAgentApi(http).hello(AbortSignal.any([aborted, AbortSignal.timeout(HELLO_MS)]));
      } finally {
        // Not awaited: a connection that is being made ends after its 5 s only, and the next try is due before.
        http.close().catch(() => undefined);
      }
    },
    health: askHealth,
    log: async (aborted) => (await lastLogLines('agent', startedAt, aborted)).join('\n'),
  };
}

/** Where joining leaves its files: beside agent.env. */
export function joinPaths(platform: ServicePlatform, envFile: string, stateDir: string): JoinPaths {
  const path = platform === 'win32' ? win32 : posix;
  const beside = (name: string): string => path.join(path.dirname(envFile), name);
  return {
    envFile,
    keyFile: beside(`${NODE_TUNNEL}.key`),
    temporaryKeyFile: beside(`${NODE_TUNNEL}.invitation.key`),
    recordFile: beside('joined.json'),
    stateDir,
  };
}

function agentService({ isInteractive, signal }: ThisMachineOptions, platform: ServicePlatform): JoinService {
  const request = { role: 'agent', platform, isInteractive } as const;
  return {
    plan: () => planInstall({ ...request, signal }),
    check: () => {
      try {
        requireManager('agent');
        requireReachable({ ...request, signal });
      } catch (error) {
        if (!(error instanceof FlatrenderError) || error.code !== 'SERVICE_UNSUPPORTED') throw error;
        throw new FlatrenderError(error.code, error.message, {
          cause: error,
          hint: `${error.hint}; join without a service: flatrender node join … --no-service`,
        });
      }
    },
    async install({ start, restart, onStep, signal: aborted }) {
      const { result } = await installService(request, { start, onStep, signal: aborted });
      if (start && restart && result === 'already') await restartService('agent', aborted);
      return { changed: result !== 'already' };
    },
  };
}

async function askHealth(url: string, signal: AbortSignal): Promise<AgentHealth | null> {
  const { origin, pathname } = new URL(url);
  const call = { method: 'GET', path: pathname, timeoutMs: HEALTH_MS, idempotent: false } as const;
  const answer = await callJson<unknown>({ url: origin, signal }, call).catch(() => null);
  const parsed = Health.safeParse(answer);
  return parsed.success ? parsed.data.agent : null;
}
