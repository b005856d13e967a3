import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineInput } from '../../../src/engines/engine.ts';
import { bindInputs, checkBindingInputs } from '../../../src/engines/lottie/bind.ts';
import { documentsOf } from '../../../src/engines/lottie/fonts.ts';
import { listLayers } from '../../../src/engines/lottie/layers.ts';
import type { Lottie } from '../../../src/engines/lottie/lottie-json.ts';
import {
  lottieSection,
  sampleFill,
  sampleFonts,
  sampleLayer,
  sampleLottie,
  sampleShape,
  sampleText,
} from '../../helpers/lottie-sample.ts';

type Inputs = Record<string, EngineInput>;
const text = (value: string): Inputs => ({ value: { type: 'text', value } });
const color = (value: string): Inputs => ({ value: { type: 'color', value } });

function bind(lottie: Lottie, binding: Record<string, unknown>, inputs: Inputs) {
  return bindInputs(lottie, lottieSection({ bind: [{ input: 'value', ...binding }] }), inputs);
}

function textsOf(lottie: Lottie): string[] {
  return listLayers(lottie).flatMap((place) => documentsOf(place).map(({ t }) => t));
}

test('text is set at every keyframe of its layer, and nowhere else', () => {
  const lottie = sampleLottie({
    layers: [sampleText('Title', [{ t: 'a' }, { t: 'b' }]), sampleText('Other', [{}])],
  });
  assert.deepEqual(bind(lottie, { to: 'text', layer: 'Title' }, text('Grüße')).problems, []);
  assert.deepEqual(textsOf(lottie), ['Grüße', 'Grüße', 'Other']);
});

test('text that is not given stays as the file has it', () => {
  const lottie = sampleLottie({ layers: [sampleText('Title', [{ t: 'as designed' }])] });
  assert.deepEqual(bind(lottie, { to: 'text', layer: 'Title' }, {}).problems, []);
  assert.deepEqual(textsOf(lottie), ['as designed']);
});

test('line breaks of every kind become those of Lottie, tabs become spaces, marks are composed', () => {
  const lottie = sampleLottie({ layers: [sampleText('Title', [{}])] });
  bind(lottie, { to: 'text', layer: 'Title' }, text('one\r\ntwo\nthree\u0003four\u2028five\tsix u\u0308'));
  assert.deepEqual(textsOf(lottie), ['one\rtwo\rthree\rfour\rfive    six ü']);
});

test('text of the file itself is cleaned of characters that would be drawn as boxes', () => {
  const lottie = sampleLottie({ layers: [sampleText('Title', [{ t: 'soft\u0003break' }])] });
  bindInputs(lottie, lottieSection({}), {});
  assert.deepEqual(textsOf(lottie), ['soft\rbreak']);
});

test('a number or a choice can be text', () => {
  const lottie = sampleLottie({ layers: [sampleText('Title', [{}])] });
  bind(lottie, { to: 'text', layer: 'Title' }, { value: { type: 'number', value: 2.5 } });
  assert.deepEqual(textsOf(lottie), ['2.5']);
});

const inComposition = () =>
  sampleLottie({
    layers: [sampleLayer(0, 'Intro', { refId: 'comp_0' }), sampleLayer(0, 'Outro', { refId: 'comp_1' })],
    assets: [
      { id: 'comp_0', nm: 'Intro comp', layers: [sampleText('Title', [{ t: 'in' }])] },
      { id: 'comp_1', layers: [sampleText('Title', [{ t: 'out' }]), sampleText('Line', [{ t: 'line' }])] },
    ],
  });

for (const layer of ['Intro/Title', 'Intro comp/Title', 'comp_0/Title']) {
  test(`the path ${layer} finds a layer in a composition`, () => {
    const lottie = inComposition();
    assert.deepEqual(bind(lottie, { to: 'text', layer }, text('new')).problems, []);
    assert.deepEqual(textsOf(lottie), ['new', 'out', 'line']);
  });
}

test('a name in one composition only needs no path', () => {
  const lottie = inComposition();
  assert.deepEqual(bind(lottie, { to: 'text', layer: 'Line' }, text('new')).problems, []);
  assert.deepEqual(textsOf(lottie), ['in', 'out', 'new']);
});

test('a name that several layers have is refused with their paths, and nothing is changed', () => {
  const lottie = inComposition();
  const { problems } = bind(lottie, { to: 'text', layer: 'Title' }, text('new'));
  assert.deepEqual(
    problems.map(({ code, message }) => [code, message]),
    [['TEMPLATE_INVALID', '2 text layers are called "Title": "Intro/Title", "Outro/Title"']],
  );
  assert.deepEqual(textsOf(lottie), ['in', 'out', 'line']);
});

