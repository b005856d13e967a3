import { StringDecoder } from 'node:string_decoder';

/** Cuts a byte stream into lines as they come and keeps the last `limit` characters of it all. */
export class Lines {
  readonly #decoder = new StringDecoder('utf8');
  readonly #limit: number;
  readonly #onLine: (line: string) => void;
  #kept = '';
  #open = '';

  constructor(limit: number, onLine: (line: string) => void) {
    this.#limit = limit;
    this.#onLine = onLine;
  }

  /** Takes the next bytes; a character may be split between two calls. */
  add(chunk: Uint8Array): void {
    this.#take(this.#decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
  }

  /** The stream ended: a last line without a line feed counts too. */
  end(): void {
    this.#take(this.#decoder.end());
    if (this.#open !== '') this.#onLine(this.#open);
    this.#open = '';
  }

  /** What was kept. */
  text(): string {
    return this.#kept.slice(-this.#limit);
  }

  #take(text: string): void {
    this.#kept += text;
    // Cut only now and then: cutting on every chunk would copy the whole text each time.
    if (this.#kept.length > 2 * this.#limit) this.#kept = this.#kept.slice(-this.#limit);
    // A bare carriage return ends a line as well: progress displays overwrite theirs.
    const lines = (this.#open + text).split(/\r\n|\n|\r(?!$)/);
    this.#open = lines.pop() ?? '';
    // A program that never ends a line must not fill the memory.
    if (this.#open.length > 1_048_576) this.#open = '';
    for (const line of lines) this.#onLine(line);
  }
}
