/** What to tell when the control plane did not answer: where it ended, and what to look at there. */
import { FlatrenderError } from '../../lib/errors.ts';
import type { Invitation } from '../../protocol/enrolment.ts';

/** How far the machine came. */
export interface Reached {
  /** Whether the two ends of the tunnel have found each other. */
  readonly hadHandshake: boolean;
  /** Whether the control plane has bound this machine's key. */
  readonly isEnrolled: boolean;
}

/** The error of a join that got no answer within its time. */
export function noAnswerError(
  { node, url, mesh }: Invitation,
  cause: FlatrenderError,
  { hadHandshake, isEnrolled }: Reached,
): FlatrenderError {
  const asked = `on the control plane: "flatrender node show ${node}" tells whether the invitation is still good, "flatrender node invite ${node}" makes a new one`;
  if (mesh === null) {
    return new FlatrenderError(
      'UNREACHABLE',
      `the control plane at ${url} does not answer: ${reason(cause)}`,
      {
        cause,
        hint: `is "flatrender control run" up there, and is ${url} how this machine reaches it? Another address: flatrender node invite ${node} --orchestrator-url URL`,
      },
    );
  }
  if (hadHandshake) {
    const what = isEnrolled
      ? `the control plane has taken this machine, but does not answer at ${url} through its own tunnel key yet`
      : `the tunnel to ${mesh.endpoint} is up, but the gateway at ${url} does not answer`;
    return new FlatrenderError('UNREACHABLE', `${what}: ${reason(cause)}`, {
      cause,
      hint: `on the control plane: "flatrender control status" (does it listen on ${new URL(url).host}?) and "flatrender wg status"`,
    });
  }
  const at = mesh.endpoint.lastIndexOf(':');
  const [host, port] = [mesh.endpoint.slice(0, at), mesh.endpoint.slice(at + 1)];
  return new FlatrenderError('UNREACHABLE', `UDP ${port} of ${host} does not answer`, {
    cause,
    hint: `is it open in the firewall there, and forwarded by the router? An invitation that was used, replaced or has expired is not answered either; ${asked}`,
  });
}

/**
 * A failure before the control plane's answer came, with what of it is left on the machine. `left`: what could not be taken
 * back. Refusals stay as they are: another try would not end otherwise.
 */
export function keptError(error: unknown, keyFile: string, hadTunnel: boolean, left: string | null): unknown {
  if (!(error instanceof FlatrenderError)) return error;
  const hints = [
    ...(error.hint === undefined ? [] : [error.hint]),
    ...(left === null ? [] : [`the tunnel could not be taken back: ${left}`]),
    ...(FINAL.has(error.code)
      ? []
      : [
          `${hadTunnel && left === null ? 'the tunnel is as it was before; ' : ''}this machine’s key (${keyFile}) is kept, so that the same command goes on`,
        ]),
  ];
  const { code, message, details, retryable } = error;
  return new FlatrenderError(code, message, {
    cause: error,
    details,
    retryable,
    hint: hints.length > 0 ? hints.join('\n') : undefined,
  });
}

const FINAL: ReadonlySet<string> = new Set([
  'INVITATION_EXPIRED',
  'INVITATION_USED',
  'INVITATION_REPLACED',
  'NODE_UNKNOWN',
  'ABORTED',
]);

function reason(error: FlatrenderError): string {
  // "cannot reach the control plane at URL: why": the URL stands in the sentence already.
  return error.message.replace(/^cannot reach the control plane at \S+: /, '');
}
