import { closeSync, fdatasync, openSync } from 'node:fs';

/**
 * Puts SQLite's write-ahead log on the disk without holding up the event loop.
 *
 * With `synchronous = full` SQLite itself waits for the disk inside COMMIT, and while a busy disk takes its 5 to 100 ms
 * nothing else is answered. With `synchronous = normal` COMMIT only writes the log (sqlite.org/wal.html, "Performance
 * Considerations": what is lost with the power is the newest commits, never consistency), and this syncs the same file
 * in a thread before anybody is told. What was acknowledged is as durable as before; the loop goes on meanwhile, and
 * the commits of that time share the next sync.
 */
export class WalSync {
  readonly #fd: number;
  #waiting: ((error: Error | null) => void)[] = [];
  #running = false;
  #closed = false;

  /** `path` is the database's; its log must exist. */
  constructor(path: string) {
    // Writable because Windows flushes no other handle. Closing it drops no lock: SQLite's are on other files.
    this.#fd = openSync(`${path}-wal`, 'r+');
  }

  /** Whether something that was committed is not yet known to be on the disk. */
  get isPending(): boolean {
    return this.#running || this.#waiting.length > 0;
  }

  /** Calls back when everything committed so far is on the disk, or with the disk's refusal. */
  afterSync(callback: (error: Error | null) => void): void {
    this.#waiting.push(callback);
    if (!this.#running) this.#start();
  }

  /** Lets go of the file; nothing may be pending. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #start(): void {
    const covered = this.#waiting;
    this.#waiting = [];
    this.#running = true;
    fdatasync(this.#fd, (error) => {
      this.#running = false;
      if (this.#waiting.length > 0) this.#start();
      for (const callback of covered) callback(error);
    });
  }
}
