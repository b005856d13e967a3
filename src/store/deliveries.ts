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
  readonly createdAt: number;
  /** Not before; epoch ms. */
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
}

/**
 * Deliveries are stored with the change that causes them: the store itself adds `job.ended.<job>.<endedAt>` for a job with a
 * webhook in the transaction that ends the job, so no crash loses it.
 */
export interface DeliveryStore {
  addDelivery(delivery: NewDelivery): Promise<DeliveryRecord>;
  /** Waiting ones that are due, oldest first; nobody else gets them before `hiddenUntil`. Also when the next is due. */
  takeDeliveries(
    now: number,
    hiddenUntil: number,
    limit: number,
  ): Promise<{ readonly deliveries: readonly DeliveryRecord[]; readonly nextAt: number | null }>;
  /** DELIVERY_NOT_FOUND. */
  settleDelivery(id: string, outcome: DeliveryOutcome): Promise<DeliveryRecord>;
  /** Due again at once, whatever its state, its tries counted anew. DELIVERY_NOT_FOUND. */
  replayDelivery(id: string, now: number): Promise<DeliveryRecord>;
  getDelivery(id: string): Promise<DeliveryRecord | null>;
  /** Newest first. */
  listDeliveries(filter: {
    readonly state?: DeliveryState | undefined;
    readonly jobId?: string | undefined;
    readonly limit: number;
  }): Promise<readonly DeliveryRecord[]>;
  /** Deletes ended ones before `endedBefore`, at most `limit`; returns how many. */
  purgeDeliveries(endedBefore: number, limit: number): Promise<number>;
}