test('a layer in a composition that is shown twice is one layer', () => {
  const lottie = sampleLottie({
    layers: [sampleLayer(0, 'A', { refId: 'c' }), sampleLayer(0, 'B', { refId: 'c' })],
    assets: [{ id: 'c', layers: [sampleText('Title', [{}])] }],
  });
  assert.deepEqual(bind(lottie, { to: 'text', layer: 'Title' }, text('x')).problems, []);
});

test('a missing layer is refused with the layers there are', () => {
  const lottie = sampleLottie({ layers: [sampleText('Title', [{}]), sampleShape('Bar', [])] });
  const [problem] = bind(lottie, { to: 'text', layer: 'Titel' }, {}).problems;
  assert.equal(problem?.message, 'there is no text layer "Titel"; there are: "Title"');
  const [other] = bind(lottie, { to: 'text', layer: 'Bar' }, {}).problems;
  assert.match(
    other?.message ?? '',
    /there is no text layer "Bar" \(the layer of that name is of another type, 4\)/,
  );
});

test('a colour goes to a solid', () => {
  const layer = sampleLayer(1, 'Back', { sc: '#000000' });
  bind(sampleLottie({ layers: [layer] }), { to: 'color', layer: 'Back' }, color('#Ff8000'));
  assert.equal(layer.sc, '#ff8000');
});

test('a colour goes to all fills of a shape layer, or those of the item named', () => {
  const layer = sampleShape('Bar', [sampleFill('First', [0, 0, 0, 1]), sampleFill('Second', [0, 0, 0, 1])]);
  const lottie = sampleLottie({ layers: [layer] });
  const fills = () => layer.shapes?.[0]?.it?.filter(({ ty }) => ty === 'fl').map(({ c }) => c?.k);
  bind(lottie, { to: 'color', layer: 'Bar', shape: 'Second' }, color('#ff0000'));
  assert.deepEqual(fills(), [
    [0, 0, 0, 1],
    [1, 0, 0, 1],
  ]);
  bind(lottie, { to: 'color', layer: 'Bar' }, color('#00ff00'));
  assert.deepEqual(fills(), [
    [0, 1, 0, 1],
    [0, 1, 0, 1],
  ]);
});

test('an animated colour becomes the given one', () => {
  const fill = {
    ...sampleFill('Fill', []),
    c: {
      a: 1,
      k: [
        { t: 0, s: [0, 0, 0, 1] },
        { t: 9, s: [1, 1, 1, 1] },
      ],
    },
  };
  const layer = sampleShape('Bar', [fill]);
  bind(sampleLottie({ layers: [layer] }), { to: 'color', layer: 'Bar' }, color('#0000ff'));
  assert.deepEqual(fill.c, { a: 0, k: [0, 0, 1, 1] });
});

test('the opacity of a colour reaches the item', () => {
  const fill = sampleFill('Fill', [0, 0, 0, 1]);
  bind(
    sampleLottie({ layers: [sampleShape('Bar', [fill])] }),
    { to: 'color', layer: 'Bar' },
    color('#0000ff33'),
  );
  assert.deepEqual(fill.o, { a: 0, k: 20 });
});

test('a colour goes to text, and to its outline when asked', () => {
  const layer = sampleText('Title', [{}, {}]);
  const lottie = sampleLottie({ layers: [layer] });
  bind(lottie, { to: 'color', layer: 'Title' }, color('#ff0000'));
  bind(lottie, { to: 'color', layer: 'Title', stroke: true }, color('#0000ff'));
  assert.deepEqual(
    layer.t?.d.k.map(({ s }) => [s.fc, s.sc]),
    [
      [
        [1, 0, 0],
        [0, 0, 1],
      ],
      [
        [1, 0, 0],
        [0, 0, 1],
      ],
    ],
  );
});

test('a layer without that paint is refused with the names of its items', () => {
  const lottie = sampleLottie({
    layers: [sampleShape('Bar', [sampleFill('Fill', [0, 0, 0])]), sampleLayer(3, 'Null')],
  });
  const messages = (binding: Record<string, unknown>) =>
    bind(lottie, { to: 'color', ...binding }, {}).problems.map(({ message }) => message);
  assert.deepEqual(messages({ layer: 'Bar', stroke: true }), [
    'layer "Bar" has no stroke; items: "Box", "Rectangle", "Fill"',
  ]);
  assert.deepEqual(messages({ layer: 'Bar', shape: 'Nope' }), [
    'layer "Bar" has no item "Nope"; there are: "Box", "Rectangle", "Fill"',
  ]);
  assert.match(messages({ layer: 'Null' })[0] ?? '', /"Null" has no colour/);
});

test('visible hides and shows a layer', () => {
  const layer = sampleShape('Bar', []);
  const lottie = sampleLottie({ layers: [layer] });
  bind(lottie, { to: 'visible', layer: 'Bar' }, { value: { type: 'boolean', value: false } });
  assert.equal(layer.hd, true);
  bind(lottie, { to: 'visible', layer: 'Bar' }, { value: { type: 'boolean', value: true } });
  assert.equal(layer.hd, false);
});

