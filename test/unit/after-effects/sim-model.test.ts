import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { exposeModel } from '../../after-effects/model/expose-model.ts';
import {
  checkboxControl,
  compLayer,
  ellipse,
  fillEffect,
  footageLayer,
  layerOf,
  ProjectBuilder,
  rectangle,
  shapeLayer,
  sliderControl,
  textLayer,
} from '../../after-effects/project-builder.ts';
import { readProject, writeProject } from '../../after-effects/project-file.ts';
import { makeScriptHost } from '../../after-effects/script-host/script-host.ts';
import type { SimComp, SimProject } from '../../after-effects/sim-project.ts';
import { pngOf } from '../../helpers/picture-files.ts';
import { temporaryDirectory } from '../../helpers/render-request.ts';

const CONFIG = {
  version: '24.2.1x2',
  isoLanguage: 'en_US',
  fonts: [{ postScriptName: 'DejaVuSans', file: null }],
  renderSettings: ['Best Settings'],
  outputModules: ['Lossless', 'PNG Sequence'],
};

/** An After Effects with a project open; `c` is its composition "main", `error(f)` the message of what f throws. */
function opened(t: TestContext, describe: (build: ProjectBuilder, directory: string) => void) {
  const directory = temporaryDirectory(t);
  const build = new ProjectBuilder();
  describe(build, directory);
  writeProject(join(directory, 'project.aep'), build.project);
  const realm = makeScriptHost({ hasJson: false, locale: 'en_US', showDialog: () => {} });
  exposeModel(realm, CONFIG);
  realm.define('dir', directory);
  const run = (script: string) => realm.run(script, join(directory, 'script.jsx'));
  run(`
    function error(f) { try { f(); } catch (e) { return e.message; } return 'nothing'; }
    function item(name) {
      for (var i = 1; i <= app.project.numItems; i++) if (app.project.item(i).name === name) return app.project.item(i);
      return null;
    }
    app.open(new File(dir + '/project.aep'));
    var c = item('main');`);
  const saved = (): SimProject => {
    run(`app.project.save(new File(dir + '/saved.aep'))`);
    return readProject(join(directory, 'saved.aep'));
  };
  const savedComp = (name = 'main') =>
    saved().items.find((each): each is SimComp => each.name === name && each.type === 'comp');
  return { directory, run, saved, savedComp };
}

function sample(build: ProjectBuilder, directory: string): void {
  writeFileSync(join(directory, 'logo.png'), pngOf(40, 30, [1, 2, 3]));
  const folder = build.folder('Folder');
  const logo = build.file('logo.png', join(directory, 'logo.png'), {
    width: 40,
    height: 30,
    parent: folder.id,
  });
  const gone = build.file('gone.mov', '/nowhere/gone.mov', { duration: 1, hasAudio: true });
  const red = build.solid('Red', [1, 0, 0]);
  const inner = build.comp('inner', {
    parent: folder.id,
    layers: [textLayer('Sub', 'inner text')],
    essential: { Headline: 'Sub/Text/Source Text' },
  });
  build.comp('main', {
    fps: 29.97,
    duration: 4,
    layers: [
      textLayer(
        'Title',
        'Hello',
        { font: 'DejaVuSans' },
        { effects: [fillEffect([1, 0, 0], 'Fill'), sliderControl('Size', 3)] },
      ),
      textLayer('Box', 'Words', { font: 'NotThere-Bold', box: { size: [100, 50], pos: [-50, -25] } }),
      footageLayer(logo),
      footageLayer(gone, { name: 'Clip', outPoint: 1 }),
      footageLayer(red, { locked: true }),
      compLayer(inner),
      shapeLayer('Shape', [
        rectangle('R', { size: [10, 10], fill: [0, 1, 0], stroke: [0, 0, 1] }),
        ellipse('E', { size: [5, 5] }),
      ]),
      layerOf('null', 'Control', null, { effects: [checkboxControl('On', true)] }),
      layerOf('camera', 'Camera', null),
    ],
  });
}

