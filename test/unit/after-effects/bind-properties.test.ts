import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { BindOperation } from '../../../src/engines/aerender/bind/bind-data.ts';
import {
  checkboxControl,
  compLayer,
  fillEffect,
  footageLayer,
  layerOf,
  ProjectBuilder,
  rectangle,
  shapeLayer,
  sliderControl,
  textLayer,
} from '../../after-effects/project-builder.ts';
import type { SimFootage, SimLayer } from '../../after-effects/sim-project.ts';
import { bindIn, failureIn, layerIn, propertyIn, textOf } from './bind-bench.ts';

const at = 'bind[0] (input "it")';
const box = { composition: null, layer: 'Box' };

type PropertyValue = Extract<BindOperation, { op: 'property' }>['value'];

/** "Box", a shape layer with effects, in "Main". */
function boxes(): { build: ProjectBuilder; layer: SimLayer } {
  const layer = shapeLayer(
    'Box',
    [
      rectangle('Back', { size: [100, 50], fill: [1, 0, 0], stroke: [0, 0, 0] }),
      rectangle('Front', { size: [50, 20], fill: [0, 1, 0] }),
    ],
    {
      effects: [
        fillEffect([1, 1, 1]),
        sliderControl('v1.0 beta', 10),
        checkboxControl('On', false),
        sliderControl('Same', 1),
        sliderControl('Same', 2),
      ],
    },
  );
  const build = new ProjectBuilder();
  build.comp('Main', { layers: [layer] });
  return { build, layer };
}

async function bindProperty(
  context: TestContext,
  property: string,
  value: PropertyValue,
  change: (layer: SimLayer) => void = () => {},
) {
  const { build, layer } = boxes();
  change(layer);
  const bound = await bindIn(context, build, {
    operations: [{ at, op: 'property', layer: box, property, value }],
  });
  return { ...bound, layer: () => layerIn(bound.project, 'Main', 'Box') };
}

test('a property is found by names, match names, numbers, and names that hold dots', async (context) => {
  const paths = [
    'Effects.v1.0 beta.Slider',
    'Effects.v1\\.0 beta.Slider',
    'ADBE Effect Parade.v1.0 beta.ADBE Slider Control-0001',
    'Effects.2.1',
  ];
  for (const path of paths) {
    const { result, layer } = await bindProperty(context, path, 42);
    assert.ok(result.ok, JSON.stringify(result));
    assert.equal(propertyIn(layer(), 'ADBE Slider Control-0001').value, 42, path);
  }
  const { layer } = await bindProperty(context, 'Transform.Opacity', 25);
  assert.equal(propertyIn(layer(), 'ADBE Opacity').value, 25);
});

test('English names are understood where After Effects has those of another language', async (context) => {
  const { result, layer } = await bindProperty(context, 'Transform.Opacity', 25, (box) => {
    for (const group of box.properties) {
      if (group.matchName !== 'ADBE Transform Group') continue;
      group.name = 'Transformieren';
      for (const each of group.children ?? []) each.name = `${each.name} (deutsch)`;
    }
  });
  assert.ok(result.ok, JSON.stringify(result));
  assert.equal(propertyIn(layer(), 'ADBE Opacity').value, 25);
});

test('common effects are found by their English names in every language', async (context) => {
  const { result, layer } = await bindProperty(context, 'Effects.Fill.Color', [0, 0, 1, 1], (box) => {
    for (const group of box.properties) {
      if (group.matchName !== 'ADBE Effect Parade') continue;
      group.name = 'Effekte';
      for (const each of group.children ?? []) {
        if (each.matchName !== 'ADBE Fill') continue;
        each.name = 'Füllung';
        for (const value of each.children ?? []) value.name = `${value.name} (deutsch)`;
      }
    }
  });
  assert.ok(result.ok, JSON.stringify(result));
  assert.deepEqual(propertyIn(layer(), 'ADBE Fill-0002').value, [0, 0, 1, 1]);
});

