import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compLayer, ProjectBuilder, textLayer } from '../../after-effects/project-builder.ts';
import { addressed, bindIn, failureIn, textOf } from './bind-bench.ts';

/** Main shows Precomp twice and Other; "Deep" is in Precomp, "Both" in Precomp and Other. */
function nested(): ProjectBuilder {
  const build = new ProjectBuilder();
  const folder = build.folder('Parts');
  const precomp = build.comp('Precomp', { layers: [textLayer('Deep', 'd'), textLayer('Both', 'p')] });
  const other = build.comp('Other', {
    parent: folder.id,
    layers: [textLayer('Both', 'o'), textLayer('A/B', 's')],
  });
  build.comp('Main', {
    layers: [
      textLayer('Title', 't'),
      textLayer('Twin', '1'),
      textLayer('Twin', '2'),
      textLayer('Title.sub "x"', 'q'),
      compLayer(precomp, { name: 'First' }),
      compLayer(precomp, { name: 'Second' }),
      compLayer(other),
    ],
  });
  build.comp('Apart', { layers: [textLayer('Title', 'a'), textLayer('Lonely', 'l')] });
  return build;
}

/** Where "new" is after a text operation at this address: "Composition/number". */
async function placeOf(context: Parameters<typeof bindIn>[0], layer: string | number, composition?: string) {
  const { result, project } = await bindIn(context, nested(), {
    operations: [addressed(layer, composition)],
  });
  assert.ok(result.ok, JSON.stringify(result));
  const found: string[] = [];
  for (const item of project.items) {
    if (item.type !== 'comp') continue;
    for (const [index, each] of item.layers.entries())
      if (each.kind === 'text' && textOf(each).text === 'new') found.push(`${item.name}/${index + 1}`);
  }
  return found.join(' ');
}

test('a layer is found by name, number, in compositions within, and by "Precomp/Layer"', async (context) => {
  assert.equal(await placeOf(context, 'Title'), 'Main/1');
  assert.equal(await placeOf(context, 3), 'Main/3');
  assert.equal(await placeOf(context, 'Title.sub "x"'), 'Main/4');
  assert.equal(await placeOf(context, 'Deep'), 'Precomp/1');
  assert.equal(await placeOf(context, 'First/Deep'), 'Precomp/1');
  assert.equal(await placeOf(context, 'Precomp/Both'), 'Precomp/2');
  assert.equal(await placeOf(context, 'Other/Both'), 'Other/1');
  assert.equal(await placeOf(context, 'A/B'), 'Other/2');
  assert.equal(await placeOf(context, 'Other/A/B'), 'Other/2');
});

test('a composition that is named is the only one looked into', async (context) => {
  assert.equal(await placeOf(context, 'Both', 'Other'), 'Other/1');
  assert.equal(await placeOf(context, 'Both', 'Parts/Other'), 'Other/1');
  assert.equal(await placeOf(context, 2, 'Precomp'), 'Precomp/2');
  assert.equal(await placeOf(context, 'Title', 'Apart'), 'Apart/1');
});

async function refused(context: Parameters<typeof bindIn>[0], layer: string | number, composition?: string) {
  return failureIn(await bindIn(context, nested(), { operations: [addressed(layer, composition)] }));
}

test('a layer that is not there is an error that lists near names first', async (context) => {
  const error = await refused(context, 'Tittle');
  assert.equal(error.code, 'AE_LAYER_NOT_FOUND');
  assert.equal(error.at, 'bind[0] (input "it")');
  assert.match(error.message, /no layer "Tittle" in "Main"/);
  assert.equal(error.candidates[0], 'Title');
  assert.ok(error.candidates.includes('Deep'));
  assert.ok(!error.candidates.includes('Lonely'));
});

test('a layer of a composition that is not rendered is not there', async (context) => {
  assert.equal((await refused(context, 'Lonely')).code, 'AE_LAYER_NOT_FOUND');
});

test('two layers of one name are an error that lists their places', async (context) => {
  const twins = await refused(context, 'Twin');
  assert.equal(twins.code, 'AE_LAYER_NOT_FOUND');
  assert.deepEqual(twins.candidates, ['number 2 of Main', 'number 3 of Main']);
  const both = await refused(context, 'Both');
  assert.deepEqual(both.candidates, ['number 2 of Precomp', 'number 1 of Other']);
});

test('a number that no layer has is an error that lists the layers', async (context) => {
  const error = await refused(context, 8);
  assert.equal(error.code, 'AE_LAYER_NOT_FOUND');
  assert.match(error.message, /"Main" has 7 layers, no number 8/);
  assert.equal(error.candidates[0], '1 Title');
});

test('a text binding refuses a layer without text and lists those with', async (context) => {
  const error = await refused(context, 'First');
  assert.equal(error.code, 'AE_LAYER_NOT_FOUND');
  assert.match(error.message, /"First" is no text layer/);
  assert.ok(error.candidates.includes('Title'));
  assert.ok(!error.candidates.includes('Second'));
});

test('a composition is found by its name, its folder, or as the one outside of folders', async (context) => {
  const build = (): ProjectBuilder => {
    const made = new ProjectBuilder();
    const folder = made.folder('Wide');
    made.comp('Main', { width: 100, height: 100, layers: [] });
    made.comp('Main', { width: 200, height: 100, parent: folder.id, layers: [] });
    made.comp('A/B', { width: 300, height: 100, layers: [] });
    return made;
  };
  const width = async (composition: string) => {
    const { result } = await bindIn(context, build(), { composition });
    return result.ok ? result.composition.width : result.error;
  };
  assert.equal(await width('Wide/Main'), 200);
  assert.equal(await width('/Main'), 100);
  assert.equal(await width('A/B'), 300);
  const twice = failureIn(await bindIn(context, build(), { composition: 'Main' }));
  assert.equal(twice.code, 'AE_COMP_NOT_FOUND');
  assert.deepEqual(twice.candidates, ['/Main', 'Wide/Main']);
  const none = failureIn(await bindIn(context, build(), { composition: 'Mian' }));
  assert.equal(none.code, 'AE_COMP_NOT_FOUND');
  assert.deepEqual(none.candidates, ['Main', 'A/B', 'Wide/Main']);
});

test('a locked layer is bound all the same', async (context) => {
  const build = new ProjectBuilder();
  build.comp('Main', { layers: [textLayer('Title', 't', {}, { locked: true })] });
  const { result } = await bindIn(context, build, { operations: [addressed('Title')] });
  assert.ok(result.ok, JSON.stringify(result));
});
