import { dirname } from 'node:path';
import { Flags, type Interfaces } from '@oclif/core';
import type { AgentReady } from '../../src/agent/agent.ts';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { isMock } from '../../src/cli/node-report.ts';
import type { loadAgentConfig } from '../../src/config/agent-config.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';

export default class AgentRun extends BaseCommand {
  static override summary = 'Run the node agent in the foreground';
  static override description =
    'Claims tasks, renders them and reports, until it is stopped. Settings come from flags, then the environment, then ' +
    'agent.env (--agent-env, $AGENT_ENV_FILE, beside the program, or ~/.flatrender/agent.env). The secret has no flag: ' +
    'other users could read it in the list of processes.\n\n' +
    'The first Ctrl-C finishes what runs, the second aborts it and hands it back, the third ends the program.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --agent-env studio-1.env --max-jobs 2',
    'NODE_ID=studio-1 NODE_HMAC_SECRET=… <%= config.bin %> <%= command.id %> --url http://10.66.0.1:8088',
  ];
  static override flags = {
    // Not --env-file: Node itself looks for that one in the whole command line, and ends when there is no such file.
    'agent-env': Flags.string({ helpValue: '<path>', description: 'agent.env to read' }),
    url: Flags.string({ helpValue: '<url>', description: 'control plane (ORCHESTRATOR_URL)' }),
    'node-id': Flags.string({ helpValue: '<id>', description: 'this node (NODE_ID)' }),
    role: Flags.string({ helpValue: '<roles>', description: 'what this node does (NODE_ROLE)' }),
    tags: Flags.string({ helpValue: '<a,b>', description: 'tags that jobs may ask for (NODE_TAGS)' }),
    'max-jobs': Flags.string({
      helpValue: '<n>',
      description: 'tasks at the same time (MAX_CONCURRENT_JOBS)',
    }),
    'ae-path': Flags.string({
      helpValue: '<path>',
      description: 'aerender; default: the newest that is installed; empty: mock mode (AE_PATH)',
    }),
    'ffmpeg-path': Flags.string({ helpValue: '<path>', description: 'ffmpeg (FFMPEG_PATH)' }),
    'state-dir': Flags.string({ helpValue: '<path>', description: 'cache, outbox, lock (STATE_DIR)' }),
    'temp-dir': Flags.string({ helpValue: '<path>', description: 'scratch space (TEMP_DIR)' }),
    'cache-max-gb': Flags.string({ helpValue: '<gb>', description: 'size of the cache (CACHE_MAX_GB)' }),
    'health-port': Flags.string({
      helpValue: '<port>',
      description: 'health endpoint; 0: any, off: none (HEALTH_PORT)',
    }),
    'health-host': Flags.string({ helpValue: '<host>', description: 'where it listens (HEALTH_HOST)' }),
    'log-level': Flags.string({
      helpValue: '<level>',
      description: 'trace, debug, info, warn, error or silent (LOG_LEVEL)',
    }),
    'stop-seconds': Flags.integer({
      helpValue: '<s>',
      description: 'at the first signal, hand back what still runs after this time; for service managers',
      min: 0,
      max: 86_400,
    }),
    'log-file': Flags.string({
      helpValue: '<path>',
      description: 'write the log there, 2 × 16 MB at most, instead of on standard error',
    }),
    // In the command that Windows starts the service with.
    service: Flags.boolean({ hidden: true, description: 'run as a Windows service' }),
  };

  async run(): Promise<{ node: string; ended: 'finished' | 'aborted' } | undefined> {
    const { flags } = await this.parse(AgentRun);
    if (flags.service) return await this.runService(flags);
    const [{ loadAgentConfig }, { createLogger }, { startAgent }, ...others] = await Promise.all([
      import('../../src/config/agent-config.ts'),
      import('../../src/lib/logger.ts'),
      import('../../src/agent/agent.ts'),
      import('../../src/lib/log-file.ts'),
      import('../../src/lib/clock.ts'),
      import('../../src/service/notify.ts'),
      import('../../src/agent/graceful-stop.ts'),
    ]);
    const [{ limitLogFile, openLogFile }, { systemClock }, { systemdNotifier }, { endOnSignals, soonReady }] =
      others;
    const { config, file, warnings } = loadAgentConfig(settingsOf(flags));
    using own = flags['log-file'] === undefined ? null : openLogFile(flags['log-file']);
    const logger = createLogger({
      level: config.logLevel,
      ...(own ? { stream: own.stream, text: false } : {}),
    });
    using _log = limitLogFile({
      clock: systemClock,
      logger,
      ...(own ? { path: own.path, descriptor: own.descriptor } : {}),
    });
    using manager = systemdNotifier({ clock: systemClock, logger });
    for (const { event, message } of warnings) logger.warn(event, { message });
    logger.info('agent.starting', {
      nodeId: config.nodeId,
      url: config.url,
      envFile: file,
      stateDir: config.stateDir,
    });
    const agent = startAgent({ config, logger, version: this.config.version });
    const outcome: { ended: 'finished' | 'aborted' } = { ended: 'finished' };
    using _signals = endOnSignals(agent, {
      graceSeconds: flags['stop-seconds'],
      clock: systemClock,
      onFinish: (text) => {
        this.note(text);
        void manager.stopping();
      },
      onAbort: (text) => {
        this.note(text);
        outcome.ended = 'aborted';
      },
    });
    soonReady(agent, systemClock).then(
      (status) => manager.ready(status),
      () => undefined,
    );
    agent.ready.then(
      (ready) => this.note(readyLine(ready, config.maxConcurrentJobs, config.aerender.path === '')),
      () => undefined,
    );
    await agent.done;
    if (outcome.ended === 'aborted') process.exitCode = 130;
    return { node: config.nodeId, ...outcome };
  }

  /** Ends the process: Windows wants nothing to happen after the service has stopped. */
  private async runService(flags: AgentFlags): Promise<never> {
    const { isSea } = await import('node:sea');
    if (process.platform !== 'win32' || !isSea()) {
      throw new FlatrenderError(
        'SERVICE_UNSUPPORTED',
        '--service is for flatrender.exe, started by Windows',
        {
          hint: 'run "flatrender agent run" without it',
        },
      );
    }
    const [{ runAgentService }, { windowsServiceManager }, { loadAgentConfig }] = await Promise.all([
      import('../../src/agent/agent-service.ts'),
      import('../../src/service/windows/scm-native.ts'),
      import('../../src/config/agent-config.ts'),
    ]);
    const exitCode = await runAgentService({
      manager: windowsServiceManager('FlatRenderNodeAgent'),
      programDir: dirname(process.execPath),
      version: this.config.version,
      load: () => loadAgentConfig(settingsOf(flags)),
    });
    process.exit(exitCode);
  }
}

