/**
 * The line of one control plane to the others: one connection of its own that listens and notifies, says every second that
 * this one is alive, and holds the leader's lock.
 */
import { performance } from 'node:perf_hooks';
import type { Client } from 'pg';
import { type Clock, sleep } from '../../lib/clock.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { FarmChange, Replica, SharedListener } from '../shared.ts';
import { ANSWER_MS, answered } from './answered.ts';
import { CHANNEL, parseNotification } from './notification.ts';
import { Peers } from './peers.ts';
import {
  beat,
  forgetOld,
  GONE_SECONDS,
  type OwnRow,
  type ReplicaRow,
  readReplicas,
  sayGoodbye,
  tryToLead,
} from './replica-table.ts';
import { Sender } from './sender.ts';

const BEAT_MS = 1000;
/**
 * A leader that was not confirmed for this long does nothing any more. Less than {@link GONE_SECONDS}, and counted from before
 * its beat was sent: when another one may take over, this one has stopped. Should both work for a moment all the same (a
 * process that is stopped between the check and the statement), nothing breaks: everything that the leader does is decided by
 * rows under their locks, and doing it twice finds nothing left to do.
 */
const LEAD_MS = GONE_SECONDS * 1000 - 1000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1000;
const TIDY_BEATS = 60;
const PREVIEWS_MS = 3_600_000;
const GOODBYE_MS = 2000;

export interface FarmLinkOptions {
  readonly connect: () => Promise<Client>;
  readonly replicaId: string;
  readonly hostname: string;
  readonly version: string;
  /**
   * Whether this is a control plane. A tool hears of the others and tells them what it changed; it does none of their work, so
   * it must neither lead nor count as one of them.
   */
  readonly joins: boolean;
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
}

