/** Pictures of the mock engine: a bar that fills as the frames go by. */
import { crc32, deflateSync } from 'node:zlib';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** One RGBA frame: white up to where the render is, blue beyond. */
export function mockFrame({ width, height }: Size, frame: number, frames: number): Uint8Array {
  const done = Math.round(((frame + 1) / frames) * width);
  const pixels = new Uint32Array(width * height).fill(0xff_a0_40_20);
  for (let y = 0; y < height; y += 1) pixels.fill(0xff_ff_ff_ff, y * width, y * width + done);
  return new Uint8Array(pixels.buffer);
}

/** The last frame as a PNG file (PNG specification, third edition, 5 and 11.2: signature, IHDR, IDAT, IEND). */
export function mockPng({ width, height }: Size): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8); // 8 bit greyscale, no interlace
  const rows = Buffer.alloc((width + 1) * height, 0xff);
  for (let y = 0; y < height; y += 1) rows[y * (width + 1)] = 0; // no row filter
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
