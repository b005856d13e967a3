/** Server-sent events: a ring of what happened lately, and the clients that follow it. */
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { FarmEvent } from '../protocol/events.ts';

/** Which events a client wants; without any filter: jobs and nodes. */
export interface EventFilter {
  /** null: every job. */
  readonly jobs: ReadonlySet<string> | null;
  readonly nodes: boolean;
}

interface Entry {
  readonly n: number;
  readonly topic: Topic;
  readonly frame: string;
}

/** What a filter looks at. */
type Topic = { readonly job: string; readonly isLog: boolean } | { readonly node: string };

interface Client {
  readonly response: ServerResponse;
  readonly filter: EventFilter;
}

interface Pending {
  readonly make: () => Promise<FarmEvent | null>;
  readonly stop: () => void;
}

// Ten thousand events are a few MB and cover a reconnect on any farm.
const RING_SIZE = 10_000;
// With nobody following, events are not even made; for this long after the last one left they still are.
const KEEP_AFTER_LAST_MS = 5 * 60_000;
// Proxies cut connections that are silent for 30 to 60 s.
const COMMENT_MS = 15_000;
// A client this far behind does not read; it reconnects and resumes if it is alive.
const SLOW_CLIENT_BYTES = 1024 * 1024;
// People cannot read faster; progress of a job is sent at most this often.
const THROTTLE_MS = 250;
// Thousands of busy nodes fill the table anew all the time: looking through it for each event would cost more than them.
const TIDY_MS = 5000;

interface EventsOptions {
  readonly clock: Clock;
  readonly maxClients: number;
}

/** Publishes events to clients that follow `/v1/events`. */
export class Events {
  readonly #clock: Clock;
  readonly #maxClients: number;
  readonly #boot = randomBytes(4).toString('hex');
  readonly #clients = new Set<Client>();
  readonly #throttled = new Map<string, { nextAt: number; pending: Pending | null }>();
  /** What is being read, and what is to be read after it. */
  readonly #making = new Map<string, (() => Promise<FarmEvent | null>) | null>();
  #ring: Entry[] = [];
  #n = 0;
  /** Events up to this one were made while nobody listened, or have left the ring: they cannot be resumed. */
  #lostUpTo = 0;
  #activeUntil = 0;
  #tidyAt = 0;
  #stopComments: () => void = () => undefined;

  constructor(options: EventsOptions) {
    this.#clock = options.clock;
    this.#maxClients = options.maxClients;
  }

  /** Clients that follow at the moment. */
  get size(): number {
    return this.#clients.size;
  }

  /** Whether making an event is worth the work: somebody follows, or did lately and may resume. */
  get isActive(): boolean {
    return this.#clients.size > 0 || this.#clock.now() < this.#activeUntil;
  }