export class FarmLink {
  readonly #options: FarmLinkOptions;
  readonly #sender: Sender;
  readonly #startedAt: number;
  readonly #peers: Peers;
  readonly #closing = new AbortController();
  #listener: SharedListener | null = null;
  #client: Client | null = null;
  #sending: Promise<void> | null = null;
  #hasLock = false;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  #wasLeader = false;
  #beats = 0;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: FarmLinkOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#sender = new Sender(options.replicaId);
    this.#peers = new Peers({
      replicaId: options.replicaId,
      onGap: (reason) => this.#gap(reason),
      onJoined: ({ id, hostname: host }) => options.logger?.info('replicas.joined', { replica: id, host }),
      onGone: ({ id, hostname: host }) => options.logger?.warn('replicas.gone', { replica: id, host }),
    });
  }

  /** Whether the lock is held and was confirmed just now. */
  get isLeader(): boolean {
    return this.#hasLock && performance.now() - this.#confirmedAt < LEAD_MS;
  }

  get replicaId(): string {
    return this.#options.replicaId;
  }

  /** Connects, and stays connected until `close`. Fails when the first connection does. */
  async start(): Promise<void> {
    await this.#open();
    this.#loop = this.#run();
  }

  listen(listener: SharedListener): void {
    this.#listener = listener;
    this.#wasLeader = this.isLeader;
  }

  /** Changes of transactions that are committed; sent as soon as the ones before are. Never throws. */
  announce(changes: readonly FarmChange[]): void {
    if (changes.length === 0) return;
    this.#sender.add(changes);
    // All that one turn of the event loop brings goes together.
    if (this.#sending === null) setImmediate(() => this.#send());
  }

  /** Those that are alive. UNAVAILABLE for a tool without a connection: it decides by who is there. */
  async replicas(): Promise<readonly Replica[]> {
    if (this.#client === null) {
      if (this.#options.joins) return [];
      throw new FlatrenderError('UNAVAILABLE', 'the connection to the database was lost');
    }
    return (await readReplicas(this.#client)).filter((row) => row.isAlive);
  }

  /** Sends what waits, says goodbye and lets go of the lock. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#loop;
    const client = this.#client;
    if (client === null) return;
    const goodbye = async (): Promise<void> => {
      await this.#sending;
      this.#send();
      await this.#sending;
      if (this.#options.joins) await sayGoodbye(client, this.replicaId);
    };
    const late = new AbortController();
    await Promise.race([
      goodbye().catch(() => undefined),
      sleep(GOODBYE_MS, this.#options.clock, late.signal).catch(() => undefined),
    ]);
    late.abort();
    this.#drop();
  }

  async #open(): Promise<void> {
    const client = await this.#options.connect();
    try {
      client.on('notification', ({ payload }) => this.#receive(payload ?? ''));
      client.on('end', () => this.#lost(client, 'the connection ended'));
      client.on('error', (error) => this.#lost(client, error.message));
      // Hints need not be on the disk before they go out.
      await client.query(
        `set synchronous_commit = off; set statement_timeout = ${ANSWER_MS}; listen ${CHANNEL}`,
      );
      this.#client = client;
      await this.#beat(client);
    } catch (error) {
      // With the connection goes the lock, even when the first beat got it before it failed.
      if (client === this.#client) this.#drop();
      else client.end().catch(() => undefined);
      throw error;
    }
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#closing;
    let pause = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      try {
        const client = this.#client;
        if (client === null) {
          await sleep(pause * (0.5 + Math.random() / 2), clock, signal);
          pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
          await this.#open();
          pause = FIRST_PAUSE_MS;
          logger?.info('replicas.connected', { replica: this.replicaId });
          this.#gap('the connection to the database was lost');
          this.#send();
        } else {
          await this.#pause(signal);
          await this.#beat(client);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (this.#client !== null) this.#lost(this.#client, messageOf(error));
        else logger?.debug('replicas.not_connected', { error });
      }
    }
  }

  /** Until the next beat; a leader that cannot be confirmed stops in between. */
  async #pause(signal: AbortSignal): Promise<void> {
    await sleep(BEAT_MS, this.#options.clock, signal);
    this.#tellLeader();
  }

  async #beat(client: Client): Promise<void> {
    const sentAt = performance.now();
    const stood = sentAt - this.#confirmedAt;
    const { replicaId, hostname, version, joins, clock } = this.#options;
    const own: OwnRow = {
      id: replicaId,
      hostname,
      version,
      startedAt: this.#startedAt,
      announced: this.#sender.announced,
    };
    const work = async (): Promise<readonly ReplicaRow[]> => {
      if (joins) {
        await beat(client, own);
        await this.#tryToLead(client);
      }
      this.#beats += 1;
      if (this.#hasLock && this.#beats % TIDY_BEATS === 0) await forgetOld(client, clock.now() - PREVIEWS_MS);
      return readReplicas(client);
    };
    const rows = await answered(work(), clock);
    // Another connection has taken its place meanwhile.
    if (client !== this.#client) return;
    this.#confirmedAt = sentAt;
    this.#peers.compare(rows);
    this.#tellLeader();
    if (Number.isFinite(stood) && stood > GONE_SECONDS * 1000) {
      this.#gap(`this control plane stood still for ${Math.round(stood / 1000)} s`);
    }
  }

  async #tryToLead(client: Client): Promise<void> {
    if (this.#hasLock) return;
    const hasLock = await tryToLead(client);
    // An answer that came too late: that connection was given up, and the lock goes with it.
    if (client === this.#client) this.#hasLock = hasLock;
  }

  #receive(payload: string): void {
    const notification = parseNotification(payload);
    if (notification === null || !this.#peers.take(notification)) return;
    const { changes } = notification;
    if (changes === null) this.#gap('another control plane changed more than it can tell');
    else if (changes.length > 0) this.#tell((listener) => listener.onChanges(changes));
  }

  #send(): void {
    if (this.#sending !== null || this.#client === null) return;
    this.#sending = this.#drain(this.#client)
      // The connection is at fault: what is left goes out on the next one.
      .catch((error: unknown) => {
        if (this.#client !== null) this.#lost(this.#client, messageOf(error));
      })
      .finally(() => {
        this.#sending = null;
      });
  }

  async #drain(client: Client): Promise<void> {
    while (client === this.#client) {
      if (!(await answered(this.#sender.send(client), this.#options.clock))) return;
    }
  }

  #lost(client: Client, reason: string): void {
    if (client !== this.#client) return;
    this.#drop();
    if (this.#closing.signal.aborted) return;
    this.#options.logger?.warn('replicas.connection_lost', { reason });
    this.#tellLeader();
  }

  #drop(): void {
    const client = this.#client;
    this.#client = null;
    this.#hasLock = false;
    // Whoever holds on to the socket of a server that does not answer waits for it; nobody does.
    client?.end().catch(() => undefined);
  }

  #tellLeader(): void {
    const { isLeader } = this;
    if (isLeader === this.#wasLeader) return;
    this.#wasLeader = isLeader;
    this.#options.logger?.info(isLeader ? 'replicas.leading' : 'replicas.not_leading', {
      replica: this.replicaId,
    });
    this.#tell((listener) => listener.onLeader(isLeader));
  }

  #gap(reason: string): void {
    this.#tell((listener) => listener.onGap(reason));
  }

  /** A listener that fails must not take the line down with it. */
  #tell(call: (listener: SharedListener) => void): void {
    try {
      if (this.#listener !== null) call(this.#listener);
    } catch (error) {
      this.#options.logger?.error('replicas.listener_failed', { error });
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
