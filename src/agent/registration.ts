/** Signing in: once at start, and again whenever the control plane may have forgotten this node. */
import type { AgentApi } from '../client/agent-api.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { isRetryable, retryDelay } from '../lib/retry.ts';
import type { AgentSettings, RegisterRequest } from '../protocol/agent.ts';

export interface Registration {
  /** What the control plane last said; null before the first registration. */
  readonly settings: AgentSettings | null;
  /** Registers until it works; everybody who asks meanwhile waits for the same. Rejects only when the agent stops. */
  renew(why: string): Promise<AgentSettings>;
}

export interface RegistrationOptions {
  readonly api: AgentApi;
  readonly describe: () => Promise<RegisterRequest>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the agent stops. */
  readonly signal: AbortSignal;
}

// Errors that somebody has to cure (wrong secret, skewed clock, wrong address): asking often only fills the logs.
const SLOW_MIN_MS = 5_000;
const SLOW_MAX_MS = 60_000;

/** A registration that keeps trying, with a log line per failure that says what to do. */
export function createRegistration(options: RegistrationOptions): Registration {
  const { api, clock, logger, signal } = options;
  let settings: AgentSettings | null = null;
  let running: Promise<AgentSettings> | null = null;

  const attempt = async (why: string): Promise<AgentSettings> => {
    const request = await options.describe();
    for (let failures = 1; ; failures += 1) {
      try {
        settings = await api.register(request, signal);
        const offMs = Date.parse(settings.serverTime) - clock.now();
        logger.info('agent.registered', {
          url: api.url,
          why,
          ...(Math.abs(offMs) > 5000 ? { clockOffMs: offMs } : {}),
        });
        return settings;
      } catch (error) {
        signal.throwIfAborted();
        const delayMs = isRetryable(error) ? retryDelay(failures, error) : slowDelay(failures);
        const code = error instanceof FlatrenderError ? error.code : 'INTERNAL';
        logger.warn('agent.register-failed', { message: explain(error), code, retryInMs: delayMs });
        await sleep(delayMs, clock, signal);
      }
    }
  };

  return {
    get settings() {
      return settings;
    },
    renew(why) {
      running ??= attempt(why).finally(() => {
        running = null;
      });
      return running;
    },
  };
}

/** True when the control plane does not accept this node's signature; only people can cure most of it. */
export function isDenied(error: unknown): boolean {
  return error instanceof FlatrenderError && (error.status === 401 || error.code === 'ANSWER_UNSIGNED');
}

function slowDelay(failures: number): number {
  const ceiling = Math.min(SLOW_MAX_MS, SLOW_MIN_MS * 2 ** Math.min(failures - 1, 10));
  return Math.round(ceiling * (0.5 + Math.random() / 2));
}

/** The error in one sentence with what to do: this line is what people see of a node that does not get in. */
function explain(error: unknown): string {
  if (!(error instanceof FlatrenderError)) return error instanceof Error ? error.message : String(error);
  return `${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`;
}
