/** Log lines of one attempt, sent in batches from bounded memory. */

import type { AgentApi } from '../client/agent-api.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { isRetryable, retryDelay } from '../lib/retry.ts';
import { type ActiveTask, isLeaseLost } from './active-task.ts';

type Line = { readonly at: string; readonly stream: 'agent' | 'engine'; readonly line: string };

export interface LogShipper {
  add(stream: 'agent' | 'engine', line: string): void;
  /** Sends what is there, one try, at most `timeoutMs` long; never rejects. */
  flush(timeoutMs: number): Promise<void>;
  /** Forgets what was not sent. */
  close(): void;
}

export interface LogShipperOptions {
  readonly api: AgentApi;
  readonly task: ActiveTask;
  readonly clock: Clock;
  readonly logger: Logger;
}

// The protocol's limits per line and per batch.
const MAX_LINE = 8192;
const MAX_BATCH = 1000;
// What an attempt may keep in memory while the control plane is away.
const MAX_LINES = 5000;
const MAX_BYTES = 2 * 1024 * 1024;
const BATCH_BYTES = 256 * 1024;
const INTERVAL_MS = 1000;

/** A shipper for one attempt; sends a second after the first line, then at most once a second. */
export function createLogShipper(options: LogShipperOptions): LogShipper {
  return new Shipper(options);
}

class Shipper implements LogShipper {
  readonly #options: LogShipperOptions;
  #lines: Line[] = [];
  #bytes = 0;
  #dropped = 0;
  #failures = 0;
  #sending: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;
  readonly #end = new AbortController();

  constructor(options: LogShipperOptions) {
    this.#options = options;
  }

  add(stream: 'agent' | 'engine', text: string): void {
    if (this.#end.signal.aborted) return;
    const at = new Date(this.#options.clock.now()).toISOString();
    const line = text.length > MAX_LINE ? `${text.slice(0, MAX_LINE - 1)}…` : text;
    this.#lines.push({ at, stream, line });
    this.#bytes += line.length;
    this.#limit();
    this.#schedule(INTERVAL_MS);
  }

  async flush(timeoutMs: number): Promise<void> {
    const { clock } = this.#options;
    const done = new AbortController();
    const drain = async (): Promise<void> => {
      await this.#sending;
      while (this.#lines.length > 0 && this.#failures === 0 && !this.#end.signal.aborted) await this.#send();
    };
    try {
      await Promise.race([drain(), sleep(timeoutMs, clock, done.signal).catch(() => undefined)]);
    } finally {
      done.abort();
    }
  }

  close(): void {
    this.#cancelTimer?.();
    this.#end.abort();
    this.#lines = [];
  }

  #schedule(delayMs: number): void {
    if (this.#cancelTimer || this.#sending || this.#lines.length === 0 || this.#end.signal.aborted) return;
    this.#cancelTimer = this.#options.clock.after(delayMs, () => {
      this.#cancelTimer = null;
      void this.#send().then(() => this.#schedule(this.#pause()));
    });
  }

  #pause(): number {
    return this.#failures === 0 ? INTERVAL_MS : Math.max(INTERVAL_MS, retryDelay(this.#failures));
  }

  #send(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#sending ??= this.#sendBatch().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  async #sendBatch(): Promise<void> {
    const { api, task, logger, clock } = this.#options;
    const batch: Line[] = [];
    for (let bytes = 0; batch.length < MAX_BATCH - 1 && bytes < BATCH_BYTES; ) {
      const line = this.#lines.shift();
      if (!line) break;
      bytes += line.line.length;
      batch.push(line);
    }
    if (batch.length === 0) return;
    const sent = batch.reduce((sum, { line }) => sum + line.length, 0);
    this.#bytes -= sent;
    const dropped = this.#dropped;
    const at = batch[0]?.at ?? new Date(clock.now()).toISOString();
    const note: Line = { at, stream: 'agent', line: `… ${dropped} lines were dropped here` };
    try {
      const lines = dropped > 0 ? [note, ...batch] : batch;
      await api.log(task.taskId, { epoch: task.epoch, lines }, this.#end.signal);
      this.#failures = 0;
      this.#dropped -= dropped;
    } catch (error) {
      if (this.#end.signal.aborted) return;
      if (isLeaseLost(error)) {
        task.stop('lost');
        return this.close();
      }
      this.#failures += 1;
      logger.debug('log.unsent', { taskId: task.taskId, error });
      if (!isRetryable(error)) {
        // The batch itself is refused: sending it again would block all that follow.
        this.#dropped += batch.length;
        return;
      }
      this.#lines.unshift(...batch);
      this.#bytes += sent;
      this.#limit();
    }
  }

  /** Drops the oldest lines beyond the limits. */
  #limit(): void {
    while (this.#lines.length > MAX_LINES || this.#bytes > MAX_BYTES) {
      this.#bytes -= this.#lines.shift()?.line.length ?? 0;
      this.#dropped += 1;
    }
  }
}
