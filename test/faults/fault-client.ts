/** A client for farms that break: every call ends, with an answer or an error, and every answer of a node is verified. */
import { randomBytes } from 'node:crypto';
import { type Dispatcher, Pool } from 'undici';
import { signRequest, verifyAnswer } from '../../src/protocol/signatures.ts';
import type { Answer } from '../helpers/load-client.ts';
import type { NodeKey } from '../helpers/load-node.ts';

/** How long one call may take unless it says otherwise; a stalled line must not look like a stuck farm. */
const TIMEOUT_MS = 2000;

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

export class FaultClient {
  readonly url: string;
  /** How far the clock of the nodes that it plays is off, seconds; they follow that of the control plane when told. */
  #offSeconds = 0;
  readonly #pool: Pool;
  readonly #token: string;

  constructor(url: string, token: string, connections = 32) {
    this.url = url;
    this.#token = token;
    this.#pool = new Pool(url, { connections, pipelining: 1, connect: { timeout: TIMEOUT_MS } });
  }

  /** A request with the operator's token. */
  async call(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    payload?: unknown,
    { headers = {}, timeoutMs }: CallOptions = {},
  ): Promise<Answer> {
    const { status, text } = await this.#send(
      {
        method,
        path,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: payload === undefined ? null : JSON.stringify(payload),
      },
      timeoutMs,
    );
    return { status, body: text === '' ? null : JSON.parse(text) };
  }

  /** A request signed as a node. */
  async asNode(
    node: NodeKey,
    path: string,
    payload: unknown,
    { timeoutMs }: CallOptions = {},
  ): Promise<Answer> {
    const sent = JSON.stringify(payload);
    const nonce = randomBytes(16).toString('base64url');
    const signature = signRequest(
      { method: 'POST', path, query: '' },
      sent,
      { keyId: node.id, secret: node.secret },
      { created: Math.floor(Date.now() / 1000) + this.#offSeconds, nonce },
    );
    const { status, headers, text } = await this.#send(
      { method: 'POST', path, headers: { ...signature, 'content-type': 'application/json' }, body: sent },
      timeoutMs,
    );
    if (status === 401) this.#refused(text);
    verifyAnswer({ status, headers, body: text }, { nonce, secret: node.secret });
    return { status, body: text === '' ? null : JSON.parse(text) };
  }

  /** A 401 cannot be signed; it says why, and what time it is. */
  #refused(text: string): never {
    const { error } = JSON.parse(text) as { error: { code: string; details?: { skewSeconds?: number } } };
    if (error.code === 'CLOCK_SKEW') this.#offSeconds -= error.details?.skewSeconds ?? 0;
    throw new Error(`refused: ${text}`);
  }

  async #send(
    request: Dispatcher.RequestOptions,
    timeoutMs = TIMEOUT_MS,
  ): Promise<{ status: number; headers: Record<string, string | string[] | undefined>; text: string }> {
    const signal = AbortSignal.timeout(timeoutMs);
    const { statusCode, headers, body } = await this.#pool.request({ ...request, signal });
    return { status: statusCode, headers, text: await body.text() };
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** What the error of an answer says: `503 UNAVAILABLE`. */
export function refusalOf({ status, body }: Answer): string {
  const error = body?.error as { code?: string } | undefined;
  return `${status} ${error?.code ?? ''}`.trim();
}
