import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { BindOperation } from '../../../src/engines/aerender/bind/bind-data.ts';
import { planBinding } from '../../../src/engines/aerender/bind/bind-plan.ts';
import type { EngineInput } from '../../../src/engines/engine.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { renderRequest, temporaryDirectory } from '../../helpers/render-request.ts';

interface Parts {
  readonly section?: Record<string, unknown>;
  readonly bind?: readonly Record<string, unknown>[];
  readonly inputs?: Record<string, EngineInput>;
}

function plan(context: TestContext, parts: Parts, durationSeconds?: number) {
  const bundleDir = temporaryDirectory(context);
  const request = renderRequest({
    engine: 'aerender',
    bundleDir,
    manifest: {
      engines: {
        aerender: { project: 'ae/main.aep', composition: 'Main', bind: parts.bind ?? [], ...parts.section },
      },
    },
    inputs: parts.inputs ?? {},
  });
  const places = { saveTo: '/w/bound.aep', ...(durationSeconds === undefined ? {} : { durationSeconds }) };
  return { data: planBinding(request, places), bundleDir };
}

function operations(context: TestContext, parts: Parts): readonly BindOperation[] {
  return plan(context, parts).data.operations;
}

function refusal(context: TestContext, parts: Parts): FlatrenderError {
  try {
    plan(context, parts);
  } catch (error) {
    assert.ok(error instanceof FlatrenderError, String(error));
    return error;
  }
  return assert.fail('should have been refused');
}

test('a plan names the project of the bundle, the copy, the composition and the scripts', (context) => {
  const { data, bundleDir } = plan(
    context,
    {
      section: { scripts: ['ae/after.jsx'], missingFonts: 'substitute' },
      inputs: { title: { type: 'text', value: 'Hi' }, logo: { type: 'image', path: '/in/logo.png' } },
    },
    12.5,
  );
  assert.deepEqual(data, {
    format: 1,
    project: join(bundleDir, 'ae', 'main.aep'),
    saveTo: '/w/bound.aep',
    footageFolders: [join(bundleDir, 'ae'), bundleDir],
    composition: 'Main',
    durationSeconds: 12.5,
    missingFonts: 'substitute',
    missingFootage: 'refuse',
    operations: [],
    scripts: [join(bundleDir, 'ae', 'after.jsx')],
    inputs: { title: 'Hi', logo: '/in/logo.png' },
  });
});

test('a composition that keeps its length has none in the plan', (context) => {
  assert.equal(plan(context, {}).data.durationSeconds, null);
});

test('every kind of binding becomes one operation with its input resolved', (context) => {
  const bind = [
    { to: 'text', input: 'title', layer: 'Title', font: 'Inter-Bold', size: 80, color: { input: 'tint' } },
    {
      to: 'text',
      input: 'price',
      layer: 3,
      composition: 'A/B',
      align: 'right',
      shrink: false,
      color: '#00ff00',
    },
    { to: 'footage', input: 'logo', layer: 'Logo', fit: 'cover' },
    { to: 'footage', input: 'music', item: 'Sound/bed.wav', time: 'loop' },
    { to: 'color', input: 'tint', layer: 'Box', shape: 'Back', stroke: true },
    { to: 'property', input: 'amount', layer: 'Box', property: 'Transform.Opacity' },
    { to: 'property', input: 'tint', layer: 'Box', property: 'Effects.Fill.Color' },
    { to: 'visible', input: 'badge', layer: 'Badge' },
    { to: 'source', input: 'scene', layer: 'Scene', options: { day: 'Day', night: 'Night' } },
    { to: 'expression', layer: 'Box', property: 'Transform.Rotation', expression: 'time * 10' },
  ];
  const inputs: Record<string, EngineInput> = {
    title: { type: 'text', value: 'Grüße\n"x"' },
    price: { type: 'number', value: 19.5 },
    tint: { type: 'color', value: '#ff000080' },
    logo: { type: 'image', path: '/in/logo.png' },
    music: { type: 'audio', path: '/in/bed.wav' },
    amount: { type: 'number', value: 40 },
    badge: { type: 'boolean', value: false },
    scene: { type: 'choice', value: 'night' },
  };
  const tint = [1, 0, 0, 128 / 255];
  const here = (layer: string | number, composition: string | null = null) => ({ composition, layer });
  assert.deepEqual(operations(context, { bind, inputs }), [
    {
      at: 'bind[0] (input "title")',
      op: 'text',
      layer: here('Title'),
      text: 'Grüße\n"x"',
      font: 'Inter-Bold',
      size: 80,
      color: tint,
      align: null,
      shrink: true,
    },
    {
      at: 'bind[1] (input "price")',
      op: 'text',
      layer: here(3, 'A/B'),
      text: '19.5',
      font: null,
      size: null,
      color: [0, 1, 0, 1],
      align: 'right',
      shrink: false,
    },
    {
      at: 'bind[2] (input "logo")',
      op: 'footage',
      layer: here('Logo'),
      item: null,
      file: '/in/logo.png',
      fit: 'cover',
      time: 'trim',
    },
    {
      at: 'bind[3] (input "music")',
      op: 'footage',
      layer: null,
      item: 'Sound/bed.wav',
      file: '/in/bed.wav',
      fit: 'contain',
      time: 'loop',
    },
    {
      at: 'bind[4] (input "tint")',
      op: 'color',
      layer: here('Box'),
      color: tint,
      property: null,
      shape: 'Back',
      stroke: true,
    },
    {
      at: 'bind[5] (input "amount")',
      op: 'property',
      layer: here('Box'),
      property: 'Transform.Opacity',
      value: 40,
    },
    {
      at: 'bind[6] (input "tint")',
      op: 'property',
      layer: here('Box'),
      property: 'Effects.Fill.Color',
      value: tint,
    },
    { at: 'bind[7] (input "badge")', op: 'visible', layer: here('Badge'), visible: false },
    { at: 'bind[8] (input "scene")', op: 'source', layer: here('Scene'), composition: 'Night' },
    {
      at: 'bind[9]',
      op: 'expression',
      layer: here('Box'),
      property: 'Transform.Rotation',
      expression: 'time * 10',
    },
  ]);
});

