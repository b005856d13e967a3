/** The agent as a Windows service. */
import { join } from 'node:path';
import type { AgentConfig, LoadedAgentConfig } from '../config/agent-config.ts';
import { machinePaths } from '../config/machine-paths.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { limitLogFile, openLogFile } from '../lib/log-file.ts';
import { createLogger, type Logger } from '../lib/logger.ts';
import { STOP_SECONDS } from '../service/service-spec.ts';
import { endChildrenWithThis } from '../service/windows/job-object.ts';
import { runAsService, type ServiceManager, type ServiceWork } from '../service/windows/scm.ts';
import { startAgent } from './agent.ts';
import { soonReady, stopWithin } from './graceful-stop.ts';

export interface AgentServiceOptions {
  readonly manager: ServiceManager;
  /** Where the executable, agent.env, the state and the log are. */
  readonly programDir: string;
  readonly version: string;
  /** Reads the settings; called once the places are known. What is odd about them is for the log. */
  readonly load: () => Pick<LoadedAgentConfig, 'config' | 'warnings'>;
  readonly clock?: Clock;
}

/**
 * Runs the agent until Windows stops it; resolves with the exit code that Windows was told. Everything it says goes to
 * logs\agent.log beside the executable, which is turned over: a service has no standard error.
 */
export async function runAgentService(options: AgentServiceOptions): Promise<number> {
  const { manager, programDir, version, load, clock = systemClock } = options;
  const { stateDir, logDir } = machinePaths('win32', 'agent', programDir);
  // Windows starts services in its own system directory.
  process.chdir(programDir);
  process.env.FLATRENDER_HOME ??= stateDir;
  using log = openLogFile(join(logDir, 'agent.log'));
  const logger = createLogger({ stream: log.stream, text: false });
  using _limit = limitLogFile({ clock, logger, path: log.path, descriptor: log.descriptor });
  process.on('uncaughtExceptionMonitor', (error) => logger.error('process.crashed', { error }));
  const start = async (): Promise<ServiceWork> => {
    if (!endChildrenWithThis()) logger.warn('service.children-may-outlive-it');
    const { config, warnings } = load();
    const own = createLogger({ stream: log.stream, text: false, level: config.logLevel });
    for (const { event, message } of warnings) own.warn(event, { message });
    return await startWork(config, version, own, clock);
  };
  return await runAsService({ manager, logger, clock, start });
}

async function startWork(
  config: AgentConfig,
  version: string,
  logger: Logger,
  clock: Clock,
): Promise<ServiceWork> {
  const { nodeId, url, stateDir } = config;
  logger.info('agent.starting', { nodeId, url, stateDir, version });
  const agent = startAgent({ config, logger, version, clock });
  await soonReady(agent, clock);
  return {
    ended: agent.done,
    stop: (reason) => stopWithin(agent, reason === 'stop' ? STOP_SECONDS * 1000 : 0, clock),
  };
}
