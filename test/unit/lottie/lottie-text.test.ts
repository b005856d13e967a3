import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadFont } from '../../../src/engines/font-file.ts';
import { fitText } from '../../../src/engines/lottie/fit-text.ts';
import { renameFamily } from '../../../src/engines/lottie/font-family.ts';
import { checkFonts, documentsOf, type FontSet } from '../../../src/engines/lottie/fonts.ts';
import { listLayers } from '../../../src/engines/lottie/layers.ts';
import type { Lottie, TextDocument } from '../../../src/engines/lottie/lottie-json.ts';
import { roomForText } from '../../../src/engines/lottie/room.ts';
import { packageRoot } from '../../../src/lib/paths.ts';
import { sampleFonts, sampleLayer, sampleLottie, sampleText } from '../../helpers/lottie-sample.ts';

const file = join(packageRoot(), 'templates', 'video', 'title-card', 'fonts', 'Inter-Medium.otf');
const inter = await loadFont(file, 'Inter', 'TEMPLATE_INVALID');
const fonts: FontSet = new Map([['Sans', inter]]);

function complaints(text: string, more: Partial<TextDocument> = {}): string[] {
  const lottie = sampleLottie({
    layers: [sampleText('Title', [{ t: text, ...more }])],
    fonts: sampleFonts('Sans'),
  });
  return checkFonts(lottie, listLayers(lottie), fonts).map(({ code, message }) => `${code}: ${message}`);
}

for (const text of [
  'Grüße aus Köln',
  'Ελληνικά · Русский · Čeština',
  'line\rbreak',
  'e\u0301 composed or not \u1e69',
  'join\u200der\u00ad',
]) {
  test(`the bundled font has every character of ${JSON.stringify(text)}`, () =>
    assert.deepEqual(complaints(text), []));
}

test('characters that a font lacks are named with their codes', () => {
  assert.deepEqual(complaints('Hi 漢字 😀'), [
    'GLYPH_MISSING: the font Sans (Inter) has no "漢" (U+6F22), "字" (U+5B57), "😀" (U+1F600)',
  ]);
});

test('a combining mark that the font lacks is missing, although its letter is there', () => {
  const [line] = complaints('a\u1ab0');
  assert.match(line ?? '', /U\+0061 U\+1AB0/);
});

test('capitals are asked for where the layer shows capitals', () => {
  const small = new Map([['Sans', { ...inter, hasGlyph: (code: number) => code !== 0x41 }]]);
  const lottie = (ca: number) => sampleLottie({ layers: [sampleText('Title', [{ t: 'a', ca }])] });
  assert.equal(checkFonts(lottie(0), listLayers(lottie(0)), small).length, 0);
  assert.equal(checkFonts(lottie(1), listLayers(lottie(1)), small).length, 1);
});

test('every keyframe of a text is checked', () => {
  const lottie = sampleLottie({
    layers: [sampleText('Title', [{ t: 'ok' }, { t: '漢' }])],
    fonts: sampleFonts('Sans'),
  });
  assert.equal(checkFonts(lottie, listLayers(lottie), fonts).length, 1);
});

test('a file that is no font is refused', async () => {
  await assert.rejects(loadFont(import.meta.filename, 'it', 'MEDIA_INVALID'), {
    code: 'MEDIA_INVALID',
    message: 'it is not a font that can be read (TTF or OTF)',
  });
});

test('a renamed font has one family and all its glyphs', async () => {
  const renamed = renameFamily(readFileSync(file), 'flatrender-font-7');
  assert.ok(renamed);
  const { create } = await import('fontkit');
  const font = create(Buffer.from(renamed)) as { familyName: string; fullName: string; numGlyphs: number };
  const before = create(readFileSync(file)) as { numGlyphs: number };
  assert.deepEqual(
    [font.familyName, font.fullName, font.numGlyphs],
    ['flatrender-font-7', 'flatrender-font-7', before.numGlyphs],
  );
});

test('what is not a single TTF or OTF is not renamed', () => {
  for (const start of ['wOFF', 'wOF2', 'ttcf', ''])
    assert.equal(renameFamily(Buffer.from(start.padEnd(64)), 'x'), null);
});

const room = (layer: ReturnType<typeof sampleText>, justification: number, others: Lottie['layers'] = []) => {
  const lottie = sampleLottie({ layers: [layer, ...others] });
  const place = listLayers(lottie)[0];
  assert.ok(place);
  return Math.round(roomForText(lottie, place, justification));
};
const at = (x: number, y: number, s = 100) => ({
  ks: { p: { a: 0, k: [x, y, 0] }, s: { a: 0, k: [s, s, 100] } },
});

test('room reaches from the anchor to 16 px before the edge of a frame of 400 × 200', () => {
  assert.equal(room(sampleText('T', [{}], at(100, 100)), 0), 284);
  assert.equal(room(sampleText('T', [{}], at(100, 100)), 1), 84);
  assert.equal(room(sampleText('T', [{}], at(100, 100)), 2), 168);
});

test('room counts in pixels of the layer: half of it at twice the scale, also of a parent', () => {
  assert.equal(room(sampleText('T', [{}], at(200, 100, 200)), 2), 184);
  const parent = sampleLayer(3, 'Null', { ind: 9, ...at(200, 100, 200) });
  assert.equal(room(sampleText('T', [{}], { parent: 9, ...at(0, 0) }), 2, [parent]), 184);
});

test('room is that of the place where the text rests, not of its way in', () => {
  const p = {
    a: 1,
    k: [
      { t: 0, s: [20, 100, 0] },
      { t: 8, s: [200, 100, 0] },
    ],
  };
  assert.equal(room(sampleText('T', [{}], { ks: { p } }), 2), 368);
});

function fitted(document: Partial<TextDocument>, set: FontSet = fonts): TextDocument {
  const lottie = sampleLottie({ layers: [sampleText('Title', [document])] });
  const [place] = listLayers(lottie);
  assert.ok(place);
  for (const each of documentsOf(place)) fitText(lottie, place, each, set);
  const [result] = documentsOf(place);
  assert.ok(result);
  return result;
}

test('text that fits keeps its size', () => assert.equal(fitted({ t: 'short' }).s, 20));

test('text that is too wide gets just so much smaller, its lines too', () => {
  const t = 'a headline that is rather too long for a small frame';
  const { s, lh } = fitted({ t });
  const width = inter.measure(t, s, 0);
  assert.ok(width <= 368 && width > 366, `${width} px at ${s}`);
  assert.ok(Math.abs((lh ?? 0) / 24 - s / 20) < 0.01);
});

test('the widest of several lines decides, and tracking counts', () => {
  assert.equal(fitted({ t: 'many\rshort\rlines\rone\rbelow\rthe\rother' }).s, 20);
  assert.ok(fitted({ t: 'a headline that is wide', tr: 800 }).s < 20);
});

test('text in a box is left to the box', () =>
  assert.equal(fitted({ t: 'x'.repeat(500), sz: [100, 50] }).rs, 2));

test('text that nobody could read is refused', () => {
  assert.throws(() => fitted({ t: 'far too long '.repeat(40) }), {
    code: 'INPUT_INVALID',
    message: /layer "Title" is too long: 520 characters/,
  });
});
