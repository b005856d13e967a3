/** Rectangles and ellipses of shape layers, with fills and strokes. */
import type { Canvas, CanvasKit, Paint } from 'canvaskit-wasm';
import type { SimProperty, SimShape } from '../sim-project.ts';
import { findProperty, isShape, numbersAt, type PropertyTime, valueAt } from './properties.ts';

/** Draws the contents of a group; those further up in it lie above. */
export function drawShapes(
  kit: CanvasKit,
  canvas: Canvas,
  contents: readonly SimProperty[],
  at: PropertyTime,
): void {
  const shapes = contents.map((property) => shapeOf(property, at)).filter((shape) => shape !== null);
  for (const property of contents.toReversed()) {
    if (property.enabled === false) continue;
    if (property.matchName === 'ADBE Vector Group') drawGroup(kit, canvas, property, at);
    const paint = paintOf(kit, property, at);
    if (!paint) continue;
    for (const { shape, size, position } of shapes) {
      const [width, height] = size;
      const rectangle = kit.XYWHRect(position[0] - width / 2, position[1] - height / 2, width, height);
      if (shape === 'rectangle') canvas.drawRect(rectangle, paint);
      else canvas.drawOval(rectangle, paint);
    }
    paint.delete();
  }
}

function drawGroup(kit: CanvasKit, canvas: Canvas, group: SimProperty, at: PropertyTime): void {
  const transform = findProperty(group.children, 'ADBE Vector Transform Group')?.children;
  const numbers = (name: string, fallback: number[]) =>
    numbersAt(findProperty(transform, name), at, fallback);
  const [x = 0, y = 0] = numbers('ADBE Vector Position', [0, 0]);
  const [anchorX = 0, anchorY = 0] = numbers('ADBE Vector Anchor', [0, 0]);
  const [scaleX = 100, scaleY = 100] = numbers('ADBE Vector Scale', [100, 100]);
  const [rotation = 0] = numbers('ADBE Vector Rotation', [0]);
  const [opacity = 100] = numbers('ADBE Vector Group Opacity', [100]);
  const paint = new kit.Paint();
  paint.setAlphaf(opacity / 100);
  canvas.saveLayer(paint);
  paint.delete();
  canvas.translate(x, y);
  canvas.rotate(rotation, 0, 0);
  canvas.scale(scaleX / 100, scaleY / 100);
  canvas.translate(-anchorX, -anchorY);
  const inner = group.children?.find(({ matchName }) => matchName === 'ADBE Vectors Group');
  drawShapes(kit, canvas, (inner ?? group).children ?? [], at);
  canvas.restore();
}

function shapeOf(
  property: SimProperty,
  at: PropertyTime,
): (SimShape & { readonly position: [number, number] }) | null {
  if (property.enabled === false) return null;
  const value = valueAt(property, at);
  if (isShape(value)) return { ...value, position: [0, 0] };
  const kind = /^ADBE Vector Shape - (Rect|Ellipse)$/.exec(property.matchName)?.[1];
  if (kind === undefined) return null;
  const inside = (property.children ?? []).map((child) => valueAt(child, at)).find(isShape);
  if (inside) return { ...inside, position: [0, 0] };
  const size = numbersAt(findProperty(property.children, `ADBE Vector ${kind} Size`), at, [100, 100]);
  const position = numbersAt(findProperty(property.children, `ADBE Vector ${kind} Position`), at, [0, 0]);
  return {
    shape: kind === 'Rect' ? 'rectangle' : 'ellipse',
    size: [size[0] ?? 0, size[1] ?? 0],
    position: [position[0] ?? 0, position[1] ?? 0],
  };
}

function paintOf(kit: CanvasKit, property: SimProperty, at: PropertyTime): Paint | null {
  const kind = /^ADBE Vector Graphic - (Fill|Stroke)$/.exec(property.matchName)?.[1];
  if (kind === undefined) return null;
  const numbers = (name: string, fallback: number[]) =>
    numbersAt(findProperty(property.children, `ADBE Vector ${kind} ${name}`), at, fallback);
  const [red = 0, green = 0, blue = 0] = numbers('Color', [1, 0, 0]);
  const [opacity = 100] = numbers('Opacity', [100]);
  const paint = new kit.Paint();
  paint.setAntiAlias(true);
  paint.setColor(kit.Color4f(red, green, blue, opacity / 100));
  if (kind === 'Stroke') {
    paint.setStyle(kit.PaintStyle.Stroke);
    paint.setStrokeWidth(numbers('Width', [2])[0] ?? 2);
  }
  return paint;
}
