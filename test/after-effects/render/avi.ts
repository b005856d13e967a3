/** AVI files that can be read while they grow: uncompressed picture and PCM sound. */
import { closeSync, openSync, writeSync } from 'node:fs';

export interface AviOptions {
  readonly width: number;
  readonly height: number;
  readonly fps: { readonly num: number; readonly den: number };
  /** How many will come; the header tells it from the start. */
  readonly frames: number;
  /** 48 kHz, stereo, 16 bit, interleaved; null: no sound. */
  readonly sound: Int16Array | null;
}

const SOUND_RATE = 48_000;

/** Writes an AVI 1.0 file; at most 2 GB. */
export class AviWriter {
  readonly #fd: number;
  readonly #options: AviOptions;
  readonly #rowBytes: number;
  readonly #index: Buffer[] = [];
  #written = 4; // in the list "movi", after its name
  #frames = 0;
  #soundAt = 0;
  #moviAt = 0;

  constructor(path: string, options: AviOptions) {
    this.#options = options;
    this.#rowBytes = (options.width * 3 + 3) & ~3;
    this.#fd = openSync(path, 'w');
    const header = this.#header();
    this.#moviAt = header.length - 8;
    writeSync(this.#fd, header);
  }

  /** Takes RGBA. */
  write(pixels: Uint8Array): void {
    const { width, height, fps, sound } = this.#options;
    // Bottom row first, blue first.
    const picture = Buffer.alloc(this.#rowBytes * height);
    for (let y = 0; y < height; y += 1) {
      let [from, to] = [y * width * 4, (height - 1 - y) * this.#rowBytes];
      for (let x = 0; x < width; x += 1, from += 4, to += 3) {
        picture[to] = pixels[from + 2] ?? 0;
        picture[to + 1] = pixels[from + 1] ?? 0;
        picture[to + 2] = pixels[from] ?? 0;
      }
    }
    this.#chunk('00db', picture);
    this.#frames += 1;
    if (!sound) return;
    const until = Math.min(sound.length, Math.round((this.#frames * fps.den * SOUND_RATE) / fps.num) * 2);
    const part = sound.subarray(this.#soundAt, until);
    this.#soundAt = until;
    this.#chunk('01wb', Buffer.from(part.buffer, part.byteOffset, part.byteLength));
  }

  /** Writes the index and the final sizes; of an unfinished file players count the frames. */
  close(): void {
    const index = Buffer.concat(this.#index);
    writeSync(this.#fd, Buffer.concat([fourcc('idx1'), uint32(index.length), index]));
    const end = this.#moviAt + 4 + this.#written + 8 + index.length;
    writeSync(this.#fd, uint32(end - 4), 0, 4, 4);
    writeSync(this.#fd, uint32(this.#written), 0, 4, this.#moviAt);
    writeSync(this.#fd, uint32(this.#frames), 0, 4, 48);
    closeSync(this.#fd);
  }

  #chunk(name: string, data: Buffer): void {
    const padding = Buffer.alloc(data.length % 2);
    this.#index.push(Buffer.concat([fourcc(name), uint32(0x10), uint32(this.#written), uint32(data.length)]));
    writeSync(this.#fd, Buffer.concat([fourcc(name), uint32(data.length), data, padding]));
    this.#written += 8 + data.length + padding.length;
  }

  #header(): Buffer {
    const { width, height, fps, frames, sound } = this.#options;
    const size = this.#rowBytes * height;
    const main = Buffer.concat(
      [Math.round((1e6 * fps.den) / fps.num), 0, 0, 0x10, frames, 0, sound ? 2 : 1, size, width, height].map(
        uint32,
      ),
    );
    const picture = list('strl', [
      chunk('strh', [
        fourcc('vids'),
        fourcc('DIB '),
        ...[0, 0, 0, fps.den, fps.num, 0, frames, size, 0xffffffff, 0].map(uint32),
        uint32(0), // left and top
        uint16(width),
        uint16(height),
      ]),
      chunk('strf', [
        ...[40, width, height].map(uint32),
        uint16(1),
        uint16(24),
        ...[0, size, 0, 0, 0, 0].map(uint32),
      ]),
    ]);
    const track =
      sound &&
      list('strl', [
        chunk('strh', [
          fourcc('auds'),
          uint32(0),
          ...[0, 0, 0, 4, SOUND_RATE * 4, 0, sound.length / 2, SOUND_RATE * 4, 0xffffffff, 4].map(uint32),
          Buffer.alloc(8),
        ]),
        chunk('strf', [
          uint16(1),
          uint16(2),
          uint32(SOUND_RATE),
          uint32(SOUND_RATE * 4),
          uint16(4),
          uint16(16),
        ]),
      ]);
    const headers = list('hdrl', [
      chunk('avih', [main, Buffer.alloc(16)]),
      picture,
      ...(track ? [track] : []),
    ]);
    // Sizes that are not known yet are as large as they may get, so that the start of the file can be played.
    const movi = Buffer.concat([fourcc('LIST'), uint32(0x7ffffff0), fourcc('movi')]);
    return Buffer.concat([fourcc('RIFF'), uint32(0x7ffffff8), fourcc('AVI '), headers, movi]);
  }
}

function chunk(name: string, parts: readonly Buffer[]): Buffer {
  const data = Buffer.concat(parts);
  return Buffer.concat([fourcc(name), uint32(data.length), data]);
}

function list(type: string, parts: readonly Buffer[]): Buffer {
  return chunk('LIST', [fourcc(type), ...parts]);
}

function fourcc(name: string): Buffer {
  return Buffer.from(name, 'latin1');
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function uint16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16LE(value);
  return buffer;
}
