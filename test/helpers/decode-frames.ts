/** Frames of a video file as pixels, decoded by node-av: what a player would show. */
import type { Frame } from 'node-av';

export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** RGB, three bytes a pixel. */
  readonly data: Buffer;
}

/** Decodes the frames at the given indexes (ascending). */
export async function decodeFrames(path: string, indexes: readonly number[]): Promise<Pixels[]> {
  const { Decoder, Demuxer, FilterAPI } = await import('node-av');
  const demuxer = await Demuxer.open(path);
  const stream = demuxer.video();
  if (!stream) throw new Error(`${path} has no picture`);
  using decoder = await Decoder.create(stream);
  using filter = FilterAPI.create('scale=in_color_matrix=bt709:in_range=tv:out_range=pc,format=rgb24', {});
  const wanted = new Set(indexes);
  const found: Pixels[] = [];
  let index = 0;
  const take = async (frames: readonly Frame[]) => {
    for (const frame of frames) {
      if (wanted.has(index)) for (const rgb of await filter.processAll(frame)) found.push(toPixels(rgb));
      index += 1;
      frame.free();
    }
  };
  for await (const packet of demuxer.packets(stream.index)) {
    if (packet === null) break;
    await take(await decoder.decodeAll(packet));
    packet.free();
  }
  await take(await decoder.decodeAll(null));
  await demuxer.close();
  return found;
}

function toPixels(frame: Frame): Pixels {
  const { width, height } = frame;
  const data = Buffer.from(frame.toBuffer());
  frame.free();
  return { width, height, data };
}

/** The colour at a place given as a share of width and height. */
export function colorAt({ width, height, data }: Pixels, x: number, y: number): [number, number, number] {
  const at = (Math.floor(y * height) * width + Math.floor(x * width)) * 3;
  return [data[at] ?? 0, data[at + 1] ?? 0, data[at + 2] ?? 0];
}

/** Share of pixels in a region (as shares of width and height) that differ clearly between two frames. */
export function difference(
  a: Pixels,
  b: Pixels,
  region: { left: number; top: number; right: number; bottom: number },
): number {
  let [count, all] = [0, 0];
  for (let y = Math.floor(region.top * a.height); y < region.bottom * a.height; y += 1) {
    for (let x = Math.floor(region.left * a.width); x < region.right * a.width; x += 1) {
      const at = (y * a.width + x) * 3;
      all += 1;
      if ([0, 1, 2].some((part) => Math.abs((a.data[at + part] ?? 0) - (b.data[at + part] ?? 0)) > 24))
        count += 1;
    }
  }
  return count / all;
}