test('values of all types are set as the property takes them', async (context) => {
  const cases: [string, string, PropertyValue, unknown][] = [
    ['Effects.Fill.Color', 'ADBE Fill-0002', [0, 0.5, 1, 1], [0, 0.5, 1, 1]],
    ['Effects.Fill.Color', 'ADBE Fill-0002', '#0000ff', [0, 0, 1, 1]],
    ['Effects.On.Checkbox', 'ADBE Checkbox Control-0001', true, 1],
    ['Effects.v1.0 beta.Slider', 'ADBE Slider Control-0001', ' -1.5e1 ', -15],
    ['Transform.Position', 'ADBE Position', '10, 20', [10, 20, 0]],
    ['Transform.Scale', 'ADBE Scale', 50, [50, 50, 50]],
    ['Transform.Scale', 'ADBE Scale', '50,60', [50, 60, 100]],
  ];
  for (const [path, matchName, value, expected] of cases) {
    const { result, layer } = await bindProperty(context, path, value);
    assert.ok(result.ok, JSON.stringify(result));
    assert.deepEqual(propertyIn(layer(), matchName).value, expected, path);
    assert.deepEqual(result.warnings, []);
  }
});

test('a value that the property cannot hold is refused', async (context) => {
  const cases: [string, PropertyValue, string, RegExp][] = [
    ['Transform.Opacity', 101, 'INPUT_INVALID', /"Opacity" takes at most 100, not 101/],
    ['Transform.Opacity', -1, 'INPUT_INVALID', /"Opacity" takes 0 or more, not -1/],
    ['Transform.Opacity', 'much', 'TEMPLATE_INVALID', /takes a number, not "much"/],
    ['Transform.Position', 7, 'TEMPLATE_INVALID', /takes 3 numbers/],
    ['Transform.Position', '1,x', 'TEMPLATE_INVALID', /takes numbers with commas/],
    ['Effects.Fill.Color', 'red', 'TEMPLATE_INVALID', /takes a colour, not "red"/],
  ];
  for (const [path, value, code, message] of cases) {
    const error = failureIn(await bindProperty(context, path, value));
    assert.equal(error.code, code, path);
    assert.match(error.message, message);
    assert.equal(error.at, at);
  }
});

test('keyframes and an expression of the property give way, with a warning each', async (context) => {
  const { result, layer } = await bindProperty(context, 'Transform.Opacity', 25, (box) => {
    const opacity = propertyIn(box, 'ADBE Opacity');
    opacity.keyframes = [
      { time: 0, value: 0 },
      { time: 1, value: 100 },
    ];
    opacity.expression = 'wiggle(1, 50)';
  });
  assert.ok(result.ok, JSON.stringify(result));
  const opacity = propertyIn(layer(), 'ADBE Opacity');
  assert.equal(opacity.keyframes?.length ?? 0, 0);
  assert.equal(opacity.value, 25);
  assert.match(
    result.warnings.join('\n'),
    /expression of "Opacity" is disabled[\s\S]*keyframes of "Opacity" are removed/,
  );
});

test('a property that is not there is an error that lists what there is', async (context) => {
  const missing = failureIn(await bindProperty(context, 'Effects.Fill.Colour', 1));
  assert.equal(missing.code, 'AE_PROPERTY_NOT_FOUND');
  assert.equal(missing.candidates[0], 'Effects.Fill.Color');
  const group = failureIn(await bindProperty(context, 'Effects.Fill', 1));
  assert.equal(group.code, 'AE_PROPERTY_NOT_FOUND');
  assert.match(group.message, /is a group of properties/);
  assert.ok(group.candidates.includes('Effects.Fill.Opacity'));
  const twice = failureIn(await bindProperty(context, 'Effects.Same.Slider', 1));
  assert.equal(twice.code, 'AE_PROPERTY_NOT_FOUND');
  assert.deepEqual(twice.candidates, ['Effects.4', 'Effects.5']);
  const top = failureIn(await bindProperty(context, 'Efects.Fill.Color', 1));
  assert.equal(top.candidates[0], 'Effects');
});

test('an essential property of a precomposition is set for that layer', async (context) => {
  const build = new ProjectBuilder();
  const card = build.comp('Card', {
    layers: [textLayer('Name', 'nobody')],
    essential: { 'Who is it': 'Name/ADBE Text Properties/ADBE Text Document' },
  });
  build.comp('Main', { layers: [compLayer(card, { name: 'One' }), compLayer(card, { name: 'Two' })] });
  const { result, project } = await bindIn(context, build, {
    operations: [
      {
        at,
        op: 'property',
        layer: { composition: null, layer: 'One' },
        property: 'Essential Properties.Who is it',
        value: 'Ada',
      },
    ],
  });
  assert.ok(result.ok, JSON.stringify(result));
  const valueIn = (name: string) =>
    (propertyIn(layerIn(project, 'Main', name), 'ADBE Layer Overrides/Who is it').value as { text: string })
      .text;
  assert.equal(valueIn('One'), 'Ada');
  assert.equal(valueIn('Two'), 'nobody');
});

