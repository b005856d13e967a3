/** Draws frames of an animation into memory that an encoder can read without a copy. */
import type {
  CanvasKit,
  EmbindEnumEntity,
  MallocObj,
  ManagedSkottieAnimation,
  Surface,
} from 'canvaskit-wasm';
import { FlatrenderError } from '../../lib/errors.ts';
import type { OutputSpec } from '../../protocol/jobs.ts';
import { parseColor } from './color.ts';

export interface StageOptions {
  readonly kit: CanvasKit;
  readonly animation: ManagedSkottieAnimation;
  /** Size of the animation. */
  readonly source: { readonly width: number; readonly height: number };
  readonly width: number;
  readonly height: number;
  readonly fit: OutputSpec['fit'];
  /** #rrggbb; opaque whatever its last two digits say: no output has transparency. */
  readonly background: string;
  /** How many frames can be waiting for the encoder while the next one is drawn. */
  readonly buffers: number;
}

interface Buffer {
  readonly memory: MallocObj;
  readonly surface: Surface;
}

/** Surfaces in wasm memory; disposing frees it. The animation stays its owner's. */
export class Stage implements Disposable {
  readonly #options: StageOptions;
  readonly #buffers: Buffer[] = [];
  readonly #size: number;
  #next = 0;
  #position = 0;

  constructor(options: StageOptions) {
    this.#options = options;
    this.#size = options.width * options.height * 4;
    try {
      for (let index = 0; index < options.buffers; index += 1) this.#buffers.push(this.#allocate());
    } catch (cause) {
      this[Symbol.dispose]();
      throw new FlatrenderError(
        'ENGINE_FAILED',
        `no memory for frames of ${options.width} × ${options.height}`,
        {
          cause,
          hint: 'render a smaller size',
        },
      );
    }
  }

  /**
   * Draws the frame at a position (in frames of the animation from its start) into the next buffer. The pixels
   * (RGBA, opaque) stay as they are until as many more frames as there are buffers were drawn.
   */
  draw(position: number): Uint8Array {
    const { width, height } = this.#options;
    const buffer = this.#buffers[this.#next % this.#buffers.length];
    if (!buffer) throw new RangeError('a stage needs a buffer');
    this.#next += 1;
    this.#position = position;
    this.#paint(buffer.surface, width, height);
    // Anew each time: when the wasm memory grows, earlier views of it are dead.
    const view = buffer.memory.toTypedArray() as Uint8Array;
    return new Uint8Array(view.buffer, view.byteOffset, this.#size);
  }

  /** The frame drawn last as a PNG file. */
  png(): Uint8Array {
    const { kit, width, height } = this.#options;
    return this.#encode(width, height, kit.ImageFormat.PNG, 100);
  }

  /**
   * The frame drawn last as a small JPEG file of at most `maxBytes`. It is drawn again in that size: at 1080p that takes
   * 3 ms, copying the frame and scaling it down 35.
   */
  preview(maxSide: number, maxBytes: number): Uint8Array | undefined {
    const { kit, width, height } = this.#options;
    for (const [side, quality] of [
      [maxSide, 75],
      [maxSide, 45],
      [maxSide / 2, 45],
    ] as const) {
      const scale = Math.min(1, side / Math.max(width, height));
      const size = (full: number) => Math.max(1, Math.round(full * scale));
      const jpeg = this.#encode(size(width), size(height), kit.ImageFormat.JPEG, quality);
      if (jpeg.length <= maxBytes) return jpeg;
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    for (const { surface, memory } of this.#buffers.splice(0)) {
      surface.delete();
      this.#options.kit.Free(memory);
    }
  }

  #allocate(): Buffer {
    const { kit, width, height } = this.#options;
    const memory = kit.Malloc(Uint8Array, this.#size);
    const surface = kit.MakeRasterDirectSurface(imageInfo(kit, width, height), memory, width * 4);
    if (surface) return { memory, surface };
    kit.Free(memory);
    throw new RangeError('Skia made no surface');
  }

  #paint(surface: Surface, width: number, height: number): void {
    const { kit, animation, source, fit, background } = this.#options;
    const canvas = surface.getCanvas();
    const [r, g, b] = parseColor(background);
    animation.seekFrame(this.#position);
    canvas.clear(kit.Color4f(r, g, b, 1));
    canvas.save();
    const place = placement(source, { width, height }, fit);
    canvas.translate(place.left, place.top);
    canvas.scale(place.scaleX, place.scaleY);
    animation.render(canvas, kit.LTRBRect(0, 0, source.width, source.height));
    canvas.restore();
    surface.flush();
  }

  #encode(width: number, height: number, format: EmbindEnumEntity, quality: number): Uint8Array {
    const surface = this.#options.kit.MakeSurface(width, height);
    if (!surface)
      throw new FlatrenderError('ENGINE_FAILED', `no memory for a picture of ${width} × ${height}`);
    try {
      this.#paint(surface, width, height);
      const image = surface.makeImageSnapshot();
      const bytes = image.encodeToBytes(format, quality);
      image.delete();
      if (bytes) return bytes;
      throw new FlatrenderError('ENGINE_FAILED', `a picture of ${width} × ${height} could not be encoded`);
    } finally {
      surface.dispose(); // delete() would keep its pixels
    }
  }
}

function imageInfo(kit: CanvasKit, width: number, height: number) {
  return {
    width,
    height,
    colorType: kit.ColorType.RGBA_8888,
    alphaType: kit.AlphaType.Premul,
    colorSpace: kit.ColorSpace.SRGB,
  };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Where a composition of one size goes in a frame of another. */
function placement(
  source: Size,
  frame: Size,
  fit: OutputSpec['fit'],
): { left: number; top: number; scaleX: number; scaleY: number } {
  const [x, y] = [frame.width / source.width, frame.height / source.height];
  if (fit === 'stretch') return { left: 0, top: 0, scaleX: x, scaleY: y };
  const scale = fit === 'cover' ? Math.max(x, y) : Math.min(x, y);
  return {
    left: (frame.width - source.width * scale) / 2,
    top: (frame.height - source.height * scale) / 2,
    scaleX: scale,
    scaleY: scale,
  };
}
