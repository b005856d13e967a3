/** Whether the fonts of a filter graph have the characters of the job's texts: drawtext draws an empty box instead. */
import { join } from 'node:path';
import { fillPlaceholders, graphsOf } from '../../bundle/placeholders.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { RenderRequest } from '../engine.ts';
import { describeCharacters, loadFont, missingCharacters } from '../font-file.ts';
import { parseFilterGraph } from './filter-syntax.ts';

// A name and a path that no bundle can have, so that they are found again in the options.
const TEXT = 'flatrender-text//';
const FONT = 'flatrender-font//';

/**
 * Throws GLYPH_MISSING with the input, the font and the characters when a font of the bundle that draws a text input
 * lacks some. A drawtext without a font of the bundle is not looked at: what it takes depends on the machine.
 */
export async function checkTexts({ manifest, inputs, bundleDir }: RenderRequest): Promise<void> {
  const section = manifest.engines.ffmpeg;
  if (!section) return;
  const pairs = graphsOf(section).flatMap(({ text }) => drawnTexts(text));
  for (const { input: name, font: file } of pairs) {
    const input = inputs[name];
    if (input?.type !== 'text' || input.value === '') continue;
    const font = await loadFont(join(bundleDir, ...file.split('/')), file, 'TEMPLATE_INVALID');
    const missing = missingCharacters(input.value, font);
    if (missing.length === 0) continue;
    throw new FlatrenderError(
      'GLYPH_MISSING',
      `input "${name}": the font ${file} has no ${describeCharacters(missing)}`,
      { hint: 'use other characters, or a font that has them' },
    );
  }
}

/** Which text input is drawn with which font of the bundle, once each. */
function drawnTexts(graph: string): { input: string; font: string }[] {
  const filled = fillPlaceholders(graph, ({ placeholder }) => {
    if (placeholder.kind === 'file') return TEXT + placeholder.name;
    return placeholder.kind === 'font' ? FONT + Buffer.from(placeholder.path).toString('hex') : '1';
  });
  const found = new Map<string, { input: string; font: string }>();
  for (const { name, options } of parseFilterGraph(filled)) {
    if (name !== 'drawtext') continue;
    const optionOf = (wanted: string) => options.findLast(({ key }) => key === wanted)?.value ?? '';
    const [text, font] = [optionOf('textfile'), optionOf('fontfile')];
    if (!text.startsWith(TEXT) || font === '') continue;
    const pair = {
      input: text.slice(TEXT.length),
      font: font.startsWith(FONT) ? Buffer.from(font.slice(FONT.length), 'hex').toString() : font,
    };
    found.set(JSON.stringify(pair), pair);
  }
  return [...found.values()];
}
