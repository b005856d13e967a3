/** Draws frames of compositions with Skia. */
import { readFileSync } from 'node:fs';
import type { Canvas, CanvasKit, Image, Paint, Surface, Typeface } from 'canvaskit-wasm';
import type { SimComp, SimFootage, SimLayer, SimProject } from '../sim-project.ts';
import { drawShapes } from './draw-shapes.ts';
import { drawText } from './draw-text.ts';
import { FootagePictures } from './footage.ts';
import { findProperty, groupOf, isText, numbersAt, type PropertyTime, valueAt } from './properties.ts';

export interface StageOptions {
  readonly project: SimProject;
  readonly comp: SimComp;
  /** Pixels of a frame; more than the composition has where an encoder wants even numbers. */
  readonly width: number;
  readonly height: number;
  /** What is kept of the background: its colour, or nothing (with an alpha channel there is none). */
  readonly hasAlpha: boolean;
  /** How missing footage looks. */
  readonly missing: 'bars' | 'black';
  /** Path of a font by PostScript name; null: another one is taken. */
  readonly fontFile: (postScriptName: string) => string | null;
}

/** One composition, ready to be drawn. Lives as long as the process. */
export class Stage {
  readonly #kit: CanvasKit;
  readonly #options: StageOptions;
  readonly #surface: Surface;
  readonly #pictures: FootagePictures;
  readonly #typefaces = new Map<string, Typeface | null>();

  constructor(kit: CanvasKit, options: StageOptions) {
    this.#kit = kit;
    this.#options = options;
    const surface = kit.MakeSurface(options.width, options.height);
    if (!surface) throw new Error(`no surface of ${options.width} × ${options.height}`);
    this.#surface = surface;
    this.#pictures = new FootagePictures(kit);
  }

