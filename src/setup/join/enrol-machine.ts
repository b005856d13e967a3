/**
 * Using the invitation through a tunnel whose key changes on the way. The control plane lets the temporary key in until it
 * has bound the machine's own key, and only that one afterwards; which it is nobody knows here when an answer is lost. So
 * both are tried in turn: the same request with the same key gets the same answer.
 */
import type { Enrolled } from '../../client/enrol.ts';
import { untilAborted } from '../../lib/abort.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { isRetryable } from '../../lib/retry.ts';

/** Which private key the tunnel uses. */
export type TunnelKeyName = 'temporary' | 'own';

export interface EnrolMachineOptions {
  /** One try. */
  readonly enrol: (signal: AbortSignal) => Promise<Enrolled>;
  /** null: no tunnel of this farm. */
  readonly tunnel: {
    /** What it was brought up with. */
    readonly key: TunnelKeyName;
    readonly useKey: (name: TunnelKeyName) => Promise<void>;
    /** False: another key takes the tunnel down and up again, which takes some seconds itself. */
    readonly switchesLive: boolean;
  } | null;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly say: (detail: string) => void;
}

/** Thrown when time is up: what the last try failed with. */
export class NoAnswer extends Error {
  override readonly cause: FlatrenderError;

  constructor(cause: FlatrenderError) {
    super(cause.message, { cause });
    this.cause = cause;
  }
}

/**
 * WireGuard repeats a handshake after 5 s (REKEY_TIMEOUT), and the TCP connection its first packet after 1, 3 and 7 s: what is not
 * through by then will not come with this key.
 */
const ATTEMPT_MS = 7_000;
const PAUSE_MS = 1_000;
/** An adapter that is made anew (Windows, macOS) gets some seconds to come up, and two handshakes. */
const SLOW_KEY_MS = 20_000;

/** Tries until the control plane answers; its refusals are final. NoAnswer when time is up. */
export async function enrolMachine(options: EnrolMachineOptions): Promise<Enrolled> {
  const { clock, signal, tunnel, say } = options;
  const deadline = clock.now() + options.timeoutMs;
  let key: TunnelKeyName = tunnel?.key ?? 'own';
  let keySince = clock.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once(options, deadline);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FlatrenderError) || !isRetryable(error)) throw error;
      if (clock.now() + PAUSE_MS >= deadline) throw new NoAnswer(error);
      say(`${error.message}; trying again (${attempt})`);
      const keyMs = clock.now() - keySince;
      if (tunnel && isSilence(error) && (tunnel.switchesLive || keyMs >= SLOW_KEY_MS)) {
        key = key === 'own' ? 'temporary' : 'own';
        await tunnel.useKey(key);
        keySince = clock.now();
      } else await sleep(PAUSE_MS, clock, signal);
    }
  }
}

async function once({ enrol, clock, signal }: EnrolMachineOptions, deadline: number): Promise<Enrolled> {
  const late = new AbortController();
  const limit = Math.max(1, Math.min(ATTEMPT_MS, deadline - clock.now()));
  const cancel = clock.after(limit, () =>
    late.abort(new FlatrenderError('UNREACHABLE', `no answer within ${Math.round(limit / 1000)} s`)),
  );
  try {
    const both = AbortSignal.any([signal, late.signal]);
    // A connection that is being made hears of no abort.
    return await untilAborted(enrol(both), both);
  } finally {
    cancel();
  }
}

/** Whether nothing came back at all: somebody who refuses a connection has been reached, so the key is the right one. */
export function isSilence({ code, details }: FlatrenderError): boolean {
  const cause = details?.cause;
  return code === 'UNREACHABLE' && cause !== 'ECONNREFUSED' && cause !== 'ECONNRESET';
}
