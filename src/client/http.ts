/**
 * HTTP for the operator's commands, on node:http.
 *
 * Not undici (which the agent uses): a command such as `job list` makes one request and ends. CPU over bare node (16 ms)
 * of one GET, best of 30, Node 26: node:http 9 ms, built-in fetch 40 ms, the undici package 57 ms; checking the answers
 * with the zod schemas would cost another 60 ms for loading them. So answers are taken as the protocol's types; the
 * server builds them from the same schemas.
 */
import type { IncomingMessage, RequestOptions } from 'node:http';
import { ERROR_CODES, type ErrorBody, errorFromBody, FlatrenderError } from '../lib/errors.ts';
import { isRetryable, parseRetryAfter, retry } from '../lib/retry.ts';
import { connectionError } from './connection-error.ts';
import { waitingClock } from './waiting-clock.ts';

export interface HttpTarget {
  /** Control plane, without a slash at the end. */
  readonly url: string;
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** From the first slash, encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether sending it twice is the same as once; only such calls are retried. Default: GET and DELETE. */
  readonly idempotent?: boolean;
  /** For the answer to begin; default 30 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Names that the JSON of the answer has; one without them comes from another server. */
  readonly answerNames?: readonly string[] | undefined;
  /** Content type of the answer; likewise. */
  readonly answerType?: string;
}

/**
 * Tries in all, for idempotent calls: with the pauses of `retry` a restarting control plane gets some seconds. Those that
 * were one too many for the limits do not count: the control plane says when it is their turn.
 */
const TRIES = 4;

/** Sends a call and returns the JSON of its answer (undefined for an empty one). Errors: see {@link openCall}. */
export async function callJson<T>(target: HttpTarget, call: HttpCall): Promise<T> {
  return retrying(target, call, async () => {
    const answer = await openCall(target, call);
    const text = await readText(target, answer);
    const names = call.answerNames ?? [];
    if (text === '') {
      if (names.length > 0) throw notFlatrender(target, `it answered ${answer.statusCode} with nothing`);
      return undefined as T;
    }
    const value = parseJson(target, text);
    const missing = names.find((name) => !hasName(value, name));
    if (missing !== undefined) throw notFlatrender(target, `it answered without "${missing}"`);
    return value as T;
  });
}

function parseJson(target: HttpTarget, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw notFlatrender(target, 'it answered without JSON', cause);
  }
}

function hasName(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name);
}

/** The bytes of the answer, e.g. an image. */
export async function callBytes(target: HttpTarget, call: HttpCall): Promise<Buffer> {
  return retrying(target, call, async () => {
    const chunks: Buffer[] = [];
    const answer = await openCall(target, call);
    try {
      for await (const chunk of answer) chunks.push(chunk as Buffer);
    } catch (cause) {
      throw unreachable(target, cause);
    }
    return Buffer.concat(chunks);
  });
}

/**
 * Sends a call once and resolves with a 2xx answer whose body the caller reads. Otherwise: the control plane's own
 * error, rebuilt; UNREACHABLE with the address; the signal's reason.
 */
export async function openCall(target: HttpTarget, call: HttpCall): Promise<IncomingMessage> {
  const answer = await send(target, call);
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 300) {
    const { answerType } = call;
    const type = answer.headers['content-type'] ?? '';
    if (answerType === undefined || type.startsWith(answerType)) return answer;
    answer.destroy();
    throw notFlatrender(target, `it answered ${status} with ${type || 'no type'} instead of ${answerType}`);
  }
  throw errorOf(target, status, await readText(target, answer), answer.headers['retry-after']);
}

