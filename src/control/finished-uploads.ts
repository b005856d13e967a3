/** Outputs that arrived through this process lately: their completions need no look at the disk. */

// A completion follows its upload within moments; more than this many are never under way.
const REMEMBERED = 10_000;

/** Remembers sizes by object key until they are taken. */
export class FinishedUploads {
  readonly #sizes = new Map<string, number>();

  note(key: string, sizeBytes: number): void {
    const [oldest] = this.#sizes.keys();
    if (oldest !== undefined && this.#sizes.size >= REMEMBERED) this.#sizes.delete(oldest);
    this.#sizes.set(key, sizeBytes);
  }

  /** Whether this object arrived with this size; remembered no longer. */
  take(key: string, sizeBytes: number): boolean {
    const isSame = this.#sizes.get(key) === sizeBytes;
    this.#sizes.delete(key);
    return isSame;
  }
}