type AgentFlags = Interfaces.InferredFlags<typeof AgentRun.flags>;

function settingsOf(flags: AgentFlags): Parameters<typeof loadAgentConfig>[0] {
  return {
    envFile: flags['agent-env'],
    flags: {
      ORCHESTRATOR_URL: flags.url,
      NODE_ID: flags['node-id'],
      NODE_ROLE: flags.role,
      NODE_TAGS: flags.tags,
      MAX_CONCURRENT_JOBS: flags['max-jobs'],
      AE_PATH: flags['ae-path'],
      FFMPEG_PATH: flags['ffmpeg-path'],
      STATE_DIR: flags['state-dir'],
      TEMP_DIR: flags['temp-dir'],
      CACHE_MAX_GB: flags['cache-max-gb'],
      HEALTH_PORT: flags['health-port'],
      HEALTH_HOST: flags['health-host'],
      LOG_LEVEL: flags['log-level'],
    },
  };
}

/** Everything worth knowing at a glance, in one line. */
function readyLine(
  { nodeId, url, engines, healthUrl }: AgentReady,
  maxJobs: number,
  inMockMode: boolean,
): string {
  const usable = engines
    .filter((engine) => engine.available)
    .map((engine) => {
      const { name, version } = engine;
      return isMock(engine) ? `${name} (mock)` : version ? `${name} ${version}` : name;
    });
  const parts = [
    `node ${nodeId} is ready for work from ${url}`,
    usable.length > 0
      ? `engines: ${usable.join(', ')}`
      : 'no engine can be used here ("flatrender doctor" says why)',
    `${maxJobs} ${maxJobs === 1 ? 'task' : 'tasks'} at a time`,
    ...(inMockMode ? ['mock mode: AE_PATH is empty, so After Effects jobs get test pictures'] : []),
    ...(healthUrl === null ? [] : [`health: ${healthUrl}/health`]),
  ];
  return parts.join(' · ');
}
