import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { BindOperation } from '../../../src/engines/aerender/bind/bind-data.ts';
import {
  compLayer,
  footageLayer,
  layerOf,
  ProjectBuilder,
  textLayer,
} from '../../after-effects/project-builder.ts';
import type { SimFootage, SimProject, SimProperty } from '../../after-effects/sim-project.ts';
import { temporaryDirectory } from '../../helpers/render-request.ts';
import { bindIn, failureIn, layerIn, pngFile, propertyIn, wavFile } from './bind-bench.ts';

type FootageOperation = Extract<BindOperation, { op: 'footage' }>;

function footage(file: string, parts: Partial<FootageOperation> = {}): FootageOperation {
  return {
    at: 'bind[0] (input "it")',
    op: 'footage',
    layer: { composition: null, layer: 'Place' },
    item: null,
    file,
    fit: 'contain',
    time: 'trim',
    ...parts,
  };
}

function pathOf(project: SimProject, sourceId: number | null): string | undefined {
  const item = project.items.find((each) => each.id === sourceId) as SimFootage | undefined;
  return item?.source.kind === 'file' ? item.source.path : undefined;
}

/** Scale and anchor point of "Place", 200 × 100 in its old source, after a picture of 100 × 100 replaced it. */
async function fitted(
  context: TestContext,
  fit: FootageOperation['fit'],
  parts: Record<string, unknown> = {},
) {
  const directory = temporaryDirectory(context);
  const file = pngFile(join(directory, 'new.png'), 100, 100);
  const build = new ProjectBuilder();
  const place = build.placeholder('place', { width: 200, height: 100 });
  build.comp('Main', {
    layers: [footageLayer(place, { name: 'Place', scale: [50, 50, 100], anchor: [20, 10, 0], ...parts })],
  });
  const { result, project } = await bindIn(context, build, { operations: [footage(file, { fit })] });
  assert.ok(result.ok, JSON.stringify(result));
  const layer = layerIn(project, 'Main', 'Place');
  assert.equal(pathOf(project, layer.sourceId), file);
  return {
    layer,
    warnings: result.warnings,
    scale: propertyIn(layer, 'ADBE Scale').value,
    anchor: propertyIn(layer, 'ADBE Anchor Point').value,
  };
}

test('a picture that is contained fills the height of its place, in the middle of it', async (context) => {
  const { scale, anchor } = await fitted(context, 'contain');
  assert.deepEqual(scale, [50, 50, 100]);
  assert.deepEqual(anchor, [20 - 50, 10, 0]);
});

test('a picture that covers fills the width of its place', async (context) => {
  const { scale, anchor, layer, warnings } = await fitted(context, 'cover');
  assert.deepEqual(scale, [100, 100, 100]);
  assert.deepEqual(anchor, [10, 30, 0]);
  // Of its 100 × 100 pixels those in the middle are seen.
  assert.deepEqual(propertyIn(layer, 'ADBE Mask Shape').value, {
    shape: 'rectangle',
    size: [100, 75],
    vertices: [
      [0, 25],
      [100, 25],
      [100, 75],
      [0, 75],
    ],
  });
  assert.deepEqual(warnings, []);
});

test('a picture that is stretched fills its place', async (context) => {
  const { scale, anchor } = await fitted(context, 'stretch');
  assert.deepEqual(scale, [100, 50, 100]);
  assert.deepEqual(anchor, [10, 10, 0]);
});

test('a picture that is not fitted has its own size, in the middle of its place', async (context) => {
  const { scale, anchor } = await fitted(context, 'none');
  assert.deepEqual(scale, [50, 50, 100]);
  assert.deepEqual(anchor, [-30, 10, 0]);
});

