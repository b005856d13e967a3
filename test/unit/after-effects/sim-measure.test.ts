import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadCanvasKit } from '../../../src/engines/lottie/canvaskit.ts';
import { textDocument } from '../../after-effects/default-properties.ts';
import { readFontMetrics } from '../../after-effects/model/font-metrics.ts';
import { measureText } from '../../after-effects/model/measure-text.ts';

/** A font that is in the repository. */
const FONT = join(import.meta.dirname, '../../../templates/video/audio-visualiser/fonts/Inter-Medium.otf');

test('characters are as wide as the ones that are drawn', async () => {
  const kit = await loadCanvasKit();
  const typeface = kit.Typeface.MakeTypefaceFromData(new Uint8Array(readFileSync(FONT)).buffer);
  const font = new kit.Font(typeface, 1000);
  const metrics = readFontMetrics(FONT);
  for (const character of 'AVaimW .ßüЖ€—') {
    const [width = 0] = font.getGlyphWidths(font.getGlyphIDs(character));
    const measured = metrics.advance(character.codePointAt(0) ?? 0) * 1000;
    assert.ok(Math.abs(measured - width) < 2, `${character}: ${measured}, drawn ${width}`);
  }
});

test('without a file each character is 0.6 em wide', () => {
  const text = textDocument({ text: 'abcd\rab', fontSize: 10 });
  assert.deepEqual(
    measureText(text, () => null),
    { top: -8, left: 0, width: 24, height: 22 },
  );
});

test('point text lies around its origin as its paragraph is aligned', () => {
  const left = (justification: 'left' | 'center' | 'right') =>
    measureText(textDocument({ text: 'abcd', fontSize: 10, justification }), () => null).left;
  assert.deepEqual([left('left'), left('center'), left('right')], [0, -12, -24]);
});

test('paragraph text wraps between words, and what is below its box does not count', () => {
  const measured = (height: number) => {
    const box = { size: [60, height] as [number, number], pos: [-30, -10] as [number, number] };
    return measureText(textDocument({ text: 'aaaa bbbb cccc', fontSize: 10, box }), () => null);
  };
  assert.deepEqual(measured(100), { top: -10, left: -30, width: 54, height: 22 });
  assert.deepEqual(measured(12), { top: -10, left: -30, width: 54, height: 10 });
});

test('nothing has no size', () => {
  assert.deepEqual(
    measureText(textDocument(), () => null),
    { top: 0, left: 0, width: 0, height: 0 },
  );
});