test('items are found by number from 1, and know their folders', (t) => {
  const { run } = opened(t, sample);
  assert.equal(
    run(`[app.project.numItems, app.project.items.length, app.project.rootFolder.numItems].join()`),
    '6,6,4',
  );
  assert.equal(run(`item('inner').parentFolder.name + item('main').parentFolder.id`), 'Folder0');
  assert.equal(run(`app.project.items[1] === app.project.item(1) && app.project.itemByID(c.id) === c`), true);
  assert.match(
    String(run(`error(function () { app.project.item(0); })`)),
    /parameter 1\. Value 0 out of range 1 to 6/,
  );
  assert.equal(run(`item('Folder').items[1].name + item('Folder') instanceof FolderItem`), false);
  assert.equal(run(`c instanceof CompItem && c instanceof AVItem && !(c instanceof FootageItem)`), true);
});

test('layers are found by number and name; none of a name is null, of a number an error', (t) => {
  const { run } = opened(t, sample);
  assert.equal(
    run(`c.layer('Title').index + c.layers[2].name + c.numLayers + c.layers.byName('x')`),
    '1Box9null',
  );
  assert.equal(run(`c.layer('x')`), null);
  assert.match(
    String(run(`error(function () { c.layer(10); })`)),
    /^After Effects error: Unable to call “layer”/,
  );
  assert.equal(run(`error(function () { c.layer('x').name; })`), 'null is not an object');
  assert.equal(
    run(`var k = []; for (var i = 1; i <= 9; i++) { var l = c.layer(i);
      k.push(l instanceof TextLayer ? 'T' : l instanceof ShapeLayer ? 'S' : l instanceof CameraLayer ? 'C' : l instanceof AVLayer ? 'A' : '?'); } k.join('')`),
    'TTAAAASAC',
  );
});

test('a text document takes effect when the property is given it, not before', (t) => {
  const { run, savedComp } = opened(t, sample);
  const text = () => run(`c.layer(1).property('Source Text').value.text`);
  run(`var p = c.layer(1).sourceText, d = p.value; d.text = 'New\\nlines'; d.fontSize = 12; d.fillColor = [0, 0.5, 1];
    d.justification = ParagraphJustification.CENTER_JUSTIFY;`);
  assert.equal(text(), 'Hello');
  run(`p.setValue(d)`);
  assert.equal(text(), 'New\rlines');
  const value = savedComp()?.layers[0]?.properties[0]?.children?.[0]?.value;
  assert.deepEqual(value, {
    ...{ text: 'New\rlines', font: 'DejaVuSans', fontFamily: 'Arial', fontStyle: 'Regular', fontSize: 12 },
    ...{
      fillColor: [0, 0.5, 1],
      applyFill: true,
      strokeColor: [0, 0, 0],
      strokeWidth: 0,
      applyStroke: false,
    },
    ...{ justification: 'center', leading: 0, tracking: 0, box: null },
  });
  assert.equal(run(`p.setValue('plain'); p.value.text + p.value.fontSize`), 'plain12');
  assert.match(String(run(`error(function () { p.setValue(7); })`)), /not a TextDocument/);
  assert.match(String(run(`error(function () { d.fontSize = 0; })`)), /out of range 0\.1 to 1296/);
  assert.equal(run(`new TextDocument('a\\nb').text`), 'a\rb');
});

test('paragraph text has a box, point text has none', (t) => {
  const { run } = opened(t, sample);
  assert.equal(
    run(`var d = c.layer(2).text.sourceText.value; d.boxText + d.boxTextSize.join() + d.boxTextPos.join()`),
    'true100,50-50,-25',
  );
  assert.match(String(run(`error(function () { c.layer(1).sourceText.value.boxTextSize; })`)), /point text/);
});

test('properties are found by name, match name, number and in short', (t) => {
  const { run } = opened(t, sample);
  assert.equal(run(`var l = c.layer(1); l.property('Transform').property('Opacity').value`), 100);
  assert.equal(run(`l.property('ADBE Transform Group').property('ADBE Opacity') === l.opacity`), true);
  assert.equal(run(`l.transform.opacity === l.opacity && l.property('opacity') === l.opacity`), true);
  assert.equal(
    run(`l.effect('Fill')('Color') === l.property('Effects').property(1).property('ADBE Fill-0002')`),
    true,
  );
  assert.equal(run(`l.property('Effects').numProperties + l.effect(2).name + l.effect('none')`), '2Sizenull');
  assert.equal(run(`l.effect('Size')(1).propertyValueType === PropertyValueType.OneD`), true);
  assert.equal(
    run(
      `l.effect.propertyType === PropertyType.INDEXED_GROUP && l.opacity.propertyType === PropertyType.PROPERTY`,
    ),
    true,
  );
  assert.equal(run(`l.effect(1).isEffect + l.effect(1).parentProperty.matchName`), 'trueADBE Effect Parade');
});

