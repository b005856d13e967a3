import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { BindOperation } from '../../../src/engines/aerender/bind/bind-data.ts';
import { ProjectBuilder, textLayer } from '../../after-effects/project-builder.ts';
import type { SimLayer } from '../../after-effects/sim-project.ts';
import { bindIn, layerIn, propertyIn, textOf } from './bind-bench.ts';

type TextOperation = Extract<BindOperation, { op: 'text' }>;

/** Binds the layer "Title" of a project that has nothing else. */
async function bindTitle(context: TestContext, layer: SimLayer, parts: Partial<TextOperation>) {
  const build = new ProjectBuilder();
  build.comp('Main', { layers: [layer] });
  const operation: TextOperation = {
    at: 'bind[0] (input "title")',
    op: 'text',
    layer: { composition: null, layer: 'Title' },
    text: 'new',
    font: null,
    size: null,
    color: null,
    align: null,
    shrink: false,
    ...parts,
  };
  const bound = await bindIn(context, build, { operations: [operation] });
  assert.ok(bound.result.ok, JSON.stringify(bound.result));
  return { warnings: bound.result.warnings, layer: layerIn(bound.project, 'Main', 'Title') };
}

test('a text layer gets the text and keeps its style; lines end as After Effects ends them', async (context) => {
  const { layer, warnings } = await bindTitle(
    context,
    textLayer('Title', 'old', { fontSize: 30, font: 'Inter-Bold', fillColor: [1, 0, 0] }),
    { text: `Grüße\r\nan "alle"\n\${x}\r</script>\u2028` },
  );
  const document = textOf(layer);
  assert.equal(document.text, `Grüße\ran "alle"\r\${x}\r</script>\u2028`);
  assert.equal(document.fontSize, 30);
  assert.equal(document.font, 'Inter-Bold');
  assert.deepEqual(document.fillColor, [1, 0, 0]);
  assert.deepEqual(warnings, []);
});

test('font, size, colour and alignment are set when the template says so', async (context) => {
  const { layer, warnings } = await bindTitle(context, textLayer('Title', 'old', { applyFill: false }), {
    font: 'Inter-Bold',
    size: 18,
    color: [0, 0.5, 1, 0.5],
    align: 'center',
  });
  const document = textOf(layer);
  assert.equal(document.font, 'Inter-Bold');
  assert.equal(document.fontSize, 18);
  assert.equal(document.applyFill, true);
  assert.deepEqual(document.fillColor, [0, 0.5, 1]);
  assert.equal(document.justification, 'center');
  assert.match(warnings.join(), /cannot be transparent/);
});

test('a text with keyframes gets the text at all of them', async (context) => {
  const title = textLayer('Title', 'old');
  const source = propertyIn(title, 'ADBE Text Document');
  const first = textOf(title);
  source.keyframes = [
    { time: 0, value: { ...first, text: 'one', fontSize: 10 } },
    { time: 1, value: { ...first, text: 'two', fontSize: 20 } },
  ];
  const { layer } = await bindTitle(context, title, { text: 'new' });
  const keyframes = propertyIn(layer, 'ADBE Text Document').keyframes ?? [];
  assert.deepEqual(
    keyframes.map(({ time, value }) => [
      time,
      (value as { text: string }).text,
      (value as { fontSize: number }).fontSize,
    ]),
    [
      [0, 'new', 10],
      [1, 'new', 20],
    ],
  );
});

test('an expression that would overrule the text is disabled, with a warning', async (context) => {
  const title = textLayer('Title', 'old');
  propertyIn(title, 'ADBE Text Document').expression = '"always"';
  const { layer, warnings } = await bindTitle(context, title, {});
  assert.equal(textOf(layer).text, 'new');
  assert.match(warnings.join(), /bind\[0\] \(input "title"\): the expression of "Source Text" is disabled/);
});

test('a text of several styles is a warning: the input has the first of them', async (context) => {
  const mixed = await bindTitle(context, textLayer('Title', 'one two', { mixed: ['fontSize'] }), {});
  assert.match(mixed.warnings.join(), /"Title" has several styles/);
  assert.equal(textOf(mixed.layer).text, 'new');
});

test('a text is made smaller until it fits its box', async (context) => {
  const box = { size: [200, 60] as [number, number], pos: [0, 0] as [number, number] };
  const { layer } = await bindTitle(context, textLayer('Title', 'old', { fontSize: 40, box }), {
    text: 'so many words that no box of this size can hold them',
    shrink: true,
  });
  const document = textOf(layer);
  assert.ok(document.fontSize < 30 && document.fontSize >= 4, String(document.fontSize));
  assert.deepEqual(document.box, box);
});

test('a text that fits keeps its size', async (context) => {
  const box = { size: [300, 100] as [number, number], pos: [0, 0] as [number, number] };
  const inBox = await bindTitle(context, textLayer('Title', 'old', { fontSize: 20, box }), {
    text: 'ok',
    shrink: true,
  });
  assert.equal(textOf(inBox.layer).fontSize, 20);
  const point = await bindTitle(context, textLayer('Title', 'old', { fontSize: 20 }), {
    text: 'ok',
    shrink: true,
  });
  assert.equal(textOf(point.layer).fontSize, 20);
});

test('point text is made smaller until it fits between its place and the edge of the frame', async (context) => {
  const long = 'a title that is a good deal longer than the frame is wide';
  const at = (x: number, justification: 'left' | 'center' | 'right') =>
    textLayer('Title', 'o', { fontSize: 40, justification }, { position: [x, 90, 0], anchor: [0, 0, 0] });
  const sizeAt = async (x: number, justification: 'left' | 'center' | 'right') =>
    textOf((await bindTitle(context, at(x, justification), { text: long, shrink: true })).layer).fontSize;
  const whole = await sizeAt(0, 'left');
  assert.ok(whole < 20 && whole > 4, String(whole));
  const half = await sizeAt(160, 'left');
  assert.ok(Math.abs(half - whole / 2) < 0.5, `${half} of ${whole}`);
  assert.ok(Math.abs((await sizeAt(160, 'center')) - whole) < 0.5);
  assert.ok(Math.abs((await sizeAt(320, 'right')) - whole) < 0.5);
});

test('a text that fits at no size is a warning', async (context) => {
  const box = { size: [20, 8] as [number, number], pos: [0, 0] as [number, number] };
  const { layer, warnings } = await bindTitle(context, textLayer('Title', 'o', { fontSize: 100, box }), {
    text: 'words '.repeat(40),
    shrink: true,
  });
  assert.match(warnings.join(), /does not fit/);
  assert.equal(textOf(layer).fontSize, 10);
});
