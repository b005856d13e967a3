import type { Api } from '../client/api.ts';
import { farmEvents } from '../client/events.ts';
import type { LogAnswer } from '../protocol/jobs.ts';

export type LogLine = LogAnswer['lines'][number];

/**
 * Yields a job's log lines in order; with `follow` until the job is over: an event says that there are more, so
 * nothing is polled and nothing is missed over a disconnection.
 */
export async function* readJobLog(
  api: Api,
  id: string,
  { follow, signal }: { readonly follow: boolean; readonly signal: AbortSignal },
): AsyncGenerator<LogLine> {
  let cursor: string | undefined;
  const drain = async function* (): AsyncGenerator<LogLine, boolean> {
    for (;;) {
      const page = await api.jobLog(id, cursor);
      cursor = page.next;
      yield* page.lines;
      if (page.lines.length === 0) return page.ended;
    }
  };
  const ended = yield* drain();
  if (!follow || ended) return;
  const stream = new AbortController();
  try {
    for await (const event of farmEvents(api.target, {
      jobs: [id],
      signal: AbortSignal.any([signal, stream.signal]),
    })) {
      if (event.type !== 'log' && event.type !== 'job' && event.type !== 'reset') continue;
      if (yield* drain()) return;
    }
  } finally {
    stream.abort();
  }
}