test('values have to be of the kind and in the range of their property', (t) => {
  const { run } = opened(t, sample);
  run(`var l = c.layer(1), o = l.opacity, f = l.effect('Fill')('Color');`);
  assert.equal(
    run(`o.setValue(50); o.value + '/' + o.minValue + '/' + o.maxValue + o.hasMax`),
    '50/0/100true',
  );
  assert.match(String(run(`error(function () { o.setValue(101); })`)), /Value 101 out of range 0 to 100/);
  assert.match(String(run(`error(function () { o.setValue('1'); })`)), /Value is not a number/);
  assert.equal(run(`f.setValue([0, 1, 0]); f.value.join()`), '0,1,0,1');
  assert.match(String(run(`error(function () { f.setValue([1, 2]); })`)), /not an array of 3 or 4 numbers/);
  assert.equal(run(`l.position.setValue([5, 6]); l.position.value.join()`), '5,6,0');
  assert.equal(
    run(`c.layer('Control').effect('On')(1).setValue(false); c.layer('Control').effect('On')(1).value`),
    0,
  );
});

test('keyframes are values in time; setValue is refused while there are some', (t) => {
  const { run, savedComp } = opened(t, sample);
  run(`var o = c.layer(1).opacity; o.setValueAtTime(1, 100); o.setValueAtTime(0, 0);`);
  assert.equal(
    run(`[o.numKeys, o.keyTime(2), o.keyValue(1), o.valueAtTime(0.5, false), o.nearestKeyIndex(0.9)].join()`),
    '2,1,0,50,2',
  );
  assert.match(String(run(`error(function () { o.setValue(1); })`)), /keyframes/);
  run(`o.setValueAtKey(1, 20)`);
  assert.match(String(run(`error(function () { o.keyValue(3); })`)), /out of range 1 to 2/);
  const transform = savedComp()?.layers[0]?.properties.find(({ name }) => name === 'Transform')?.children;
  assert.deepEqual(transform?.find(({ name }) => name === 'Opacity')?.keyframes, [
    { time: 0, value: 20 },
    { time: 1, value: 100 },
  ]);
  assert.equal(run(`o.removeKey(2); o.removeKey(1); o.numKeys + ',' + o.value`), '0,20');
});

test('expressions are kept, can be switched off, and say what is wrong with them', (t) => {
  const { run, savedComp } = opened(t, sample);
  const stored = () =>
    savedComp()
      ?.layers[0]?.properties.find(({ name }) => name === 'Transform')
      ?.children?.find(({ name }) => name === 'Opacity');
  run(`var o = c.layer(1).opacity; o.expression = '42';`);
  assert.equal(run(`o.expressionEnabled + ',' + o.value + ',' + o.valueAtTime(0, true)`), 'true,42,100');
  assert.equal(stored()?.expression, '42');
  run(`o.expressionEnabled = false`);
  assert.equal(run(`o.expression + o.expressionEnabled + o.value`), '42false100');
  assert.deepEqual([stored()?.expression, stored()?.disabledExpression], ['', '42']);
  run(`o.expression = 'wiggle('`);
  assert.notEqual(run(`o.expressionError`), '');
});

test('a locked layer is not changed until it is unlocked', (t) => {
  const { run } = opened(t, sample);
  run(`var l = c.layer('Red');`);
  for (const change of [
    'l.enabled = false',
    'l.name = "x"',
    'l.opacity.setValue(1)',
    'l.remove()',
    'l.moveToBeginning()',
  ])
    assert.match(String(run(`error(function () { ${change}; })`)), /locked/, change);
  assert.equal(run(`l.locked = false; l.enabled = false; l.enabled`), false);
});

