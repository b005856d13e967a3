/** HTTP between a node and the control plane: every request signed, every answer verified. */
import { randomBytes } from 'node:crypto';
import { Pool } from 'undici';
import type { Clock } from '../lib/clock.ts';
import { type ErrorBody, errorFromBody, FlatrenderError } from '../lib/errors.ts';
import { parseRetryAfter } from '../lib/retry.ts';
import { signRequest, verifyAnswer } from '../protocol/signatures.ts';
import { connectionError } from './connection-error.ts';

export interface SignedCall {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Encoded, from the first slash, without the query. */
  readonly path: string;
  /** Encoded, without the question mark. */
  readonly query?: string | undefined;
  readonly body: Uint8Array;
  readonly contentType: string;
  /** For the whole answer to arrive; default 15 s. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SignedAnswer {
  readonly status: number;
  /** Empty for 204. */
  readonly body: Buffer;
}

/** A keep-alive connection pool that signs as one node. Close it. */
export interface SignedHttp {
  readonly url: string;
  /**
   * Sends one call, with a fresh nonce each time, and returns a verified 2xx answer. Otherwise: the control plane's
   * own error, rebuilt; UNREACHABLE, UNAVAILABLE (a proxy answered), ANSWER_UNSIGNED; the signal's reason.
   */
  send(call: SignedCall): Promise<SignedAnswer>;
  close(): Promise<void>;
}

export interface SignedHttpOptions {
  /** Scheme, host and port. */
  readonly url: string;
  readonly keyId: string;
  readonly secret: string;
  readonly clock: Clock;
}

const DEFAULT_TIMEOUT_MS = 15_000;
// No answer of the agent API comes near: a claim with its inputs is at most some 100 kB per input.
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 5_000;

/** Creates the pool; nothing is sent yet. */
export function createSignedHttp(options: SignedHttpOptions): SignedHttp {
  const pool = new Pool(options.url, {
    // A heartbeat must not wait behind anything else in one HTTP/2 connection to a proxy, on a line that loses packets.
    allowH2: false,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    // The timeouts below cover the whole call; the pool's own would cut long-polls.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: MAX_ANSWER_BYTES,
  });
  return {
    url: options.url,
    send: (call) => send(pool, options, call),
    close: () => pool.destroy(),
  };
}

async function send(pool: Pool, options: SignedHttpOptions, call: SignedCall): Promise<SignedAnswer> {
  const { keyId, secret, clock } = options;
  call.signal?.throwIfAborted();
  const query = call.query ?? '';
  const nonce = randomBytes(18).toString('base64url');
  const stamp = { created: Math.floor(clock.now() / 1000), nonce };
  const signed = signRequest(
    { method: call.method, path: call.path, query },
    call.body,
    { keyId, secret },
    stamp,
  );
  const timeoutMs = call.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const timeout = AbortSignal.timeout(timeoutMs);
  let status: number;
  let headers: Record<string, string | string[] | undefined>;
  let body: Buffer;
  try {
    const answer = await pool.request({
      method: call.method,
      path: query === '' ? call.path : `${call.path}?${query}`,
      headers: { 'content-type': call.contentType, accept: 'application/json', ...signed },
      body: call.body,
      signal: call.signal ? AbortSignal.any([call.signal, timeout]) : timeout,
    });
    status = answer.statusCode;
    headers = answer.headers;
    body = Buffer.from(await answer.body.arrayBuffer());
  } catch (cause) {
    if (call.signal?.aborted) throw call.signal.reason;
    const reason = timeout.aborted ? new Error(`no answer within ${timeoutMs / 1000} s`) : cause;
    throw connectionError('UNREACHABLE', `cannot reach the control plane at ${options.url}`, reason, {
      hint: 'check ORCHESTRATOR_URL and the tunnel; is the control plane up? "flatrender control status" there',
    });
  }
  const verdict = verify({ status, headers, body }, { nonce, secret });
  if (verdict === undefined && status >= 200 && status < 300) return { status, body };
  throw errorOf({ status, headers, body }, verdict, options);
}

interface RawAnswer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

/** Undefined when the answer proves where it comes from; the ANSWER_UNSIGNED error otherwise. */
function verify(answer: RawAnswer, expected: { nonce: string; secret: string }): FlatrenderError | undefined {
  try {
    verifyAnswer(answer, expected);
    return undefined;
  } catch (error) {
    if (error instanceof FlatrenderError) return error;
    throw error;
  }
}

/**
 * What an answer that is no success means. Unsigned ones decide nothing: a 401 cannot be signed with a secret that the
 * two sides do not share, and 5xx may come from a proxy in between; anything else unsigned is not our control plane.
 */
function errorOf(
  answer: RawAnswer,
  unsigned: FlatrenderError | undefined,
  options: SignedHttpOptions,
): FlatrenderError {
  const { status, headers } = answer;
  const body = errorBodyOf(answer.body);
  const retryAfterMs = parseRetryAfter(headers['retry-after'], options.clock.now());
  if (unsigned && status !== 401) {
    if (status < 500 && status !== 429 && status !== 408) return unsigned;
    return new FlatrenderError(
      'UNAVAILABLE',
      `${options.url} answered ${status}${body ? `: ${body.message}` : ''}`,
      {
        hint: body?.hint ?? 'the control plane, or a proxy in front of it, is not ready',
        details: retryAfterMs === undefined ? undefined : { retryAfterMs },
      },
    );
  }
  if (!body) {
    return new FlatrenderError(
      status >= 500 ? 'UNAVAILABLE' : 'ANSWER_UNSIGNED',
      `${options.url} answered ${status} without saying why`,
      {
        hint: 'check ORCHESTRATOR_URL: is it a flatrender control plane?',
        details: retryAfterMs === undefined ? undefined : { retryAfterMs },
      },
    );
  }
  const error = errorFromBody({
    ...body,
    details: { ...body.details, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  });
  if (!unsigned || error.status === 401) return error;
  return unsigned;
}

/** The `{ error: { code, message, … } }` of an answer; undefined when it is something else. */
export function errorBodyOf(body: Buffer): ErrorBody | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  const error = (value as { error?: Record<string, unknown> } | null)?.error;
  if (typeof error?.code !== 'string' || typeof error.message !== 'string') return undefined;
  const { code, message, hint, retryable, details, serverTime } = error;
  return {
    code,
    message,
    ...(typeof hint === 'string' ? { hint } : {}),
    ...(typeof retryable === 'boolean' ? { retryable } : {}),
    details: {
      ...(typeof details === 'object' && details !== null ? details : {}),
      ...(typeof serverTime === 'string' ? { serverTime } : {}),
    },
  };
}