test('a scale with keyframes is fitted at all of them', async (context) => {
  const directory = temporaryDirectory(context);
  const file = pngFile(join(directory, 'new.png'), 400, 200);
  const build = new ProjectBuilder();
  const place = build.placeholder('place', { width: 200, height: 100 });
  const layer = footageLayer(place, { name: 'Place', scale: [100, 100, 100] });
  propertyIn(layer, 'ADBE Scale').keyframes = [
    { time: 0, value: [0, 0, 100] },
    { time: 1, value: [80, 60, 100] },
  ];
  build.comp('Main', { layers: [layer] });
  const { project } = await bindIn(context, build, { operations: [footage(file)] });
  assert.deepEqual(
    propertyIn(layerIn(project, 'Main', 'Place'), 'ADBE Scale').keyframes?.map(({ value }) => value),
    [
      [0, 0, 100],
      [40, 30, 100],
    ],
  );
});

test('an item is replaced in all layers that show it, each with its own scale', async (context) => {
  const directory = temporaryDirectory(context);
  const file = pngFile(join(directory, 'new.png'), 400, 400);
  const build = new ProjectBuilder();
  const folder = build.folder('Assets');
  const logo = build.file('logo.png', pngFile(join(directory, 'old.png'), 200, 200), {
    width: 200,
    height: 200,
    parent: folder.id,
  });
  const inner = build.comp('Inner', {
    layers: [footageLayer(logo, { name: 'Small', scale: [10, 10, 100] })],
  });
  build.comp('Main', { layers: [footageLayer(logo), compLayer(inner)] });
  const { result, project } = await bindIn(context, build, {
    operations: [footage(file, { layer: null, item: 'Assets/logo.png' })],
  });
  assert.ok(result.ok, JSON.stringify(result));
  const main = layerIn(project, 'Main', 'logo.png');
  assert.equal(pathOf(project, main.sourceId), file);
  assert.deepEqual(propertyIn(main, 'ADBE Scale').value, [50, 50, 100]);
  assert.deepEqual(propertyIn(layerIn(project, 'Inner', 'Small'), 'ADBE Scale').value, [5, 5, 100]);
});

test('a file that is not there or is no media is an error that names it', async (context) => {
  const directory = temporaryDirectory(context);
  const text = join(directory, 'no media.mov');
  writeFileSync(text, 'hello');
  const build = () => {
    const made = new ProjectBuilder();
    made.comp('Main', { layers: [footageLayer(made.placeholder('place'), { name: 'Place' })] });
    return made;
  };
  for (const file of [join(directory, 'absent.png'), text]) {
    const error = failureIn(await bindIn(context, build(), { operations: [footage(file)] }));
    assert.equal(error.code, 'MEDIA_INVALID');
    assert.ok(error.message.includes(file), error.message);
  }
});

test('a layer that shows no footage and an item that is not there are errors', async (context) => {
  const directory = temporaryDirectory(context);
  const file = pngFile(join(directory, 'new.png'), 10, 10);
  const build = () => {
    const made = new ProjectBuilder();
    made.placeholder('logo');
    made.comp('Main', { layers: [textLayer('Place', 'x')] });
    return made;
  };
  const layer = failureIn(await bindIn(context, build(), { operations: [footage(file)] }));
  assert.equal(layer.code, 'AE_LAYER_NOT_FOUND');
  assert.match(layer.message, /"Place" shows no footage/);
  const item = failureIn(
    await bindIn(context, build(), { operations: [footage(file, { layer: null, item: 'lgoo' })] }),
  );
  assert.equal(item.code, 'AE_LAYER_NOT_FOUND');
  assert.equal(item.candidates[0], 'logo');
});

test('a null object is refused: it would stay invisible', async (context) => {
  const file = pngFile(join(temporaryDirectory(context), 'new.png'), 10, 10);
  const build = new ProjectBuilder();
  build.comp('Main', { layers: [layerOf('null', 'Place', build.solid('Null 1', [1, 1, 1]))] });
  const error = failureIn(await bindIn(context, build, { operations: [footage(file)] }));
  assert.equal(error.code, 'AE_LAYER_NOT_FOUND');
  assert.match(error.message, /"Place"/);
});