test('the source of a layer is replaced; its name follows unless it has one of its own', (t) => {
  const { run, directory, savedComp } = opened(t, sample);
  writeFileSync(join(directory, 'ü %41.png'), pngOf(64, 20, [9, 9, 9]));
  run(`var made = app.project.importFile(new ImportOptions(new File(dir + '/ü %2541.png')));
    c.layer('logo.png').replaceSource(made, false); c.layer('Clip').replaceSource(made, false);`);
  assert.equal(
    run(
      `[made.name, made.width, made.height, made.mainSource.isStill, made.file.fsName === dir + '/ü %41.png'].join()`,
    ),
    'ü %41.png,64,20,true,true',
  );
  assert.equal(run(`c.layer(3).name + '|' + c.layer(4).name + '|' + c.layer(3).width`), 'ü %41.png|Clip|64');
  assert.deepEqual(
    savedComp()
      ?.layers.slice(2, 4)
      .map(({ sourceId }) => sourceId),
    [7, 7],
  );
  assert.match(
    String(run(`error(function () { c.layer(1).replaceSource(made, false); })`)),
    /Can not replace/,
  );
  assert.match(
    String(
      run(`error(function () { item('inner').layers.add(made); c.layer('inner').replaceSource(c, false); })`),
    ),
    /itself/,
  );
});

test('what is missing or no media is not imported', (t) => {
  const { run, directory } = opened(t, sample);
  writeFileSync(join(directory, 'a.png'), 'no picture');
  assert.match(
    String(run(`error(function () { new ImportOptions(new File(dir + '/none.png')); })`)),
    /does not exist/,
  );
  assert.match(
    String(
      run(`error(function () { app.project.importFile(new ImportOptions(new File(dir + '/a.png'))); })`),
    ),
    /can not be imported/,
  );
  assert.match(
    String(run(`error(function () { item('logo.png').replace(new File(dir + '/a.png')); })`)),
    /can not be imported/,
  );
});

test('missing footage and missing fonts are known', (t) => {
  const { run } = opened(t, sample);
  assert.equal(
    run(
      `[item('gone.mov').footageMissing, item('gone.mov').mainSource.missingFootagePath, item('logo.png').footageMissing].join()`,
    ),
    'true,/nowhere/gone.mov,false',
  );
  assert.equal(
    run(
      `var m = app.fonts.missingOrSubstitutedFonts, n = []; for (var i = 0; i < m.length; i++) n.push(m[i].postScriptName + m[i].isSubstitute); n.join()`,
    ),
    'ArialMTtrue,NotThere-Boldtrue',
  );
  assert.equal(run(`item('Red').mainSource instanceof SolidSource && item('Red').file === null`), true);
});

test('a layer with a source that ends cannot outlast it, unless it is looped', (t) => {
  const { run } = opened(t, sample);
  run(`var l = c.layer('Clip'); l.outPoint = 3;`);
  assert.equal(run(`l.outPoint`), 1);
  assert.equal(
    run(`l.source.mainSource.loop = 3; l.outPoint = 2.5; l.outPoint + '/' + l.source.duration`),
    '2.5/3',
  );
  assert.equal(run(`l.startTime = 1; l.inPoint + '/' + l.outPoint`), '1/3.5');
  assert.equal(run(`l.stretch = 200; l.inPoint + '/' + l.outPoint`), '1/6');
  assert.equal(run(`l.timeRemapEnabled = true; l.property('Time Remap').numKeys`), 2);
});

test('layers are moved, copied and removed; what is gone is invalid', (t) => {
  const { run } = opened(t, sample);
  run(`var a = c.layer('Title'), b = c.layer('Camera'); b.moveBefore(a);`);
  assert.equal(run(`c.layer(1).name + a.index`), 'Camera2');
  assert.equal(run(`a.moveAfter(c.layer('Box')); a.index + c.layer(2).name`), '3Box');
  assert.equal(
    run(`var d = a.duplicate(); d.property('Source Text').setValue('copy'); a.sourceText.value.text`),
    'Hello',
  );
  assert.equal(run(`a.parent = b; a.parent === b && d.parent === null`), true);
  assert.equal(
    run(`d.remove(); error(function () { d.name; }) + isValid(d) + isValid(a)`),
    'After Effects error: Object is invalidfalsetrue',
  );
  assert.equal(
    run(`var twin = c.duplicate(); twin.name + twin.numLayers + (twin.id !== c.id)`),
    'main 29true',
  );
});

