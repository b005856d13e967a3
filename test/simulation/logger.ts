import type { LogFields, Logger } from '../../src/lib/logger.ts';
import type { Process } from './world.ts';

/** Log lines as events of the simulation; `watch` hears of each. */
export function simulatedLogger(
  process: Process,
  watch: (event: string, fields: LogFields) => void = () => undefined,
): Logger {
  const log = (event: string, fields: LogFields = {}): void => {
    const { taskId, epoch, nodeId, error, state } = fields;
    const about = [taskId, epoch, nodeId, state, error instanceof Error ? error.message : undefined];
    process.world.note(process.id, `${event} ${about.filter((each) => each !== undefined).join(' ')}`);
    watch(event, fields);
  };
  const logger: Logger = {
    trace: () => undefined,
    debug: () => undefined,
    info: log,
    warn: log,
    error: log,
    child: () => logger,
    isEnabled: () => false,
  };
  return logger;
}