test('what lasts begins where the still began that it replaces', async (context) => {
  const directory = temporaryDirectory(context);
  const file = wavFile(join(directory, 'new.wav'), 1);
  for (const startTime of [0, 0.8]) {
    const build = new ProjectBuilder();
    const place = build.placeholder('place');
    build.comp('Main', {
      duration: 4,
      layers: [footageLayer(place, { name: 'Place', inPoint: 0.4, outPoint: 3, startTime })],
    });
    const { project } = await bindIn(context, build, { operations: [footage(file)] });
    const layer = layerIn(project, 'Main', 'Place');
    assert.deepEqual(
      [layer.inPoint, layer.outPoint, layer.startTime].map((each) => Math.round(each * 1000) / 1000),
      [0.4, 1.4, 0.4],
    );
  }
});

/** In and out point, start and stretch of "Place", 0.4 to 2 s of 2 s, after a sound of this length replaced it. */
async function timed(
  context: TestContext,
  seconds: number,
  time: FootageOperation['time'],
  duration?: number,
) {
  const directory = temporaryDirectory(context);
  const file = wavFile(join(directory, 'new.wav'), seconds);
  const build = new ProjectBuilder();
  const old = build.audio('old.wav', wavFile(join(directory, 'old.wav'), 10), 10);
  const inner = build.comp('Inner', { duration: 2, layers: [textLayer('Text', 't')] });
  build.comp('Main', {
    duration: 2,
    layers: [
      footageLayer(old, { name: 'Place', inPoint: 0.4, outPoint: 2, startTime: 0 }),
      compLayer(inner),
      textLayer('Early', 'e', {}, { outPoint: 1 }),
    ],
  });
  const { result, project } = await bindIn(context, build, {
    operations: [footage(file, { time })],
    durationSeconds: duration ?? null,
  });
  assert.ok(result.ok, JSON.stringify(result));
  const layer = layerIn(project, 'Main', 'Place');
  const round = (value: number) => Math.round(value * 1000) / 1000;
  return {
    result,
    project,
    source: project.items.find(({ id }) => id === layer.sourceId) as SimFootage & { loop?: number },
    span: [layer.inPoint, layer.outPoint, layer.startTime, layer.stretch].map(round),
  };
}

test('a sound that is trimmed ends with its file or where the layer ended', async (context) => {
  assert.deepEqual((await timed(context, 5, 'trim')).span, [0.4, 2, 0, 100]);
  assert.deepEqual((await timed(context, 1, 'trim')).span, [0.4, 1, 0, 100]);
  assert.deepEqual((await timed(context, 0.2, 'trim')).span, [0.4, 0.6, 0.4, 100]);
});

test('a sound that is looped or stretched lasts as long as the layer', async (context) => {
  assert.deepEqual((await timed(context, 0.8, 'loop')).span, [0.4, 2, 0, 100]);
  assert.deepEqual((await timed(context, 0.8, 'stretch')).span, [0.4, 2, 0.4, 200]);
});

test('a composition that gets longer takes along what reached its end, and what is behind that', async (context) => {
  const { result, project, span } = await timed(context, 3, 'trim', 4);
  assert.ok(result.ok);
  assert.equal(result.composition.frames, 100);
  assert.deepEqual(span, [0.4, 3, 0, 100]);
  const main = project.items.find(({ name }) => name === 'Main');
  assert.ok(main?.type === 'comp');
  assert.deepEqual(main.workArea, { start: 0, duration: 4 });
  assert.equal(layerIn(project, 'Main', 'Inner').outPoint, 4);
  assert.equal(layerIn(project, 'Main', 'Early').outPoint, 1);
  assert.equal(layerIn(project, 'Inner', 'Text').outPoint, 4);
});

test('loops and stretches follow a composition that gets longer', async (context) => {
  assert.deepEqual((await timed(context, 0.8, 'loop', 4)).span, [0.4, 4, 0, 100]);
  assert.deepEqual((await timed(context, 0.8, 'stretch', 4)).span, [0.4, 4, 0.4, 450]);
});

