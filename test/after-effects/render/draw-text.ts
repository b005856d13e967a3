/** Text layers: point text and paragraph text, one style for all of it. */
import type { Canvas, CanvasKit, Font, Paint, Typeface } from 'canvaskit-wasm';
import type { SimText } from '../sim-project.ts';

/** Draws a text document in the coordinates of its layer. */
export function drawText(
  kit: CanvasKit,
  canvas: Canvas,
  text: SimText,
  typeface: Typeface | null,
  opacity: number,
): void {
  const face = typeface ?? kit.Typeface.GetDefault();
  if (!face) return;
  const font = new kit.Font(face, text.fontSize);
  font.setSubpixel(true);
  const tracking = (text.tracking / 1000) * text.fontSize;
  const lines = splitLines(text, (line) => widthOf(font, line, tracking));
  const leading = text.leading > 0 ? text.leading : text.fontSize * 1.2;
  const { left, right, top, bottom } = placeOf(text);
  // Of paragraph text the first line hangs from the box, of point text it stands on the layer's origin.
  let baseline = text.box ? top - font.getMetrics().ascent : 0;
  for (const line of lines) {
    // What does not fit into the box is not shown.
    if (baseline > bottom) break;
    const width = widthOf(font, line, tracking);
    const x =
      text.justification === 'center'
        ? (left + right - width) / 2
        : text.justification === 'right'
          ? right - width
          : left;
    for (const paint of paintsOf(kit, text, opacity)) {
      drawLine(canvas, font, paint, { line, x, y: baseline, tracking });
      paint.delete();
    }
    baseline += leading;
  }
  font.delete();
}

function placeOf({ box }: SimText): { left: number; right: number; top: number; bottom: number } {
  if (!box) return { left: 0, right: 0, top: 0, bottom: Number.POSITIVE_INFINITY };
  const [left, top] = box.pos;
  return { left, right: left + box.size[0], top, bottom: top + box.size[1] };
}

/** Lines end with "\r" (a new paragraph) or U+0003 (a new line in it); paragraph text wraps between words. */
function splitLines(text: SimText, measure: (line: string) => number): string[] {
  const paragraphs = text.text.split(/\r\n|[\r\n\u0003]/);
  const room = text.box?.size[0];
  if (room === undefined) return paragraphs;
  return paragraphs.flatMap((paragraph) => {
    const lines: string[] = [];
    let line = '';
    for (const word of paragraph.split(/(?<=\s)/)) {
      if (line !== '' && measure((line + word).trimEnd()) > room) {
        lines.push(line.trimEnd());
        line = '';
      }
      line += word;
    }
    return [...lines, line];
  });
}

function paintsOf(kit: CanvasKit, text: SimText, opacity: number): Paint[] {
  const paint = (color: readonly [number, number, number]): Paint => {
    const made = new kit.Paint();
    made.setAntiAlias(true);
    made.setColor(kit.Color4f(color[0], color[1], color[2], opacity));
    return made;
  };
  const fill = text.applyFill ? [paint(text.fillColor)] : [];
  if (!text.applyStroke || text.strokeWidth <= 0) return fill;
  const stroke = paint(text.strokeColor);
  stroke.setStyle(kit.PaintStyle.Stroke);
  stroke.setStrokeWidth(text.strokeWidth);
  return [...fill, stroke];
}

function widthOf(font: Font, line: string, tracking: number): number {
  const widths = font.getGlyphWidths(font.getGlyphIDs(line));
  return widths.reduce((sum, width) => sum + width + tracking, 0);
}

function drawLine(
  canvas: Canvas,
  font: Font,
  paint: Paint,
  { line, x, y, tracking }: { line: string; x: number; y: number; tracking: number },
): void {
  const glyphs = font.getGlyphIDs(line);
  if (glyphs.length === 0) return;
  const positions = new Float32Array(glyphs.length * 2);
  let at = 0;
  font.getGlyphWidths(glyphs).forEach((width, index) => {
    positions[index * 2] = at;
    at += width + tracking;
  });
  canvas.drawGlyphs(glyphs, positions, x, y, font, paint);
}
