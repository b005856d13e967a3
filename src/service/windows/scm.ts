/**
 * A program as a Windows service: what it tells the service control manager (SCM), and when. How it is told is
 * scm-native.ts. After Microsoft's "Service State Transitions" and "SetServiceStatus function".
 */
import { type Clock, systemClock } from '../../lib/clock.ts';
import { toFlatrenderError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';

export type ServiceState = 'start-pending' | 'running' | 'stop-pending' | 'stopped';

export interface ServiceStatus {
  readonly state: ServiceState;
  /** Greater with every report while a start or stop is pending: a sign of life. 0 otherwise. */
  readonly checkPoint: number;
  /** How long the SCM should wait for the next report. 0 unless pending. */
  readonly waitHintMs: number;
  /** With `stopped`: 0, or what the SCM takes for a failure, upon which it restarts the service. */
  readonly exitCode: number;
}

/** Why a service is to end: on request, or because the machine shuts down, which leaves seconds. */
export type StopReason = 'stop' | 'shutdown';

/** The connection to the SCM. */
export interface ServiceManager {
  /**
   * Connects this process; resolves when the SCM has started the service. `onStop` is called for its requests.
   * SERVICE_UNSUPPORTED when this process was not started by the SCM.
   */
  connect(onStop: (reason: StopReason) => void): Promise<void>;
  report(status: ServiceStatus): void;
  /** Puts a failure into Windows' event log, where administrators look first. */
  tellFailure(message: string): void;
}

/** The service's program once it was started. */
export interface ServiceWork {
  /** Settles when the program has ended, by itself or after `stop`. */
  readonly ended: Promise<void>;
  /** Makes it end. */
  stop(reason: StopReason): void;
}

export interface ServiceOptions {
  readonly manager: ServiceManager;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Starts the program; resolves when it works, or waits for what it will get by itself (its network). */
  readonly start: () => Promise<ServiceWork>;
}

// The SCM gives up when a check point does not come within the hint; a busy machine at boot may take some seconds.
const WAIT_HINT_MS = 30_000;
const CHECK_MS = 3_000;

/**
 * Runs a program as a service from START_PENDING to STOPPED; resolves with the exit code that was reported. What fails is
 * logged and becomes that code: nobody reads the output of a service. Rejects only when there is no SCM.
 */
export async function runAsService(options: ServiceOptions): Promise<number> {
  const { manager, logger, clock = systemClock } = options;
  const status = new StatusReport(manager, clock);
  const requested = Promise.withResolvers<StopReason>();
  await manager.connect((reason) => requested.resolve(reason));
  logger.info('service.starting');
  status.pending('start-pending');
  let exitCode = 0;
  try {
    const work = await options.start();
    status.running();
    logger.info('service.running');
    const reason = await Promise.race([requested.promise, work.ended.then(() => null)]);
    if (reason !== null) {
      logger.info('service.stopping', { reason });
      status.pending('stop-pending');
      work.stop(reason);
      await work.ended;
    }
  } catch (error) {
    const known = toFlatrenderError(error);
    logger.error('service.failed', { error: known });
    manager.tellFailure(known.hint === undefined ? known.message : `${known.message}\n${known.hint}`);
    exitCode = known.exit;
  }
  logger.info('service.stopped', { exitCode });
  // Nothing after this: Windows may end the process at once.
  status.stopped(exitCode);
  return exitCode;
}

/** Reports states, and signs of life while one is pending. */
class StatusReport {
  readonly #manager: ServiceManager;
  readonly #clock: Clock;
  #cancel = (): void => undefined;

  constructor(manager: ServiceManager, clock: Clock) {
    this.#manager = manager;
    this.#clock = clock;
  }

  pending(state: 'start-pending' | 'stop-pending'): void {
    this.#cancel();
    let checkPoint = 0;
    const report = (): void => {
      checkPoint += 1;
      this.#manager.report({ state, checkPoint, waitHintMs: WAIT_HINT_MS, exitCode: 0 });
      this.#cancel = this.#clock.after(CHECK_MS, report);
    };
    report();
  }

  running(): void {
    this.#cancel();
    this.#manager.report({ state: 'running', checkPoint: 0, waitHintMs: 0, exitCode: 0 });
  }

  stopped(exitCode: number): void {
    this.#cancel();
    this.#manager.report({ state: 'stopped', checkPoint: 0, waitHintMs: 0, exitCode });
  }
}
