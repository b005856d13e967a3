/** Sends what this control plane changed: gathered, in order, one statement at a time, and until it is known to have arrived. */
import type { ClientBase } from 'pg';
import type { FarmChange } from '../shared.ts';
import { CHANNEL, Outbox } from './notification.ts';

/** Notifications of one statement. */
const BATCH = 16;

export class Sender {
  readonly #replicaId: string;
  readonly #outbox = new Outbox();
  /** Sent, and not known to have arrived: goes out again as it is, and receivers know the numbers. */
  #batch: readonly string[] = [];
  #seq = 0;
  #announced = 0;

  constructor(replicaId: string) {
    this.#replicaId = replicaId;
  }

  /** Number of the last notification that is known to have been sent. */
  get announced(): number {
    return this.#announced;
  }

  add(changes: readonly FarmChange[]): void {
    this.#outbox.add(changes);
  }

  /** Sends one batch; false: there is nothing to send. When it fails the same batch is next. */
  async send(client: ClientBase): Promise<boolean> {
    if (this.#batch.length === 0) {
      if (this.#outbox.isEmpty) return false;
      this.#batch = this.#outbox.take(this.#replicaId, this.#seq, BATCH);
      this.#seq += this.#batch.length;
    }
    await client.query({
      name: 'notify',
      text: `select pg_notify('${CHANNEL}', w.payload) from unnest($1::text[]) with ordinality as w (payload, i) order by w.i`,
      values: [this.#batch],
    });
    this.#batch = [];
    this.#announced = this.#seq;
    return true;
  }
}
