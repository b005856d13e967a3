/** Trying again: exponential back-off with full jitter, only for errors that another try can cure. */
import { type Clock, sleep } from './clock.ts';
import { FlatrenderError } from './errors.ts';

/** Longest first pause and longest pause at all, as the conventions say. */
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 30_000;
// Jitter may come out near zero, which would be no pause at all.
const SHORTEST_MS = 50;

export interface RetryOptions {
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Tries in all; default: without end. */
  readonly tries?: number | undefined;
  /** Default: {@link isRetryable}. */
  readonly isRetryable?: ((error: unknown) => boolean) | undefined;
  /** 0 ≤ n < 1. */
  readonly random?: (() => number) | undefined;
  /** Told before each pause. */
  readonly onRetry?: ((error: unknown, delayMs: number, attempt: number) => void) | undefined;
}

/** Runs `work` (told the attempt, from 1) until it succeeds, fails for good, or the signal aborts (its reason is thrown). */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, signal, tries = Number.POSITIVE_INFINITY } = options;
  const canRetry = options.isRetryable ?? isRetryable;
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (attempt >= tries || !canRetry(error)) throw error;
      const delayMs = retryDelay(attempt, error, options.random);
      options.onRetry?.(error, delayMs, attempt);
      await sleep(delayMs, clock, signal);
    }
  }
}

/**
 * The pause after the n-th failure: anywhere up to 0.5 s · 2^(n-1), at most 30 s, so that a farm of agents that lost the same
 * server does not come back in step. Never shorter than what the server asked for (`details.retryAfterMs`).
 */
export function retryDelay(attempt: number, error?: unknown, random: () => number = Math.random): number {
  const ceiling = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(attempt - 1, 30));
  return Math.max(SHORTEST_MS, Math.round(random() * ceiling), retryAfterMs(error));
}

/** True for errors that say so themselves; an aborted call is over, not to be repeated. */
export function isRetryable(error: unknown): boolean {
  return error instanceof FlatrenderError && error.retryable && error.code !== 'ABORTED';
}

/** A Retry-After header (seconds or an HTTP date) as milliseconds; undefined when there is none or it is nonsense. */
export function parseRetryAfter(
  header: string | readonly string[] | undefined,
  now: number,
): number | undefined {
  if (typeof header !== 'string') return undefined;
  const seconds = /^\d{1,6}$/.test(header.trim()) ? Number(header) : (Date.parse(header) - now) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.min(seconds * 1000, 300_000)) : undefined;
}

/** How long the server asked to wait (`details.retryAfterMs`); 0 when it did not. */
export function retryAfterMs(error: unknown): number {
  const asked = error instanceof FlatrenderError ? Number(error.details?.retryAfterMs) : 0;
  return Number.isFinite(asked) ? Math.max(0, Math.min(asked, 300_000)) : 0;
}
