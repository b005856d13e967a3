/** The control plane's event stream (server-sent events), kept alive over disconnections. */

import { FlatrenderError } from '../lib/errors.ts';
import { retryAfterMs } from '../lib/retry.ts';
import type { FarmEvent } from '../protocol/events.ts';
import { pathOf } from '../protocol/routes.ts';
import { ANSWER_TYPES } from './answers.ts';
import { type HttpTarget, isRateLimited, openCall } from './http.ts';

export interface EventQuery {
  /** Jobs to hear of; none: all. */
  readonly jobs?: readonly string[];
  /** Nodes as well. */
  readonly nodes?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Told when the stream breaks and is being opened again; `error` is why. */
  readonly onDisconnect?: (error: FlatrenderError) => void;
  /** Without a byte for this long (the server sends comments) the connection counts as dead. Default 45 s. */
  readonly silenceMs?: number;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;
const MAX_JOBS = 100;

/**
 * Yields events until the caller stops or the signal aborts (its reason is thrown). Begins with `reset`: read the
 * state now, changes follow. After a disconnection it goes on where it was (Last-Event-ID); where that is not possible
 * the server sends `reset` again. Throws when the first connection fails, and when the control plane refuses; when it
 * asks to wait, that is done.
 */
export async function* farmEvents(target: HttpTarget, query: EventQuery = {}): AsyncGenerator<FarmEvent> {
  const signal = query.signal ?? target.signal;
  const state = { lastId: '', retryMs: FIRST_DELAY_MS };
  for (let failures = 0, first = true; ; ) {
    try {
      for await (const event of readStream(target, query, state, () => {
        failures = 0;
      })) {
        first = false;
        yield event;
      }
      throw new FlatrenderError('UNREACHABLE', `the control plane at ${target.url} ended the event stream`);
    } catch (error) {
      signal?.throwIfAborted();
      if ((first && !isRateLimited(error)) || !(error instanceof FlatrenderError && error.retryable))
        throw error;
      query.onDisconnect?.(error);
      failures += 1;
      const ceiling = Math.min(LONGEST_DELAY_MS, state.retryMs * 2 ** Math.min(failures - 1, 10));
      await pause(Math.max(Math.random() * ceiling, retryAfterMs(error)), signal);
    }
  }
}

interface StreamState {
  lastId: string;
  retryMs: number;
}

async function* readStream(
  target: HttpTarget,
  query: EventQuery,
  state: StreamState,
  onOpen: () => void,
): AsyncGenerator<FarmEvent> {
  const { createParser } = await import('eventsource-parser');
  // The server takes so many names; for more jobs everything is listened to, and the caller picks its own.
  const narrow = (query.jobs?.length ?? 0) <= MAX_JOBS;
  const answer = await openCall(target, {
    method: 'GET',
    path: pathOf('events'),
    query: { job: narrow ? query.jobs : undefined, nodes: query.nodes ? 1 : undefined },
    headers: {
      accept: 'text/event-stream',
      ...(state.lastId === '' ? {} : { 'last-event-id': state.lastId }),
    },
    signal: query.signal,
    answerType: ANSWER_TYPES.events,
  });
  onOpen();
  if (state.lastId === '') yield { type: 'reset', reason: 'connected' };
  const arrived: FarmEvent[] = [];
  const parser = createParser({
    onId: (id) => {
      state.lastId = id;
    },
    onRetry: (ms) => {
      state.retryMs = ms;
    },
    onEvent: ({ data }) => arrived.push(JSON.parse(data) as FarmEvent),
  });
  const silenceMs = query.silenceMs ?? 45_000;
  answer.socket.setTimeout(silenceMs, () => {
    answer.destroy(new Error(`nothing heard for ${silenceMs / 1000} s`));
  });
  answer.setEncoding('utf8');
  try {
    for await (const chunk of answer) {
      parser.feed(chunk);
      while (arrived.length > 0) yield arrived.shift() as FarmEvent;
    }
  } catch (cause) {
    if (cause instanceof FlatrenderError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlatrenderError('UNREACHABLE', `lost the control plane at ${target.url}: ${reason}`, { cause });
  } finally {
    answer.destroy();
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      signal?.removeEventListener('abort', stop);
      resolve();
    }
    function stop(): void {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener('abort', stop, { once: true });
  });
}