type ColorOperation = Extract<BindOperation, { op: 'color' }>;

function color(layer: string, parts: Partial<ColorOperation> = {}): ColorOperation {
  return {
    at,
    op: 'color',
    layer: { composition: null, layer },
    color: [0, 0, 1, 1],
    property: null,
    shape: null,
    stroke: false,
    ...parts,
  };
}

/** Colours of fills and strokes of "Box", in order: Back's stroke, Back's fill, Front's fill. */
async function paints(context: TestContext, parts: Partial<ColorOperation>) {
  const { build } = boxes();
  const { result, project } = await bindIn(context, build, { operations: [color('Box', parts)] });
  assert.ok(result.ok, JSON.stringify(result));
  const found: string[] = [];
  const visit = (properties: SimLayer['properties']): void => {
    for (const each of properties) {
      if (/^ADBE Vector (Fill|Stroke) Color$/.test(each.matchName)) found.push(String(each.value));
      visit(each.children ?? []);
    }
  };
  visit(layerIn(project, 'Main', 'Box').properties);
  return found.join(' ');
}

test('fills and strokes of a shape layer are coloured, all or those of a group', async (context) => {
  assert.equal(await paints(context, {}), '0,0,0,1 0,0,1,1 0,0,1,1');
  assert.equal(await paints(context, { stroke: true }), '0,0,1,1 1,0,0,1 0,1,0,1');
  assert.equal(await paints(context, { shape: 'Front' }), '0,0,0,1 1,0,0,1 0,0,1,1');
});

test('a transparent colour sets the opacity of the fill', async (context) => {
  const { build } = boxes();
  const { project } = await bindIn(context, build, {
    operations: [color('Box', { color: [0, 0, 1, 0.5], shape: 'Front' })],
  });
  const front = layerIn(project, 'Main', 'Box').properties.flatMap((each) => each.children ?? [])[1];
  assert.ok(front);
  assert.equal(propertyIn(front, 'ADBE Vector Fill Opacity').value, 50);
});

test('a shape without such a group or paint is an error that lists the groups', async (context) => {
  const { build } = boxes();
  const group = failureIn(await bindIn(context, build, { operations: [color('Box', { shape: 'Frnt' })] }));
  assert.equal(group.code, 'AE_PROPERTY_NOT_FOUND');
  assert.deepEqual(group.candidates, ['Front', 'Back']);
  const paint = failureIn(
    await bindIn(context, boxes().build, { operations: [color('Box', { shape: 'Front', stroke: true })] }),
  );
  assert.match(paint.message, /no stroke/);
});

test('the colour of a text is its fill', async (context) => {
  const build = new ProjectBuilder();
  build.comp('Main', { layers: [textLayer('Title', 'x', { applyFill: false })] });
  const { project } = await bindIn(context, build, { operations: [color('Title')] });
  const document = textOf(layerIn(project, 'Main', 'Title'));
  assert.deepEqual(document.fillColor, [0, 0, 1]);
  assert.equal(document.applyFill, true);
});

test('a solid is coloured for its layer alone', async (context) => {
  const build = new ProjectBuilder();
  const shared = build.solid('Red', [1, 0, 0]);
  const own = build.solid('Green', [0, 1, 0]);
  build.comp('Main', {
    layers: [
      footageLayer(shared, { name: 'A' }),
      footageLayer(shared, { name: 'B' }),
      footageLayer(own, { name: 'C' }),
    ],
  });
  const { result, project } = await bindIn(context, build, { operations: [color('A'), color('C')] });
  assert.ok(result.ok, JSON.stringify(result));
  const colorOf = (name: string) => {
    const { sourceId } = layerIn(project, 'Main', name);
    const source = project.items.find(({ id }) => id === sourceId) as SimFootage;
    return source.source.kind === 'solid' ? source.source.color : source.source.kind;
  };
  assert.deepEqual(['A', 'B', 'C'].map(colorOf), [
    [0, 0, 1],
    [1, 0, 0],
    [0, 0, 1],
  ]);
  const main = project.items.find(({ name }) => name === 'Main');
  assert.ok(main?.type === 'comp' && main.layers.length === 3);
});

test('a layer without a colour of its own is an error that lists those of its effects', async (context) => {
  const build = new ProjectBuilder();
  const inner = build.comp('Inner', { layers: [] });
  build.comp('Main', { layers: [compLayer(inner, { effects: [fillEffect([1, 1, 1], 'Tint')] })] });
  const error = failureIn(await bindIn(context, build, { operations: [color('Inner')] }));
  assert.equal(error.code, 'AE_PROPERTY_NOT_FOUND');
  assert.deepEqual(error.candidates, ['Effects.Tint.Color']);
});