test('compositions have sizes, rates and times', (t) => {
  const { run, savedComp } = opened(t, sample);
  assert.ok(Math.abs(Number(run('c.frameRate')) - 30_000 / 1001) < 1e-9);
  assert.equal(run(`c.duration = 2; c.workAreaDuration`), 2);
  assert.match(String(run(`error(function () { c.width = 0; })`)), /“width”\. Value 0 out of range/);
  assert.match(String(run(`error(function () { c.numLayers = 0; })`)), /read only/);
  assert.equal(savedComp()?.duration, 2);
});

test('essential properties of a precomposition belong to its layer', (t) => {
  const { run, savedComp } = opened(t, sample);
  run(`var e = c.layer('inner').property('Essential Properties').property('Headline'); e.setValue('other')`);
  assert.equal(
    run(`e.value.text + '|' + item('inner').layer('Sub').sourceText.value.text`),
    'other|inner text',
  );
  const group = savedComp()?.layers[5]?.properties.find(
    ({ matchName }) => matchName === 'ADBE Layer Overrides',
  );
  assert.equal((group?.children?.[0]?.value as { text: string } | undefined)?.text, 'other');
});

test('the render queue knows the templates of the installation', (t) => {
  const { run } = opened(t, sample);
  run(`var q = app.project.renderQueue.items.add(c);`);
  assert.equal(
    run(`q.outputModule(1).templates.join() + app.project.renderQueue.numItems`),
    'Lossless,PNG Sequence1',
  );
  assert.match(String(run(`error(function () { q.outputModule(1).applyTemplate('x'); })`)), /not found/);
  assert.equal(run(`q.remove(); app.project.renderQueue.numItems`), 0);
});

test('damaged, missing and newer projects are not opened, and the open one stays', (t) => {
  const { run, directory } = opened(t, sample);
  writeFileSync(join(directory, 'damaged.aep'), 'RIFX');
  writeProject(join(directory, 'newer.aep'), new ProjectBuilder({ version: '25.0' }).project);
  const open = (name: string) => String(run(`error(function () { app.open(new File(dir + '/${name}')); })`));
  assert.match(open('damaged.aep'), /damaged/);
  assert.match(open('none.aep'), /does not exist/);
  assert.match(open('newer.aep'), /newer/);
  assert.equal(run(`app.project.numItems`), 6);
  assert.match(
    String(run(`error(function () { app.project.save(new File(dir + '/no/such.aep')); })`)),
    /does not exist/,
  );
});

test('a closed project is empty, and what was in it is invalid', (t) => {
  const { run, directory } = opened(t, sample);
  assert.equal(
    run(
      `app.project.close(CloseOptions.DO_NOT_SAVE_CHANGES); app.project.numItems + String(app.project.file)`,
    ),
    '0null',
  );
  assert.match(String(run(`error(function () { c.name; })`)), /Object is invalid/);
  assert.equal(existsSync(join(directory, 'saved.aep')), false);
});

test('markers of layers can be read and set', (t) => {
  const { run, savedComp } = opened(t, sample);
  run(`c.layer(1).marker.setValueAtTime(1.5, new MarkerValue('here'))`);
  assert.equal(
    run(`var m = c.layer(1).property('Marker'); m.numKeys + m.keyValue(1).comment + m.keyTime(1)`),
    '1here1.5',
  );
  assert.deepEqual(savedComp()?.layers[0]?.markers, [{ time: 1.5, comment: 'here' }]);
});

test('effects and solids are added', (t) => {
  const { run } = opened(t, sample);
  assert.equal(
    run(
      `var e = c.layer(1).effect.addProperty('ADBE Drop Shadow'); e.name + c.layer(1).effect.numProperties`,
    ),
    'Drop Shadow3',
  );
  assert.match(
    String(run(`error(function () { c.layer(1).effect.addProperty('Trapcode Particular'); })`)),
    /Can not add/,
  );
  assert.equal(
    run(
      `var s = c.layers.addSolid([0, 0, 1], 'Blue', 10, 20, 1, 1); s.index + s.source.name + s.source.mainSource.color.join()`,
    ),
    '1Blue0,0,1',
  );
});
