/** Draws frames of compositions with Skia. */
import { readFileSync } from 'node:fs';
import type { AlphaType, Canvas, CanvasKit, Image, Paint, Surface, Typeface } from 'canvaskit-wasm';
import { followPath } from '../default-properties.ts';
import type { OutputModule } from '../output-modules.ts';
import type { SimComp, SimFootage, SimLayer, SimProject, SimProperty } from '../sim-project.ts';
import { drawShapes } from './draw-shapes.ts';
import { drawText } from './draw-text.ts';
import { FootagePictures } from './footage.ts';
import {
  findProperty,
  groupOf,
  isShape,
  isText,
  numbersAt,
  type PropertyTime,
  sourceTime,
  valueAt,
} from './properties.ts';

export interface StageOptions {
  readonly project: SimProject;
  readonly comp: SimComp;
  /** Pixels of a frame; more than the composition has where an encoder wants even numbers. */
  readonly width: number;
  readonly height: number;
  readonly alpha: OutputModule['alpha'];
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
  #matted: Uint8Array | null = null;
  /** Compositions as a layer's essential properties change them. */
  readonly #overridden = new Map<SimLayer, SimComp>();
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
    const { alpha } = this.#options;
    this.#drawFrame(time, alpha === 'none');
    if (alpha !== 'matted') return;
    const transparent = this.pixels();
    this.#drawFrame(time, true);
    const pixels = this.#read(this.#kit.AlphaType.Unpremul);
    for (let at = 3; at < pixels.length; at += 4) pixels[at] = transparent[at] ?? 0;
    this.#matted = pixels;
  }

  /** The frame as RGBA: straight, or matted with the background. */
  pixels(): Uint8Array {
    return this.#matted ?? this.#read(this.#kit.AlphaType.Unpremul);
  }

  /** The frame as a PNG file. */
  png(): Uint8Array {
    const { width, height } = this.#options;
    const image = this.#matted
      ? this.#kit.MakeImage(
          {
            width,
            height,
            colorType: this.#kit.ColorType.RGBA_8888,
            alphaType: this.#kit.AlphaType.Unpremul,
            colorSpace: this.#kit.ColorSpace.SRGB,
          },
          this.#matted,
          width * 4,
        )
      : this.#surface.makeImageSnapshot();
    const bytes = image?.encodeToBytes(this.#kit.ImageFormat.PNG, 100);
    image?.delete();
    if (!bytes) throw new Error('the frame cannot be encoded');
    return bytes;
  }

  #read(alphaType: AlphaType): Uint8Array {
    const { width, height } = this.#options;
    const pixels = this.#surface.getCanvas().readPixels(0, 0, {
      width,
      height,
      colorType: this.#kit.ColorType.RGBA_8888,
      alphaType,
      colorSpace: this.#kit.ColorSpace.SRGB,
    });
    if (!(pixels instanceof Uint8Array)) throw new Error('the frame cannot be read');
    return pixels;
  }

  #drawFrame(time: number, withBackground: boolean): void {
    this.#matted = null;
    const canvas = this.#surface.getCanvas();
    canvas.clear(this.#kit.TRANSPARENT);
    this.#drawComp(canvas, this.#options.comp, time, withBackground);
    this.#surface.flush();
  }

  #drawComp(canvas: Canvas, comp: SimComp, time: number, withBackground: boolean): void {
    canvas.save();
    canvas.clipRect(this.#kit.LTRBRect(0, 0, comp.width, comp.height), this.#kit.ClipOp.Intersect, false);
    if (withBackground) canvas.drawColor(this.#kit.Color4f(...comp.background, 1));
    const at = { time, width: comp.width, height: comp.height };
    const isSolo = comp.layers.some(({ solo }) => solo);
    for (const layer of comp.layers.toReversed()) {
      const isThere = time >= layer.inPoint - 1e-6 && time < layer.outPoint - 1e-6;
      if (layer.enabled && isThere && (!isSolo || layer.solo) && isDrawn(layer))
        this.#drawLayer(canvas, comp, layer, at);
    }
    canvas.restore();
  }

  #drawLayer(canvas: Canvas, comp: SimComp, layer: SimLayer, at: PropertyTime): void {
    canvas.save();
    for (const each of [...parentsOf(comp, layer), layer]) transform(canvas, each, at);
    const [opacity = 100] = numbersAt(findProperty(transformOf(layer), 'ADBE Opacity'), at, [100]);
    const paint = new this.#kit.Paint();
    paint.setAlphaf(Math.min(1, Math.max(0, opacity / 100)));
    const fill = fillEffect(layer, at);
    if (fill) {
      const color = this.#kit.Color4f(fill[0] ?? 0, fill[1] ?? 0, fill[2] ?? 0, 1);
      paint.setColorFilter(this.#kit.ColorFilter.MakeBlend(color, this.#kit.BlendMode.SrcIn));
    }
    canvas.saveLayer(paint);
    this.#clipToMasks(canvas, layer, at);
    this.#drawContent(canvas, layer, at);
    canvas.restore();
    paint.delete();
    canvas.restore();
  }

  /** Paths of straight lines, all of them together; other masks and modes are not played. */
  #clipToMasks(canvas: Canvas, layer: SimLayer, at: PropertyTime): void {
    for (const mask of groupOf(layer, 'ADBE Mask Parade')) {
      const value = valueAt(findProperty(mask.children, 'ADBE Mask Shape'), at);
      if (!isShape(value) || !value.vertices || mask.enabled === false) continue;
      const builder = new this.#kit.PathBuilder();
      builder.addPolygon(value.vertices.flat(), true);
      const path = builder.detachAndDelete();
      canvas.clipPath(path, this.#kit.ClipOp.Intersect, true);
      path.delete();
    }
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
    const inside = sourceTime(layer, time);
    if (item?.type === 'comp') this.#drawComp(canvas, this.#withOverrides(layer, item), inside, false);
    if (item?.type !== 'footage' || item.width === 0) return;
    const { source } = item;
    if (source.kind === 'solid') {
      const paint = this.#solidPaint(source.color);
      canvas.drawRect(this.#kit.XYWHRect(0, 0, item.width, item.height), paint);
      paint.delete();
      return;
    }
    const image = source.kind === 'file' ? this.#pictures.at(source.path, item, inside) : null;
    if (image) this.#drawImage(canvas, image, item);
    else this.#drawMissing(canvas, item);
  }

  /** The composition that a layer shows, with what its essential properties change in it. */
  #withOverrides(layer: SimLayer, comp: SimComp): SimComp {
    const overrides = groupOf(layer, 'ADBE Layer Overrides');
    if (overrides.length === 0) return comp;
    const known = this.#overridden.get(layer);
    if (known) return known;
    const copy = structuredClone(comp);
    for (const { name, value, keyframes, expression } of overrides) {
      const property = followPath(copy, comp.essential[name] ?? '');
      if (property) Object.assign(property, { value, keyframes, expression });
    }
    this.#overridden.set(layer, copy);
    return copy;
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

/** Whether a layer is in the picture by its kind; effects of adjustment layers are not played. */
function isDrawn({ kind, guide, adjustment }: SimLayer): boolean {
  return kind !== 'null' && kind !== 'camera' && kind !== 'light' && !guide && !adjustment;
}

/** Layers that it follows, the outermost first. */
function parentsOf(comp: SimComp, layer: SimLayer): SimLayer[] {
  const parents: SimLayer[] = [];
  let id = layer.parent ?? null;
  while (id !== null && parents.length < comp.layers.length) {
    const parent = comp.layers.find((each) => each.id === id);
    if (!parent) break;
    parents.unshift(parent);
    id = parent.parent ?? null;
  }
  return parents;
}

function transformOf(layer: SimLayer): readonly SimProperty[] {
  return groupOf(layer, 'ADBE Transform Group');
}

function transform(canvas: Canvas, layer: SimLayer, at: PropertyTime): void {
  const numbers = (name: string, fallback: number[]) =>
    numbersAt(findProperty(transformOf(layer), name), at, fallback);
  const [anchorX = 0, anchorY = 0] = numbers('ADBE Anchor Point', [0, 0]);
  const [x = 0, y = 0] = numbers('ADBE Position', [0, 0]);
  const [scaleX = 100, scaleY = 100] = numbers('ADBE Scale', [100, 100]);
  const [rotation = 0] = numbers('ADBE Rotate Z', [0]);
  canvas.translate(x, y);
  canvas.rotate(rotation, 0, 0);
  canvas.scale(scaleX / 100, scaleY / 100);
  canvas.translate(-anchorX, -anchorY);
}

/** Colour of the first enabled Fill effect. */
function fillEffect(layer: SimLayer, at: PropertyTime): number[] | null {
  const effect = groupOf(layer, 'ADBE Effect Parade').find(
    ({ matchName, enabled }) => matchName === 'ADBE Fill' && enabled !== false,
  );
  const color = effect?.children?.find(({ valueType }) => valueType === 'color');
  return color ? numbersAt(color, at, [0, 0, 0]) : null;
}