async function send(target: HttpTarget, call: HttpCall): Promise<IncomingMessage> {
  const url = new URL(target.url + call.path);
  for (const [name, value] of Object.entries(call.query ?? {})) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined) url.searchParams.append(name, String(item));
    }
  }
  const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
  const signals = [target.signal, call.signal].filter((signal) => signal !== undefined);
  const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
  signal?.throwIfAborted();
  const options: RequestOptions = {
    method: call.method,
    headers: {
      accept: 'application/json',
      ...(target.token === undefined ? {} : { authorization: `Bearer ${target.token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
      ...call.headers,
    },
    ...(signal === undefined ? {} : { signal }),
  };
  // Not `import`: that reads every export of the module, and one of node:http (WebSocket) loads all of undici: 26 ms.
  const { request } =
    url.protocol === 'https:'
      ? process.getBuiltinModule('node:https')
      : process.getBuiltinModule('node:http');
  return new Promise((resolve, reject) => {
    const timeoutMs = call.timeoutMs ?? 30_000;
    const outgoing = request(url, options, resolve);
    outgoing.setTimeout(timeoutMs, () =>
      outgoing.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)),
    );
    outgoing.on('response', () => outgoing.setTimeout(0));
    outgoing.on('error', (cause) => reject(signal?.aborted ? signal.reason : unreachable(target, cause)));
    outgoing.end(body);
  });
}

async function readText(target: HttpTarget, answer: IncomingMessage): Promise<string> {
  try {
    let text = '';
    answer.setEncoding('utf8');
    for await (const chunk of answer) text += chunk;
    return text;
  } catch (cause) {
    target.signal?.throwIfAborted();
    throw unreachable(target, cause);
  }
}

function retrying<T>(target: HttpTarget, call: HttpCall, once: () => Promise<T>): Promise<T> {
  const idempotent = call.idempotent ?? (call.method === 'GET' || call.method === 'DELETE');
  let failures = 0;
  return retry(once, {
    clock: waitingClock,
    signal: target.signal,
    isRetryable(error) {
      // Nothing of it was done, so any call may be sent again.
      if (isRateLimited(error)) return true;
      failures += 1;
      // Nobody listens there: say so at once. A connection that broke or an overloaded server is worth another try.
      return idempotent && failures < TRIES && isRetryable(error) && !isRefused(error);
    },
  });
}

/** Whether the control plane asked to wait. */
export function isRateLimited(error: unknown): error is FlatrenderError {
  return error instanceof FlatrenderError && error.code === 'RATE_LIMITED' && error.retryable;
}

function isRefused(error: unknown): boolean {
  const code = error instanceof FlatrenderError ? error.details?.cause : undefined;
  return code === 'ECONNREFUSED' || code === 'ENOTFOUND';
}

function unreachable(target: HttpTarget, cause: unknown): FlatrenderError {
  return connectionError('UNREACHABLE', `cannot reach the control plane at ${target.url}`, cause, {
    hint: 'run "flatrender doctor"',
  });
}

/** The error an answer carries; other servers (a proxy, a wrong port) answer without one. */
function errorOf(
  target: HttpTarget,
  status: number,
  text: string,
  retryAfter: string | undefined,
): FlatrenderError {
  const body = bodyOf(text);
  if (!body) {
    if (status === 502 || status === 503 || status === 504) {
      return unreachable(target, new Error(`a proxy in between answered ${status}`));
    }
    return notFlatrender(target, `it answered ${status} without flatrender's error body`);
  }
  const retryAfterMs = parseRetryAfter(retryAfter, Date.now());
  const error = errorFromBody({
    ...body,
    details: {
      ...body.details,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  });
  if (error.hint !== undefined || ERROR_CODES[error.code].status !== 401) return error;
  return new FlatrenderError(error.code, error.message, {
    hint: 'run "flatrender login"',
    details: error.details,
  });
}

function bodyOf(text: string): ErrorBody | undefined {
  try {
    const value = JSON.parse(text)?.error;
    return typeof value?.code === 'string' && typeof value.message === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function notFlatrender(target: HttpTarget, what: string, cause?: unknown): FlatrenderError {
  return new FlatrenderError('UNREACHABLE', `${target.url} is not a flatrender control plane: ${what}`, {
    cause,
    hint: 'check the address (--url, FLATRENDER_URL, "flatrender login"); the gateway usually listens on port 8088',
    retryable: false,
  });
}