  /** Draws the composition at a time, seconds. */
  draw(time: number): void {
    const canvas = this.#surface.getCanvas();
    canvas.clear(this.#kit.TRANSPARENT);
    this.#drawComp(canvas, this.#options.comp, time, !this.#options.hasAlpha);
    this.#surface.flush();
  }

  /** The frame as RGBA, not premultiplied. */
  pixels(): Uint8Array {
    const { width, height } = this.#options;
    const pixels = this.#surface.getCanvas().readPixels(0, 0, {
      width,
      height,
      colorType: this.#kit.ColorType.RGBA_8888,
      alphaType: this.#kit.AlphaType.Unpremul,
      colorSpace: this.#kit.ColorSpace.SRGB,
    });
    if (!(pixels instanceof Uint8Array)) throw new Error('the frame cannot be read');
    return pixels;
  }

  /** The frame as a PNG file. */
  png(): Uint8Array {
    const image = this.#surface.makeImageSnapshot();
    const bytes = image.encodeToBytes(this.#kit.ImageFormat.PNG, 100);
    image.delete();
    if (!bytes) throw new Error('the frame cannot be encoded');
    return bytes;
  }

  #drawComp(canvas: Canvas, comp: SimComp, time: number, withBackground: boolean): void {
    canvas.save();
    canvas.clipRect(this.#kit.LTRBRect(0, 0, comp.width, comp.height), this.#kit.ClipOp.Intersect, false);
    if (withBackground) canvas.drawColor(this.#kit.Color4f(...comp.background, 1));
    const at = { time, width: comp.width, height: comp.height };
    for (const layer of comp.layers.toReversed()) {
      if (layer.enabled && time >= layer.inPoint - 1e-6 && time < layer.outPoint - 1e-6)
        this.#drawLayer(canvas, layer, at);
    }
    canvas.restore();
  }

  #drawLayer(canvas: Canvas, layer: SimLayer, at: PropertyTime): void {
    const transform = groupOf(layer, 'ADBE Transform Group');
    const numbers = (name: string, fallback: number[]) =>
      numbersAt(findProperty(transform, name), at, fallback);
    const [anchorX = 0, anchorY = 0] = numbers('ADBE Anchor Point', [0, 0]);
    const [x = 0, y = 0] = numbers('ADBE Position', [0, 0]);
    const [scaleX = 100, scaleY = 100] = numbers('ADBE Scale', [100, 100]);
    const [rotation = 0] = numbers('ADBE Rotate Z', [0]);
    const [opacity = 100] = numbers('ADBE Opacity', [100]);
    canvas.save();
    canvas.translate(x, y);
    canvas.rotate(rotation, 0, 0);
    canvas.scale(scaleX / 100, scaleY / 100);
    canvas.translate(-anchorX, -anchorY);
    const paint = new this.#kit.Paint();
    paint.setAlphaf(Math.min(1, Math.max(0, opacity / 100)));
    const fill = fillEffect(layer, at);
    if (fill) {
      const color = this.#kit.Color4f(fill[0] ?? 0, fill[1] ?? 0, fill[2] ?? 0, 1);
      paint.setColorFilter(this.#kit.ColorFilter.MakeBlend(color, this.#kit.BlendMode.SrcIn));
    }
    canvas.saveLayer(paint);
    this.#drawContent(canvas, layer, at);
    canvas.restore();
    paint.delete();
    canvas.restore();
  }

  #drawContent(canvas: Canvas, layer: SimLayer, at: PropertyTime): void {
    if (layer.kind === 'text') {
      const text = valueAt(findProperty(groupOf(layer, 'ADBE Text Properties'), 'ADBE Text Document'), at);
      if (isText(text)) drawText(this.#kit, canvas, text, this.#typeface(text.font), 1);
    } else if (layer.kind === 'shape') {
      drawShapes(this.#kit, canvas, groupOf(layer, 'ADBE Root Vectors Group'), at);
    } else {
      this.#drawSource(canvas, layer, at.time);
    }
  }

  #drawSource(canvas: Canvas, layer: SimLayer, time: number): void {
    const item = this.#options.project.items.find(({ id }) => id === layer.sourceId);
    const sourceTime = (time - layer.startTime) / ((layer.stretch || 100) / 100);
    if (item?.type === 'comp') this.#drawComp(canvas, item, sourceTime, false);
    if (item?.type !== 'footage' || item.width === 0) return;
    const { source } = item;
    if (source.kind === 'solid') {
      const paint = this.#solidPaint(source.color);
      canvas.drawRect(this.#kit.XYWHRect(0, 0, item.width, item.height), paint);
      paint.delete();
      return;
    }
    const image = source.kind === 'file' ? this.#pictures.at(source.path, item, sourceTime) : null;
    if (image) this.#drawImage(canvas, image, item);
    else this.#drawMissing(canvas, item);
  }

  #drawImage(canvas: Canvas, image: Image, { width, height }: SimFootage): void {
    const from = this.#kit.XYWHRect(0, 0, image.width(), image.height());
    const paint = new this.#kit.Paint();
    canvas.drawImageRectOptions(
      image,
      from,
      this.#kit.XYWHRect(0, 0, width, height),
      this.#kit.FilterMode.Linear,
      this.#kit.MipmapMode.None,
      paint,
    );
    paint.delete();
  }

  /** After Effects shows a placeholder and what it cannot find as colour bars. */
  #drawMissing(canvas: Canvas, { width, height }: SimFootage): void {
    const bars: [number, number, number][] = this.#options.missing === 'black' ? [[0, 0, 0]] : BAR_COLORS;
    bars.forEach((color, index) => {
      const paint = this.#solidPaint(color);
      const barWidth = width / bars.length;
      canvas.drawRect(this.#kit.XYWHRect(index * barWidth, 0, barWidth, height), paint);
      paint.delete();
    });
  }

  #solidPaint(color: readonly [number, number, number]): Paint {
    const paint = new this.#kit.Paint();
    paint.setColor(this.#kit.Color4f(color[0], color[1], color[2], 1));
    return paint;
  }

  #typeface(name: string): Typeface | null {
    const known = this.#typefaces.get(name);
    if (known !== undefined) return known;
    const file = this.#options.fontFile(name);
    const bytes = file === null ? null : new Uint8Array(readFileSync(file));
    const made = bytes && this.#kit.Typeface.MakeTypefaceFromData(bytes.buffer);
    this.#typefaces.set(name, made);
    return made;
  }
}

/** 75 % bars: white, yellow, cyan, green, magenta, red, blue. */
const BAR_COLORS: [number, number, number][] = [
  [0.75, 0.75, 0.75],
  [0.75, 0.75, 0],
  [0, 0.75, 0.75],
  [0, 0.75, 0],
  [0.75, 0, 0.75],
  [0.75, 0, 0],
  [0, 0, 0.75],
];

/** Colour of the first enabled Fill effect. */
function fillEffect(layer: SimLayer, at: PropertyTime): number[] | null {
  const effect = groupOf(layer, 'ADBE Effect Parade').find(
    ({ matchName, enabled }) => matchName === 'ADBE Fill' && enabled !== false,
  );
  const color = effect?.children?.find(({ valueType }) => valueType === 'color');
  return color ? numbersAt(color, at, [0, 0, 0]) : null;
}
