/** What a program tells systemd while it runs as a service (sd_notify(3)). */
import type { Clock } from '../lib/clock.ts';
import { run } from '../lib/exec.ts';
import type { Logger } from '../lib/logger.ts';

/** The line to systemd. Nothing here fails: what cannot be told is logged. */
export interface Notifier extends Disposable {
  /** It works, or waits for what will come by itself; from now on it says that it lives. */
  ready(status: string): Promise<void>;
  /** Its end has begun. */
  stopping(): Promise<void>;
}

interface NotifierOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: process.env, from which what is systemd's is taken: what this program starts is not to speak for it. */
  readonly env?: NodeJS.ProcessEnv;
}

const TIMEOUT_MS = 10_000;

/**
 * Speaks through systemd-notify: Node has no datagram sockets in the file system (nodejs/node, lib/dgram.js knows udp4 and
 * udp6). Without systemd it says nothing. A main thread that hangs for WatchdogSec= is killed and started again.
 */
export function systemdNotifier({ clock, logger, env = process.env }: NotifierOptions): Notifier {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = env;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  let cancel = (): void => undefined;
  let isEnding = false;
  const tell = async (...words: string[]): Promise<void> => {
    if (!NOTIFY_SOCKET) return;
    try {
      await run('systemd-notify', words, { env: { NOTIFY_SOCKET }, timeoutMs: TIMEOUT_MS });
    } catch (error) {
      logger.warn('service.not-told', { words, error });
    }
  };
  const isWatched = !!WATCHDOG_USEC && (!WATCHDOG_PID || Number(WATCHDOG_PID) === process.pid);
  const everyMs = isWatched ? Number(WATCHDOG_USEC) / 1000 / 3 : 0;
  const beat = async (): Promise<void> => {
    await tell('WATCHDOG=1');
    if (!isEnding) cancel = clock.after(everyMs, () => void beat());
  };
  return {
    async ready(status) {
      await tell('--ready', `--status=${status}`);
      if (everyMs > 0 && NOTIFY_SOCKET && !isEnding) cancel = clock.after(everyMs, () => void beat());
    },
    async stopping() {
      await tell('STOPPING=1');
    },
    [Symbol.dispose]() {
      isEnding = true;
      cancel();
    },
  };
}
