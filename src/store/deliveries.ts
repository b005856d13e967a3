/** Webhooks that wait to be delivered, and those that were. */

export type DeliveryState = 'waiting' | 'delivered' | 'failed';

export interface NewDelivery {
  /** `webhook-id` of every try: the receiver recognises what it has seen. */
  readonly id: string;
  /** e.g. `job.ended`. */
  readonly type: string;
  /** null: a test. */
  readonly jobId: string | null;
  readonly url: string;
  /** What is sent; null until the first try makes it from the job. */
  readonly body: string | null;
  readonly createdAt: number;
  /** Not before; epoch ms. Of one that is under way: when it would be tried again if nobody settled it. */
  readonly dueAt: number;
}

export interface DeliveryRecord extends NewDelivery {
  readonly state: DeliveryState;
  /** Tries so far. */
  readonly attempts: number;
  readonly lastAttemptAt: number | null;
  /** HTTP status of the last answer; null: there was none. */
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly endedAt: number | null;
}

/** What a try brought. */
export interface DeliveryOutcome {
  readonly state: DeliveryState;
  readonly at: number;
  readonly status: number | null;
  readonly error: string | null;
  /** Of a `waiting` one: the next try. */
  readonly dueAt: number | null;
  /** What was sent: every further try, and a replay, sends the same. null: keeps what is there. */
  readonly body: string | null;
}

/** Host and port that a delivery goes to: what is limited, and kept out, per receiver. */
export function deliveryHost(url: string): string {
  return URL.canParse(url) ? new URL(url).host : '';
}

/**
 * Deliveries are stored with the change that causes them: the store itself adds `job.ended.<job>.<endedAt>` for a job with a
 * webhook in the transaction that ends the job, so no crash loses it.
 */
export interface DeliveryStore {
  /** The same id again: the one that is there. */
  addDelivery(delivery: NewDelivery): Promise<DeliveryRecord>;
  /**
   * Waiting ones that are due, the longest due first; nobody gets them again before `hiddenUntil`, which is their `dueAt`
   * now. None of these hosts ({@link deliveryHost}). `nextAt`: when the next of any host is due.
   */
  takeDeliveries(
    now: number,
    hiddenUntil: number,
    limit: number,
    exceptHosts?: readonly string[],
  ): Promise<{ readonly deliveries: readonly DeliveryRecord[]; readonly nextAt: number | null }>;
  /** Counts a try. One that is not `waiting` (any more) stays as it is. DELIVERY_NOT_FOUND. */
  settleDelivery(id: string, outcome: DeliveryOutcome): Promise<DeliveryRecord>;
  /** Due again at once, whatever its state, its tries counted anew. DELIVERY_NOT_FOUND. */
  replayDelivery(id: string, now: number): Promise<DeliveryRecord>;
  getDelivery(id: string): Promise<DeliveryRecord | null>;
  /** Newest first: by `createdAt`, then by id. */
  listDeliveries(filter: {
    readonly state?: DeliveryState | undefined;
    readonly jobId?: string | undefined;
    readonly limit: number;
  }): Promise<readonly DeliveryRecord[]>;
  /** Deletes ended ones before `endedBefore`, at most `limit`; returns how many. */
  purgeDeliveries(endedBefore: number, limit: number): Promise<number>;
}
