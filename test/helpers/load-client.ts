/** The least client that speaks to a farm as operators and nodes do; used to load it, so it does no more than it must. */
import { randomBytes } from 'node:crypto';
import { Pool } from 'undici';
import { signRequest, verifyAnswer } from '../../src/protocol/signatures.ts';

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown> | null;
}

/** A keep-alive connection pool to one control plane. */
export class LoadClient {
  readonly #pool: Pool;
  readonly #token: string;

  constructor(url: string, token: string, connections: number) {
    this.#pool = new Pool(url, { connections, pipelining: 1, headersTimeout: 120_000, bodyTimeout: 120_000 });
    this.#token = token;
  }

  /** A request with the operator's token. */
  async call(method: 'GET' | 'POST' | 'DELETE', path: string, payload?: unknown): Promise<Answer> {
    const { statusCode, body } = await this.#pool.request({
      method,
      path,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: payload === undefined ? null : JSON.stringify(payload),
    });
    const text = await body.text();
    return { status: statusCode, body: text === '' ? null : JSON.parse(text) };
  }

  /** A request signed as a node, its answer verified as an agent does. */
  async asNode(node: { id: string; secret: string }, path: string, payload: unknown): Promise<Answer> {
    const text = JSON.stringify(payload);
    const nonce = randomBytes(16).toString('base64url');
    const signature = signRequest(
      { method: 'POST', path, query: '' },
      text,
      { keyId: node.id, secret: node.secret },
      { created: Math.floor(Date.now() / 1000), nonce },
    );
    const { statusCode, headers, body } = await this.#pool.request({
      method: 'POST',
      path,
      headers: { ...signature, 'content-type': 'application/json' },
      body: text,
    });
    const answer = await body.text();
    verifyAnswer({ status: statusCode, headers, body: answer }, { nonce, secret: node.secret });
    return { status: statusCode, body: answer === '' ? null : JSON.parse(answer) };
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** Runs `total` operations with `workers` at a time; returns wall milliseconds. */
export async function runWorkers(
  workers: number,
  total: number,
  operation: (n: number) => Promise<void>,
): Promise<number> {
  let next = 0;
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      while (next < total) {
        const n = next;
        next += 1;
        await operation(n);
      }
    }),
  );
  return performance.now() - startedAt;
}

/** The p-th percentile (0–1) of unsorted samples. */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}