test('opacity replaces a fixed one and limits a fade', () => {
  const still = sampleLayer(1, 'Still');
  const fading = sampleLayer(1, 'Fading', {
    ks: {
      o: {
        a: 1,
        k: [
          { t: 0, s: [0] },
          { t: 10, s: [100] },
        ],
      },
    },
  });
  const lottie = sampleLottie({ layers: [still, fading] });
  for (const layer of ['Still', 'Fading'])
    bind(lottie, { to: 'opacity', layer }, { value: { type: 'number', value: 40 } });
  assert.deepEqual(still.ks?.o, { a: 0, k: 40 });
  assert.deepEqual(fading.ks?.o, {
    a: 1,
    k: [
      { t: 0, s: [0] },
      { t: 10, s: [40] },
    ],
  });
});

test('a slot is set wherever it is used', () => {
  const layer = sampleShape('Bar', [
    { ...sampleFill('Fill', [0, 0, 0, 1]), c: { a: 0, k: [0, 0, 0, 1], sid: 'brand' } },
  ]);
  const title = sampleText('Title', [{}]);
  if (title.t) title.t.d.sid = 'headline';
  const lottie = sampleLottie({
    layers: [layer, title],
    slots: {
      brand: { p: { a: 0, k: [0, 0, 0, 1] } },
      headline: { p: { k: [{ t: 0, s: { ...documentsOf({ layer: title } as never)[0] } }] } },
    },
  });
  const section = lottieSection({
    bind: [
      { to: 'slot', input: 'brand', slot: 'brand' },
      { to: 'slot', input: 'line', slot: 'headline' },
    ],
  });
  const inputs: Inputs = {
    brand: { type: 'color', value: '#ff0000' },
    line: { type: 'text', value: 'from the slot' },
  };
  assert.deepEqual(bindInputs(lottie, section, inputs).problems, []);
  assert.deepEqual(layer.shapes?.[0]?.it?.[1]?.c, { a: 0, k: [1, 0, 0, 1] });
  assert.deepEqual(textsOf(lottie), ['from the slot']);
});

test('a slot that does not exist, or holds something else, is refused', () => {
  const lottie = sampleLottie({ slots: { brand: { p: { a: 0, k: [0, 0, 0, 1] } } } });
  const [missing] = bind(lottie, { to: 'slot', slot: 'brnd' }, {}).problems;
  assert.equal(missing?.message, 'there is no slot "brnd"; there are: "brand"');
  const [wrong] = bind(lottie, { to: 'slot', slot: 'brand' }, text('x')).problems;
  assert.equal(wrong?.message, 'the slot "brand" holds color, the input value is text');
});

test('an image asset is found by id, name or file; a missing one is refused with those there are', () => {
  const lottie = sampleLottie({
    assets: [{ id: 'image_0', nm: 'Logo', w: 10, h: 10, u: 'images/', p: 'a.png' }],
  });
  const inputs: Inputs = { value: { type: 'image', path: '/x.png' } };
  for (const asset of ['image_0', 'Logo', 'a.png']) {
    const { images, problems } = bind(lottie, { to: 'image', asset }, inputs);
    assert.deepEqual([problems, images.map(({ path, fit }) => [path, fit])], [[], [['/x.png', 'contain']]]);
  }
  const [missing] = bind(lottie, { to: 'image', asset: 'logo' }, inputs).problems;
  assert.equal(missing?.message, 'there is no image asset "logo"; there are: "image_0"');
});

test('a font input replaces a font of the list', () => {
  const lottie = sampleLottie({ fonts: sampleFonts('Sans') });
  const inputs: Inputs = { value: { type: 'font', path: '/f.ttf' } };
  assert.deepEqual([...bind(lottie, { to: 'font', font: 'Sans' }, inputs).fonts], [['Sans', '/f.ttf']]);
  assert.match(
    bind(lottie, { to: 'font', font: 'Serif' }, inputs).problems[0]?.message ?? '',
    /no font "Serif"; there are: "Sans"/,
  );
});

test('a binding whose input does not exist or has another type is refused', () => {
  const section = lottieSection({
    bind: [
      { to: 'text', input: 'nope', layer: 'A' },
      { to: 'color', input: 'title', layer: 'A' },
    ],
  });
  const title = { type: 'text' as const, required: false, minLength: 0, maxLength: 10, multiline: false };
  assert.deepEqual(
    checkBindingInputs(section, { title }).map(({ message }) => message),
    [
      'a "text" binding names the input "nope"; there are: "title"',
      'the input title is of type text; a "color" binding takes color',
    ],
  );
});