test('a composition that gets shorter ends its layers', async (context) => {
  const { result, project, span } = await timed(context, 3, 'trim', 1.5);
  assert.ok(result.ok);
  assert.equal(result.composition.frames, 38);
  assert.deepEqual(span.slice(0, 2), [0.4, 1.52]);
  assert.equal(layerIn(project, 'Main', 'Early').outPoint, 1);
});

test('masks stay where they were in the composition', async (context) => {
  const directory = temporaryDirectory(context);
  const file = pngFile(join(directory, 'new.png'), 400, 200);
  const build = new ProjectBuilder();
  const path: SimProperty = {
    name: 'Mask Path',
    matchName: 'ADBE Mask Shape',
    valueType: 'shape',
    value: { shape: 'rectangle', size: [100, 50] },
  };
  const mask: SimProperty = { name: 'Mask 1', matchName: 'ADBE Mask Atom', children: [path] };
  const masks: SimProperty = { name: 'Masks', matchName: 'ADBE Mask Parade', children: [mask] };
  const place = build.placeholder('place', { width: 200, height: 100 });
  build.comp('Main', { layers: [footageLayer(place, { name: 'Place', groups: [masks] })] });
  const { result, project } = await bindIn(context, build, { operations: [footage(file)] });
  assert.ok(result.ok, JSON.stringify(result));
  assert.deepEqual(propertyIn(layerIn(project, 'Main', 'Place'), 'ADBE Mask Shape').value, {
    shape: 'rectangle',
    size: [200, 100],
  });
});

test('a picture that covers is cropped within the masks that its layer has', async (context) => {
  const path: SimProperty = {
    name: 'Mask Path',
    matchName: 'ADBE Mask Shape',
    valueType: 'shape',
    value: { shape: 'rectangle', size: [100, 50] },
  };
  const mask: SimProperty = { name: 'Mask 1', matchName: 'ADBE Mask Atom', children: [path] };
  const masks: SimProperty = { name: 'Masks', matchName: 'ADBE Mask Parade', children: [mask] };
  const { layer, warnings } = await fitted(context, 'cover', { groups: [masks] });
  const found = layer.properties.find(({ matchName }) => matchName === 'ADBE Mask Parade');
  assert.equal(found?.children?.length, 2);
  assert.deepEqual(warnings, []);
});

test('time remapping of what is replaced is switched off, with a warning, unless time is kept', async (context) => {
  const directory = temporaryDirectory(context);
  const file = wavFile(join(directory, 'new.wav'), 1);
  const remapped = async (time: FootageOperation['time']) => {
    const build = new ProjectBuilder();
    const place = build.placeholder('place', { duration: 5 });
    build.comp('Main', { layers: [footageLayer(place, { name: 'Place', timeRemapEnabled: true })] });
    const { result, project } = await bindIn(context, build, { operations: [footage(file, { time })] });
    assert.ok(result.ok, JSON.stringify(result));
    return [layerIn(project, 'Main', 'Place').timeRemapEnabled, result.warnings.length] as const;
  };
  assert.deepEqual(await remapped('trim'), [false, 1]);
  assert.deepEqual(await remapped('keep'), [true, 0]);
});

test('an expression that places the picture is left, with a warning', async (context) => {
  const directory = temporaryDirectory(context);
  const file = pngFile(join(directory, 'new.png'), 400, 200);
  const build = new ProjectBuilder();
  const layer = footageLayer(build.placeholder('place', { width: 200, height: 100 }), {
    name: 'Place',
    scale: [100, 100, 100],
  });
  propertyIn(layer, 'ADBE Scale').expression = 'value * 0.5';
  build.comp('Main', { layers: [layer] });
  const { result, project } = await bindIn(context, build, { operations: [footage(file)] });
  assert.ok(result.ok, JSON.stringify(result));
  const scale = propertyIn(layerIn(project, 'Main', 'Place'), 'ADBE Scale');
  assert.deepEqual([scale.value, scale.expression], [[50, 50, 100], 'value * 0.5']);
  assert.match(result.warnings.join(), /an expression sets "Scale"/);
});
