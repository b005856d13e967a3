import type { Clock } from '../lib/clock.ts';
import type { NewAuditEntry } from '../store/audit.ts';

/** What the same caller does in this time besides the first one is one entry. */
const WINDOW_MS = 1000;

interface Pending {
  /** The newest; null: nothing since the last one was written. */
  entry: NewAuditEntry | null;
  count: number;
  jobs: number;
  first: string | null;
  readonly cancel: () => void;
}

/**
 * Entries of which there may be hundreds a second (submits): the first is written at once, and those that follow within a
 * second as one that counts them.
 */
export class AuditSeries {
  readonly #clock: Clock;
  readonly #write: (entry: NewAuditEntry) => Promise<void>;
  readonly #pending = new Map<string, Pending>();

  constructor(clock: Clock, write: (entry: NewAuditEntry) => Promise<void>) {
    this.#clock = clock;
    this.#write = write;
  }

  add(entry: NewAuditEntry): void {
    const { actor, action, outcome, from, details } = entry;
    const key = JSON.stringify([actor, details.token, action, outcome, from]);
    const pending = this.#pending.get(key);
    if (pending === undefined) {
      this.#open(key);
      void this.#write(entry);
      return;
    }
    pending.first ??= entry.subject;
    pending.count += 1;
    pending.jobs += typeof details.jobs === 'number' ? details.jobs : 0;
    pending.entry = entry;
  }

  /** Writes what is still counted. */
  async close(): Promise<void> {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const each of pending) each.cancel();
    await Promise.all(pending.map((each) => this.#flush(each)));
  }

  #open(key: string): void {
    const cancel = this.#clock.after(WINDOW_MS, () => {
      const pending = this.#pending.get(key);
      this.#pending.delete(key);
      if (pending === undefined || pending.entry === null) return;
      this.#open(key);
      void this.#flush(pending);
    });
    this.#pending.set(key, { entry: null, count: 0, jobs: 0, first: null, cancel });
  }

  async #flush({ entry, count, jobs, first }: Pending): Promise<void> {
    if (entry === null) return;
    if (count === 1) return this.#write(entry);
    const details = { ...entry.details, requests: count, first, ...(jobs > 0 ? { jobs } : {}) };
    await this.#write({ ...entry, details });
  }
}
