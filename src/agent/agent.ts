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
import { noTracing, startTracing, type Tracing } from '../lib/tracing.ts';
import type { RegisterRequest } from '../protocol/agent.ts';
import type { EngineInfo } from '../protocol/nodes.ts';
import { capabilitiesOf, hostIpTowards } from './capabilities.ts';
import { openClaimJournal } from './claim-journal.ts';
import { openContentCache } from './content-cache.ts';
import { fileDigest } from './delivery.ts';
import { keepFullLogs } from './full-log.ts';
import { type HealthFacts, startHealthServer } from './health-server.ts';
import { openOutbox } from './outbox.ts';
import { createRegistration } from './registration.ts';
import { lockState } from './state-lock.ts';
import { type SystemMonitor, startSystemMonitor } from './system-info.ts';
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
  const http = stack.adopt(
    createSignedHttp({ url: config.url, keyId: config.nodeId, secret: config.secret, clock }),
    (made) => made.close(),
  );
  const transfers = stack.adopt(createTransfers(clock), (made) => made.close());
  const settings = {
    ffmpegPath: config.ffmpegPath,
    previewMs: 1000,
    threads: config.encoderThreads,
    aerender: config.aerender,
  };
  const probing = hosts.probe(settings);
  probing.catch(() => undefined);
  const state = await openState(options, clock, logger);
  const system = stack.use(state.system);
  let engines: readonly EngineInfo[] = [];
  const ending = new AbortController();
  const api = createAgentApi(http);
  const registration = createRegistration({
    api,
    clock,
    logger,
    signal: ending.signal,
    describe: () => describe(config, version, engines, system),
  });
  const tracing = await openTracing(options, logger);
  stack.defer(() => tracing.close());
  const board: TaskBoard = new TaskBoard({
    ...state,
    tracing,
    config,
    api,
    transfers,
    hosts,
    templates: createTemplateCache({
      cache: state.cache,
      transfers,
      logger,
      waitWhileAway: (signal) => board.waitWhileAway(signal),
    }),
    registration,
    digestOf: fileDigest,
    keepLogs: keepFullLogs,
    system: system.current,
    engineSettings: () => ({
      ...settings,
      previewMs: registration.settings?.previewMs ?? settings.previewMs,
    }),
    clock,
    logger,
  });
  const facts = (): HealthFacts => healthFacts(config, version, engines, system, board);
  const { healthHost: host, healthPort: port } = config;
  const health =
    port === null ? null : stack.use(await startHealthServer({ host, port, clock, logger, facts }));
  // Health answers before this: looking for engines can take a while on a cold disk.
  engines = await probing;
  stack.defer(() => ending.abort(new FlatrenderError('ABORTED', 'the agent has ended')));
  if (!(await registerUntil(registration.renew('start'), stopping))) return;
  onReady({ nodeId: config.nodeId, url: config.url, engines, healthUrl: health?.url ?? null });
  await board.work(stopping, aborting);
  logger.info('agent.ended', { waiting: state.outbox.size });
}

/** Everything the agent keeps on this machine, cleaned of what a killed one left; the caller disposes of `system`. */
async function openState({ config, freeBytes }: AgentOptions, clock: Clock, logger: Logger) {
  const { stateDir, tempDir, cacheMaxBytes, minFreeBytes } = config;
  const workspaces = createWorkspaces({ directory: tempDir, minFreeBytes, logger, freeBytes });
  const outbox = await openOutbox(join(stateDir, 'outbox'), logger);
  const needed = new Set(
    outbox.list().flatMap((entry) => (entry.kind === 'output' ? [entry.workspace] : [])),
  );
  const [system, cache, journal, leftovers] = await Promise.all([
    startSystemMonitor({ directory: tempDir, clock, logger }),
    openContentCache({ directory: join(stateDir, 'cache'), maxBytes: cacheMaxBytes, clock, logger }),
    openClaimJournal(stateDir, clock, logger),
    workspaces.clean(needed),
  ]);
  if (leftovers > 0) logger.info('workspace.cleaned', { leftovers });
  return { workspaces, outbox, system, cache, journal };
}

function openTracing({ config, version }: AgentOptions, logger: Logger): Promise<Tracing> {
  const { tracingEndpoint: endpoint, nodeId: instance } = config;
  if (endpoint === null) return Promise.resolve(noTracing);
  return startTracing({ endpoint, service: 'flatrender-agent', instance, version, logger });
}

async function describe(
  config: AgentConfig,
  agentVersion: string,
  engines: readonly EngineInfo[],
  system: SystemMonitor,
): Promise<RegisterRequest> {
  return {
    hostname: hostname().slice(0, 255),
    roles: [...config.roles],
    hostIp: config.hostIp ?? (await hostIpTowards(config.url)),
    machineId: config.machineId,
    agentVersion,
    capabilities: capabilitiesOf(config, engines, system.current()),
  };
}

function healthFacts(
  config: AgentConfig,
  version: string,
  engines: readonly EngineInfo[],
  system: SystemMonitor,
  board: TaskBoard,
): HealthFacts {
  return {
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
  };
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
