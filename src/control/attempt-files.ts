/** How many files one attempt may put into the object store. */
import { FlatrenderError } from '../lib/errors.ts';

/** An output, its complete log, and room for what engines may leave beside them one day. */
const FILES = 16;
// More attempts than this are not under way at one control plane; the oldest is forgotten, and may start anew.
const REMEMBERED = 10_000;

/** File names by attempt. */
export class AttemptFiles {
  readonly #names = new Map<string, Set<string>>();

  /** Refuses one file too many; the same one may be asked for as often as it takes. */
  admit({ taskId, epoch }: { readonly taskId: string; readonly epoch: number }, name: string): void {
    const key = `${taskId} ${epoch}`;
    let names = this.#names.get(key);
    if (names === undefined) {
      names = new Set();
      this.#names.set(key, names);
      const [oldest] = this.#names.keys();
      if (oldest !== undefined && this.#names.size > REMEMBERED) this.#names.delete(oldest);
    }
    if (!names.has(name) && names.size >= FILES) {
      throw new FlatrenderError(
        'REQUEST_INVALID',
        `"${name}" would be file ${FILES + 1} of this attempt; at most ${FILES} are kept`,
        { hint: 'pack them into one' },
      );
    }
    names.add(name);
  }
}
