/** Pictures of footage files: stills, and frames of videos. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import type { CanvasKit, Image } from 'canvaskit-wasm';
import type { SimFootage } from '../sim-project.ts';

/** Videos are decoded at this rate, whatever they have: enough to see them move. */
const VIDEO_FPS = 25;
/** Of a longer video the rest repeats its last frame. */
const VIDEO_FRAMES = 500;

/** Loads each file once. */
export class FootagePictures {
  readonly #kit: CanvasKit;
  readonly #known = new Map<string, readonly Image[]>();

  constructor(kit: CanvasKit) {
    this.#kit = kit;
  }

  /** The picture of a file at a time, seconds; null when there is none that can be read. */
  at(path: string, footage: SimFootage, time: number): Image | null {
    let images = this.#known.get(path);
    if (!images) {
      images = this.#load(path, footage);
      this.#known.set(path, images);
    }
    const index = footage.duration === 0 ? 0 : Math.floor(loopedTime(footage, time) * VIDEO_FPS + 1e-6);
    return images[Math.min(images.length - 1, Math.max(0, index))] ?? null;
  }

  #load(path: string, footage: SimFootage): readonly Image[] {
    if (!isFile(path)) return [];
    const still = this.#kit.MakeImageFromEncoded(new Uint8Array(readFileSync(path)));
    return still ? [still] : this.#decodeVideo(path, footage);
  }

  #decodeVideo(path: string, { width, height }: SimFootage): readonly Image[] {
    const { stdout } = spawnSync(
      'ffmpeg',
      [
        ...['-v', 'quiet', '-nostdin', '-i', path, '-frames:v', String(VIDEO_FRAMES), '-an'],
        ...[
          '-vf',
          `fps=${VIDEO_FPS},scale=${width}:${height}`,
          '-f',
          'rawvideo',
          '-pix_fmt',
          'rgba',
          'pipe:1',
        ],
      ],
      { maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const size = width * height * 4;
    const images: Image[] = [];
    for (let at = 0; at + size <= (stdout?.length ?? 0); at += size) {
      const image = this.#kit.MakeImage(
        {
          width,
          height,
          colorType: this.#kit.ColorType.RGBA_8888,
          alphaType: this.#kit.AlphaType.Opaque,
          colorSpace: this.#kit.ColorSpace.SRGB,
        },
        stdout.subarray(at, at + size),
        width * 4,
      );
      if (image) images.push(image);
    }
    return images;
  }
}

/** Time in the file: footage that is looped starts over, so many times. */
export function loopedTime({ duration, loop = 1 }: SimFootage, time: number): number {
  return loop > 1 && time >= 0 && time < duration * loop - 1e-6 ? (time + 1e-9) % duration : time;
}

/** Whether footage is where the project says. */
export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