  /** Sends an event now. */
  publish(event: FarmEvent): void {
    this.#n += 1;
    if (!this.isActive) {
      this.#lostUpTo = this.#n;
      this.#ring = [];
      return;
    }
    const topic = topicOf(event);
    if (topic === null) return;
    const frame = `id: ${this.#boot}-${this.#n}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    this.#ring.push({ n: this.#n, topic, frame });
    if (this.#ring.length > RING_SIZE * 1.25) {
      this.#ring = this.#ring.slice(-RING_SIZE);
      this.#lostUpTo = (this.#ring[0]?.n ?? this.#n) - 1;
    }
    for (const client of this.#clients) if (wants(client.filter, topic)) this.#send(client, frame);
  }

  /**
   * Sends the state that `make` reads now. One at a time for each `key`: what was read first is sent first, and of those that
   * come meanwhile only the newest is made.
   */
  publishLatest(key: string, make: () => Promise<FarmEvent | null>): void {
    if (!this.isActive) {
      this.skip();
      return;
    }
    void this.#make(key, make);
  }

  /** What clients show may be wrong: all of them, also those that resume, are to read everything anew. */
  reset(reason: string): void {
    this.skip();
    this.#ring = [];
    const event: FarmEvent = { type: 'reset', reason };
    const frame = `id: ${this.#boot}-${this.#n}\nevent: reset\ndata: ${JSON.stringify(event)}\n\n`;
    for (const client of [...this.#clients]) this.#send(client, frame);
  }

  /** Something happened that cannot be shown as an event now; who resumes must read everything anew. */
  skip(): void {
    this.#n += 1;
    this.#lostUpTo = this.#n;
  }

  /**
   * Sends the newest state of `key` at most four times a second: the first at once, of those that follow only the last.
   * `make` is called when it is sent; null: nothing to say any more.
   */
  publishThrottled(key: string, make: () => Promise<FarmEvent | null>): void {
    if (!this.isActive) {
      this.skip();
      return;
    }
    const now = this.#clock.now();
    const slot = this.#throttled.get(key);
    // Further away than one interval: the clock was set back since.
    const isDue = slot === undefined || slot.nextAt <= now || slot.nextAt > now + THROTTLE_MS;
    if (slot === undefined || (slot.pending === null && isDue)) {
      this.#throttled.set(key, { nextAt: now + THROTTLE_MS, pending: null });
      void this.#make(key, make);
    } else if (slot.pending === null) {
      const stop = this.#clock.after(slot.nextAt - now, () => {
        this.#throttled.delete(key);
        this.publishThrottled(key, make);
      });
      slot.pending = { make, stop };
    }
    // Slots of jobs that went quiet are only memory; now and then the old ones go.
    if (this.#throttled.size > 1000 && now >= this.#tidyAt) {
      this.#tidyAt = now + TIDY_MS;
      for (const [old, { nextAt, pending }] of this.#throttled) {
        if (pending === null && nextAt < now) this.#throttled.delete(old);
      }
    }
  }

  /**
   * Answers with events until the client leaves. RATE_LIMITED when there are too many; `onAccepted` is called when not,
   * before anything is written.
   */
  follow(
    response: ServerResponse,
    filter: EventFilter,
    lastEventId: string | undefined,
    onAccepted: () => void,
  ): void {
    if (this.#clients.size >= this.#maxClients) {
      throw new FlatrenderError('RATE_LIMITED', `${this.#maxClients} programs follow events already`, {
        hint: 'raise limits.eventClients in flatrender.yaml',
      });
    }
    onAccepted();
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    const client: Client = { response, filter };
    this.#clients.add(client);
    response.on('close', () => this.#leave(client));
    response.on('error', () => this.#leave(client));
    this.#send(client, 'retry: 2000\n\n');
    if (lastEventId) this.#resume(client, lastEventId);
    // The id at once: a client that is cut off before the first event can resume all the same.
    else this.#send(client, `id: ${this.#boot}-${this.#n}\n\n`);
    if (this.#clients.size === 1) this.#comment();
  }

  /** Ends all connections. */
  close(): void {
    this.#stopComments();
    for (const { pending } of this.#throttled.values()) pending?.stop();
    for (const { response } of this.#clients) response.end();
    this.#clients.clear();
  }

  #resume(client: Client, lastEventId: string): void {
    const match = /^([0-9a-f]{8})-(\d{1,15})$/.exec(lastEventId);
    const n = match?.[1] === this.#boot ? Number(match[2]) : undefined;
    if (n === undefined || n > this.#n || n < this.#lostUpTo) {
      const reason =
        n === undefined
          ? 'the control plane was started anew, or another one answers now'
          : 'that was too long ago';
      const reset: FarmEvent = { type: 'reset', reason };
      this.#send(client, `id: ${this.#boot}-${this.#n}\nevent: reset\ndata: ${JSON.stringify(reset)}\n\n`);
      return;
    }
    for (const entry of this.#ring) {
      if (entry.n > n && wants(client.filter, entry.topic)) this.#send(client, entry.frame);
    }
  }

  #send(client: Client, text: string): void {
    const { response } = client;
    if (response.writableLength > SLOW_CLIENT_BYTES) {
      this.#leave(client);
      response.destroy();
      return;
    }
    response.write(text);
  }

  #leave(client: Client): void {
    if (!this.#clients.delete(client) || this.#clients.size > 0) return;
    this.#activeUntil = this.#clock.now() + KEEP_AFTER_LAST_MS;
    this.#stopComments();
  }

  #comment(): void {
    this.#stopComments = this.#clock.after(COMMENT_MS, () => {
      for (const client of [...this.#clients]) this.#send(client, ': still here\n\n');
      if (this.#clients.size > 0) this.#comment();
    });
  }

  async #make(key: string, make: () => Promise<FarmEvent | null>): Promise<void> {
    if (this.#making.has(key)) {
      this.#making.set(key, make);
      return;
    }
    for (let next: typeof make | null = make; next !== null; next = this.#making.get(key) ?? null) {
      this.#making.set(key, null);
      try {
        const event = await next();
        if (event) this.publish(event);
      } catch {
        // The store failed; whoever resumes reads everything anew.
        this.skip();
      }
    }
    this.#making.delete(key);
  }
}

function topicOf(event: FarmEvent): Topic | null {
  switch (event.type) {
    case 'job':
      return { job: event.job.id, isLog: false };
    case 'log':
      return { job: event.job, isLog: true };
    case 'node':
      return { node: event.node.id };
    case 'node.removed':
      return { node: event.id };
    default:
      return null;
  }
}

function wants(filter: EventFilter, topic: Topic): boolean {
  if ('node' in topic) return filter.nodes;
  if (filter.jobs !== null) return filter.jobs.has(topic.job);
  // Log lines interest who follows that job by name.
  return !topic.isLog;
}
