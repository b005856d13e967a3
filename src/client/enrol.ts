/** Using an invitation: the one request of a machine that is no node yet. */
import type { Clock } from '../lib/clock.ts';
import { EnrolAnswer, type EnrolRequest, type Invitation, unseal } from '../protocol/enrolment.ts';
import { pathOf } from '../protocol/routes.ts';
import { readAnswer } from './agent-api.ts';
import { createSignedHttp } from './signed-http.ts';

/** What the machine is from now on. */
export interface Enrolled {
  readonly node: string;
  /** NODE_HMAC_SECRET. */
  readonly secret: string;
  /** null: without a mesh. */
  readonly meshAddress: string | null;
}

export interface EnrolOptions {
  readonly invitation: Invitation;
  readonly request: Omit<EnrolRequest, 'number'>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** For the answer; default 15 s. */
  readonly timeoutMs?: number;
}

/**
 * One try; the same public key again gets the same answer. UNREACHABLE, UNAVAILABLE, ANSWER_UNSIGNED (not the control plane
 * that made the invitation), INVITATION_EXPIRED, INVITATION_USED, INVITATION_REPLACED, NODE_UNKNOWN, CLOCK_SKEW.
 */
export async function enrol({
  invitation,
  request,
  clock,
  signal,
  timeoutMs,
}: EnrolOptions): Promise<Enrolled> {
  const { node, secret, url, number } = invitation;
  const http = createSignedHttp({ url: url.replace(/\/+$/, ''), keyId: node, secret, clock });
  try {
    const body = Buffer.from(JSON.stringify({ ...request, number } satisfies EnrolRequest));
    const call = { method: 'POST', path: pathOf('enrol'), body, contentType: 'application/json' } as const;
    const { body: answer } = await http.send({ ...call, signal, timeoutMs });
    const { sealedSecret, meshAddress } = readAnswer(EnrolAnswer, 'enrol', answer);
    return { node, secret: unseal(sealedSecret, secret), meshAddress };
  } finally {
    await http.close();
  }
}