test('the solid of an adjustment layer or a null object is never seen, and has no colour', async (context) => {
  const build = () => {
    const made = new ProjectBuilder();
    const solid = made.solid('White', [1, 1, 1]);
    const effects = [fillEffect([1, 1, 1])];
    const adjusting = footageLayer(solid, { name: 'Grade', adjustment: true, effects });
    made.comp('Main', { layers: [adjusting, layerOf('null', 'Null', solid)] });
    return made;
  };
  const grade = failureIn(await bindIn(context, build(), { operations: [color('Grade')] }));
  assert.equal(grade.code, 'AE_PROPERTY_NOT_FOUND');
  assert.deepEqual(grade.candidates, ['Effects.Fill.Color']);
  const empty = failureIn(await bindIn(context, build(), { operations: [color('Null')] }));
  assert.equal(empty.code, 'AE_PROPERTY_NOT_FOUND');
});

test('layers are switched on and off, with their sound', async (context) => {
  const build = new ProjectBuilder();
  const inner = build.comp('Inner', { layers: [] });
  build.comp('Main', {
    layers: [
      textLayer('Off', 'x'),
      textLayer('On', 'x', {}, { enabled: false }),
      compLayer(inner, { name: 'Loud' }),
      compLayer(inner, { name: 'Mute', enabled: false, audioEnabled: false }),
    ],
  });
  const visible = (layer: string, isVisible: boolean): BindOperation => ({
    at,
    op: 'visible',
    layer: { composition: null, layer },
    visible: isVisible,
  });
  const { result, project } = await bindIn(context, build, {
    operations: [visible('Off', false), visible('On', true), visible('Loud', false), visible('Mute', true)],
  });
  assert.ok(result.ok, JSON.stringify(result));
  const stateOf = (name: string) => {
    const { enabled, audioEnabled } = layerIn(project, 'Main', name);
    return [enabled, audioEnabled];
  };
  assert.equal(stateOf('Off')[0], false);
  assert.equal(stateOf('On')[0], true);
  assert.equal(stateOf('Loud')[0], false);
  assert.deepEqual(stateOf('Mute').slice(0, 1), [true]);
});

test('a layer shows another composition, and keeps its name', async (context) => {
  const scenes = () => {
    const build = new ProjectBuilder();
    const day = build.comp('Day', { layers: [] });
    const night = build.comp('Night', { layers: [] });
    const main = build.comp('Main', { layers: [compLayer(day)] });
    const outer = build.comp('Outer', { layers: [compLayer(main)] });
    return { build, night, outer };
  };
  const source = (composition: string): BindOperation => ({
    at,
    op: 'source',
    layer: { composition: null, layer: 'Day' },
    composition,
  });
  const { build, night } = scenes();
  const { result, project } = await bindIn(context, build, { operations: [source('Night')] });
  assert.ok(result.ok, JSON.stringify(result));
  assert.equal(layerIn(project, 'Main', 'Day').sourceId, night.id);
  const missing = failureIn(await bindIn(context, scenes().build, { operations: [source('Knight')] }));
  assert.equal(missing.code, 'AE_COMP_NOT_FOUND');
  assert.equal(missing.candidates[0], 'Night');
  const loop = failureIn(await bindIn(context, scenes().build, { operations: [source('Outer')] }));
  assert.equal(loop.code, 'TEMPLATE_INVALID');
});

test('an expression of the template is set; a wrong one is an error with what is wrong', async (context) => {
  const expression = (text: string, property = 'Transform.Rotation'): BindOperation => ({
    at: 'bind[0]',
    op: 'expression',
    layer: box,
    property,
    expression: text,
  });
  const { result, project } = await bindIn(context, boxes().build, { operations: [expression('time * 10')] });
  assert.ok(result.ok, JSON.stringify(result));
  assert.equal(propertyIn(layerIn(project, 'Main', 'Box'), 'ADBE Rotate Z').expression, 'time * 10');
  const wrong = failureIn(await bindIn(context, boxes().build, { operations: [expression('time *')] }));
  assert.equal(wrong.code, 'AE_SCRIPT_ERROR');
  assert.match(wrong.message, /expression of "Rotation" is wrong/);
  assert.equal(wrong.at, 'bind[0]');
});