test('an input that is not given leaves its place as the project has it', (context) => {
  const bind = [
    { to: 'text', input: 'title', layer: 'Title' },
    { to: 'visible', input: 'constructor', layer: 'Badge' },
    { to: 'text', input: 'sub', layer: 'Sub', color: { input: 'tint' } },
  ];
  const planned = operations(context, { bind, inputs: { sub: { type: 'text', value: 'x' } } });
  assert.deepEqual(
    planned.map((operation) => [operation.at, operation.op === 'text' && operation.color]),
    [['bind[2] (input "sub")', null]],
  );
});

test('a choice decides which composition is rendered', (context) => {
  const composition = { input: 'format', options: { wide: 'Main 16x9', tall: 'Main 9x16' } };
  const inputs: Record<string, EngineInput> = { format: { type: 'choice', value: 'tall' } };
  assert.equal(plan(context, { section: { composition }, inputs }).data.composition, 'Main 9x16');

  const missing = refusal(context, { section: { composition } });
  assert.equal(missing.code, 'INPUT_INVALID');
  assert.match(missing.message, /"format"/);

  const unknown = refusal(context, {
    section: { composition },
    inputs: { format: { type: 'choice', value: 'toString' } },
  });
  assert.equal(unknown.code, 'INPUT_INVALID');
  assert.match(unknown.hint ?? '', /wide, tall/);
});

test('a binding refuses an input of another type', (context) => {
  const text: EngineInput = { type: 'text', value: 'x' };
  const image: EngineInput = { type: 'image', path: '/in/a.png' };
  const wrong: [Record<string, unknown>, EngineInput][] = [
    [{ to: 'text', input: 'it', layer: 'L' }, image],
    [{ to: 'footage', input: 'it', layer: 'L' }, text],
    [
      { to: 'footage', input: 'it', layer: 'L' },
      { type: 'font', path: '/in/a.ttf' },
    ],
    [{ to: 'color', input: 'it', layer: 'L' }, text],
    [{ to: 'property', input: 'it', layer: 'L', property: 'Opacity' }, image],
    [{ to: 'visible', input: 'it', layer: 'L' }, text],
    [{ to: 'source', input: 'it', layer: 'L', options: { x: 'X' } }, text],
  ];
  for (const [binding, it] of wrong) {
    const error = refusal(context, { bind: [binding], inputs: { it } });
    assert.equal(error.code, 'TEMPLATE_INVALID');
    assert.match(error.message, /^bind\[0\] \(input "it"\): the input is of type/);
  }
});

test('a footage binding names a layer or an item, not both and not neither', (context) => {
  const inputs: Record<string, EngineInput> = { logo: { type: 'image', path: '/in/a.png' } };
  for (const target of [{}, { layer: 'L', item: 'I' }]) {
    const error = refusal(context, { bind: [{ to: 'footage', input: 'logo', ...target }], inputs });
    assert.equal(error.code, 'TEMPLATE_INVALID');
  }
});

test('a manifest without After Effects has no plan', (context) => {
  const bundleDir = temporaryDirectory(context);
  const request = renderRequest({ engine: 'aerender', bundleDir, manifest: { engines: { mock: {} } } });
  assert.throws(() => planBinding(request, { saveTo: '/w/b.aep' }), { code: 'TEMPLATE_INVALID' });
});
