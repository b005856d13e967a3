/** The agent: registers, claims, renders, reports, until it is told to stop. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createAgentApi } from '../client/agent-api.ts';
import { createSignedHttp } from '../client/signed-http.ts';
import { createTransfers } from '../client/transfer.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { createEngineHosts, type EngineHosts } from '../engines/host-pool.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { EngineInfo } from '../protocol/nodes.ts';
import { capabilitiesOf, hostIpTowards } from './capabilities.ts';
import { openClaimJournal } from './claim-journal.ts';
import { openContentCache } from './content-cache.ts';
import { startHealthServer } from './health-server.ts';
import { openOutbox } from './outbox.ts';
import { createRegistration } from './registration.ts';
import { lockState } from './state-lock.ts';
import { startSystemMonitor } from './system-info.ts';
import { TaskBoard } from './task-board.ts';
import { createTemplateCache } from './template-cache.ts';
import { createWorkspaces, type FreeBytes } from './workspace.ts';

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly logger: Logger;
  /** Of flatrender, as reported to the control plane. */
  readonly version: string;
  /** Closed by the agent at its end. Default: child processes of this same program. */
  readonly hosts?: EngineHosts;
  readonly clock?: Clock;
  /** Free bytes on a file system; default: asks the system. */
  readonly freeBytes?: FreeBytes;
}

/** What there is to say once the agent is registered. */
export interface AgentReady {
  readonly nodeId: string;
  readonly url: string;
  readonly engines: readonly EngineInfo[];
  /** null: off, or the port is taken. */
  readonly healthUrl: string | null;
}

export interface RunningAgent {
  /** Resolves at the first registration, which may take as long as the control plane is away; rejects as `done` does. */
  readonly ready: Promise<AgentReady>;
  /** Resolves when the agent has ended and everything is closed; rejects when it could not start (ALREADY_RUNNING, …). */
  readonly done: Promise<void>;
  /** First call: claim no more, finish what runs. Second: abort, hand back, end within 10 s. Further calls do nothing. */
  shutdown(): void;
}

/** Starts an agent. It ends by {@link RunningAgent.shutdown} alone: a control plane that is away is waited for. */
export function startAgent(options: AgentOptions): RunningAgent {
  const ready = Promise.withResolvers<AgentReady>();
  const stopping = new AbortController();
  const aborting = new AbortController();
  // All timers of the agent let the process end; this one does not.
  const alive = setInterval(() => undefined, 2 ** 30);
  const done = run(options, ready.resolve, stopping.signal, aborting.signal).finally(() =>
    clearInterval(alive),
  );
  done.then(
    () => ready.reject(new FlatrenderError('ABORTED', 'the agent ended before it was registered')),
    (error: unknown) => ready.reject(error),
  );
  // Whoever looks at one of the two only must not get an unhandled rejection from the other.
  ready.promise.catch(() => undefined);
  done.catch(() => undefined);
  return {
    ready: ready.promise,
    done,
    shutdown() {
      if (!stopping.signal.aborted) stopping.abort(new FlatrenderError('ABORTED', 'the agent shuts down'));
      else if (!aborting.signal.aborted)
        aborting.abort(new FlatrenderError('ABORTED', 'the agent shuts down now'));
    },
  };
}

async function run(
  options: AgentOptions,
  onReady: (ready: AgentReady) => void,
  stopping: AbortSignal,
  aborting: AbortSignal,
): Promise<void> {
  const { config, version } = options;
  const clock = options.clock ?? systemClock;
  const logger = options.logger.child({ nodeId: config.nodeId });
  await using stack = new AsyncDisposableStack();
  if (options.hosts) stack.adopt(options.hosts, (given) => given.close());
  stack.use(await lockState(config.stateDir, clock));
  const hosts =
    options.hosts ??
    stack.adopt(createEngineHosts({ logger, maxIdle: config.maxConcurrentJobs }), (made) => made.close());
  const http = createSignedHttp({ url: config.url, keyId: config.nodeId, secret: config.secret, clock });
  stack.defer(() => http.close());
  const transfers = createTransfers(clock);
  stack.defer(() => transfers.close());
  const api = createAgentApi(http);
  const workspaces = createWorkspaces({
    directory: config.tempDir,
    minFreeBytes: config.minFreeBytes,
    logger,
    freeBytes: options.freeBytes,
  });
  const settings = { ffmpegPath: config.ffmpegPath, previewMs: 1000, threads: config.encoderThreads };
  const outbox = await openOutbox(join(config.stateDir, 'outbox'), logger);
  const needed = new Set(
    outbox.list().flatMap((entry) => (entry.kind === 'output' ? [entry.workspace] : [])),
  );
  const [engines, system, cache, journal, leftovers] = await Promise.all([
    hosts.probe(settings),
    startSystemMonitor({ directory: config.tempDir, clock, logger }),
    openContentCache({
      directory: join(config.stateDir, 'cache'),
      maxBytes: config.cacheMaxBytes,
      clock,
      logger,
    }),
    openClaimJournal(config.stateDir, clock, logger),
    workspaces.clean(needed),
  ]);
  stack.use(system);
  if (leftovers > 0) logger.info('workspace.cleaned', { leftovers });
  const ending = new AbortController();
  const registration = createRegistration({
    api,
    clock,
    logger,
    signal: ending.signal,
    describe: async () => ({
      hostname: hostname().slice(0, 255),
      roles: [...config.roles],
      hostIp: config.hostIp ?? (await hostIpTowards(config.url)),
      machineId: config.machineId,
      agentVersion: version,
      capabilities: capabilitiesOf(config, engines, system.current()),
    }),
  });
  const board = new TaskBoard({
    config,
    api,
    transfers,
    hosts,
    cache,
    templates: createTemplateCache({ cache, transfers, logger }),
    workspaces,
    outbox,
    journal,
    registration,
    system: system.current,
    engineSettings: () => ({
      ...settings,
      previewMs: registration.settings?.previewMs ?? settings.previewMs,
    }),
    clock,
    logger,
  });
  const health =
    config.healthPort === null
      ? null
      : stack.use(
          await startHealthServer({
            host: config.healthHost,
            port: config.healthPort,
            clock,
            logger,
            facts: () => ({
              ...board.queue(),
              machineId: config.machineId,
              system: system.current(),
              agent: {
                nodeId: config.nodeId,
                version,
                connected: board.isConnected,
                draining: board.isDraining,
                engines: engines.filter((engine) => engine.available).map((engine) => engine.name),
              },
            }),
          }),
        );
  stack.defer(() => ending.abort(new FlatrenderError('ABORTED', 'the agent has ended')));
  const isRegistered = await registerUntil(registration.renew('start'), stopping);
  if (!isRegistered) return;
  onReady({ nodeId: config.nodeId, url: config.url, engines, healthUrl: health?.url ?? null });
  await board.work(stopping, aborting);
  logger.info('agent.ended', { waiting: outbox.size });
}

/** False when the agent is told to stop before it got in. */
async function registerUntil(registering: Promise<unknown>, stopping: AbortSignal): Promise<boolean> {
  registering.catch(() => undefined);
  return await new Promise<boolean>((resolve, reject) => {
    if (stopping.aborted) return resolve(false);
    stopping.addEventListener('abort', () => resolve(false), { once: true });
    registering.then(() => resolve(true), reject);
  });
}
