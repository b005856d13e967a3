/** A client of the event stream that keeps everything it gets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { type TestControl, until } from './control.ts';

export interface SseEvent {
  readonly id: string;
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: events of every type
  readonly data: any;
}

export interface Stream extends AsyncDisposable {
  readonly events: SseEvent[];
  readonly text: () => string;
  lastId(): string;
  /** States of a job in the order in which they came. */
  statesOf(job: string): string[];
}

/** Follows the events of a control plane; resolves when it was accepted. */
export async function follow(
  farm: Pick<TestControl, 'url' | 'token' | 'control'>,
  query = '',
  lastEventId?: string,
): Promise<Stream> {
  const get = request(`${farm.url}/v1/events${query}`, {
    headers: {
      authorization: `Bearer ${farm.token}`,
      ...(lastEventId ? { 'last-event-id': lastEventId } : {}),
    },
    agent: false,
  });
  get.end();
  const [response] = (await once(get, 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  assert.match(String(response.headers['content-type']), /^text\/event-stream/);
  let text = '';
  let last = '';
  const events: SseEvent[] = [];
  let parsed = 0;
  response.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
    for (let end = text.indexOf('\n\n', parsed); end >= 0; end = text.indexOf('\n\n', parsed)) {
      const fields = Object.fromEntries(
        text
          .slice(parsed, end)
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      parsed = end + 2;
      if (fields.id) last = fields.id;
      if (fields.data)
        events.push({ id: fields.id ?? '', type: fields.event ?? '', data: JSON.parse(fields.data) });
    }
  });
  response.on('error', () => undefined);
  await until(() => text.includes('retry:'));
  return {
    events,
    text: () => text,
    lastId: () => last,
    statesOf: (job) =>
      events.filter((event) => event.data.job?.id === job).map((event) => event.data.job.state),
    async [Symbol.asyncDispose]() {
      const before = farm.control.events.size;
      get.destroy();
      await until(() => farm.control.events.size < before || before === 0);
    },
  };
}
