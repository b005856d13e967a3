/**
 * How large a text is: advances of its characters without kerning, as render/draw-text.ts sets them. A font that the
 * installation has no file for is measured as the one drawn in its place: Noto Sans Mono of CanvasKit, 0.6 em wide.
 */
import type { SimText } from '../sim-project.ts';
import { type FontMetrics, readFontMetrics } from './font-metrics.ts';

export interface TextRect {
  readonly top: number;
  readonly left: number;
  readonly width: number;
  readonly height: number;
}

const ADVANCE = 0.6;
const ASCENT = 0.8;
const DESCENT = 0.2;

/** The rectangle that the text fills, in pixels of its layer. Lines below a box are left out, as After Effects does. */
export function measureText(text: SimText, fontFile: (postScriptName: string) => string | null): TextRect {
  const font = openFont(fontFile(text.font));
  const em = text.fontSize;
  const tracking = (text.tracking / 1000) * em;
  const widthOf = (line: string) =>
    Array.from(line).reduce((sum, character) => sum + advance(font, character) * em + tracking, 0);
  const lines = splitLines(text, widthOf);
  const leading = text.leading > 0 ? text.leading : em * 1.2;
  const ascent = (font?.ascent ?? ASCENT) * em;
  const descent = (font?.descent ?? DESCENT) * em;
  const first = text.box ? text.box.pos[1] + ascent : 0;
  const bottom = text.box ? text.box.pos[1] + text.box.size[1] : Number.POSITIVE_INFINITY;
  const shown = lines.filter((_, index) => first + index * leading <= bottom);
  const width = Math.max(0, ...shown.map(widthOf));
  if (shown.length === 0 || width === 0) return { top: 0, left: 0, width: 0, height: 0 };
  const room = text.box?.size[0] ?? 0;
  const from = text.box?.pos[0] ?? 0;
  const share = { left: 0, justify: 0, center: 0.5, right: 1 }[text.justification];
  return {
    top: first - ascent,
    left: from + (room - width) * share,
    width,
    height: (shown.length - 1) * leading + ascent + descent,
  };
}

/** Lines end with "\r" or U+0003; paragraph text wraps between words. */
function splitLines(text: SimText, widthOf: (line: string) => number): string[] {
  const paragraphs = text.text.split(/\r\n|[\r\n\u0003]/);
  const room = text.box?.size[0];
  if (room === undefined) return paragraphs;
  return paragraphs.flatMap((paragraph) => {
    const lines: string[] = [];
    let line = '';
    for (const word of paragraph.split(/(?<=\s)/)) {
      if (line !== '' && widthOf((line + word).trimEnd()) > room) {
        lines.push(line.trimEnd());
        line = '';
      }
      line += word;
    }
    return [...lines, line];
  });
}

function advance(font: FontMetrics | null, character: string): number {
  return font?.advance(character.codePointAt(0) ?? 0) ?? ADVANCE;
}

const opened = new Map<string, FontMetrics>();

function openFont(file: string | null): FontMetrics | null {
  if (file === null) return null;
  const font = opened.get(file) ?? readFontMetrics(file);
  opened.set(file, font);
  return font;
}
