/** The proof that a machine is a node: the control plane answers it, through the tunnel with its own key. */
import { untilAborted } from '../../lib/abort.ts';
import { sleep } from '../../lib/clock.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { isRetryable } from '../../lib/retry.ts';
import type { Invitation } from '../../protocol/enrolment.ts';
import { isSilence } from './enrol-machine.ts';
import { noAnswerError } from './join-failure.ts';
import type { Credentials, JoinMachine } from './join-machine.ts';
import type { JoinTunnel } from './join-tunnel.ts';

interface ReachOptions {
  readonly invitation: Invitation;
  readonly tunnel: JoinTunnel | null;
  /** It was enrolled just now: the control plane is about to change its end of the tunnel. */
  readonly isNew: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly say: (detail: string) => void;
}

/** The control plane changes its end 300 ms after its answer; a handshake before that is not answered and costs 5 s. */
const SWITCH_AFTER_MS = 400;
/**
 * For the first answer, then ever longer: a control plane that changes its end late is found soon, and so is one at the far end
 * of a slow line (a handshake and a request are three ways there and back).
 */
const FIRST_ATTEMPT_MS = 1_000;
const LONGEST_ATTEMPT_MS = 5_000;
const PAUSE_MS = 200;

/** Changes to the own key and asks until the control plane answers; its refusals are final. UNREACHABLE when time is up. */
export async function reachAsNode(
  machine: JoinMachine,
  node: Credentials,
  options: ReachOptions,
): Promise<void> {
  const { clock } = machine;
  const { tunnel, isNew, signal, say, timeoutMs, invitation } = options;
  if (tunnel && isNew) {
    if (tunnel.key === 'temporary') await sleep(SWITCH_AFTER_MS, clock, signal);
    await tunnel.settle(signal);
  }
  const deadline = clock.now() + timeoutMs;
  let limitMs = FIRST_ATTEMPT_MS;
  for (; ; limitMs = Math.min(limitMs * 1.5, LONGEST_ATTEMPT_MS)) {
    try {
      return await once(machine, node, limitMs, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FlatrenderError) || !isRetryable(error)) throw error;
      if (clock.now() + PAUSE_MS >= deadline) {
        const hadHandshake = isNew || ((await tunnel?.hadHandshake(signal)) ?? false);
        const failure = noAnswerError(invitation, error, { hadHandshake, isEnrolled: isNew });
        throw new FlatrenderError(failure.code, failure.message, {
          cause: failure,
          hint: `${failure.hint}\nkept: tunnel, keys and agent.env; the same command goes on from here`,
        });
      }
      say(`${error.message}; trying again`);
      await sleep(PAUSE_MS, clock, signal);
      if (tunnel?.switchesLive && isNew && isSilence(error)) await tunnel.nudge(signal);
    }
  }
}

async function once(
  { hello, clock }: JoinMachine,
  node: Credentials,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const late = new AbortController();
  const cancel = clock.after(limitMs, () =>
    late.abort(new FlatrenderError('UNREACHABLE', `no answer within ${(limitMs / 1000).toFixed(1)} s`)),
  );
  try {
    const both = AbortSignal.any([signal, late.signal]);
    // A connection that is being made hears of no abort.
    await untilAborted(hello(node, both), both);
  } finally {
    cancel();
  }
}
