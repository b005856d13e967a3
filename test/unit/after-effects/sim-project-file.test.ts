import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspectProject } from '../../../src/bundle/aep/inspect-project.ts';
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
import { readProject, writeProject } from '../../after-effects/project-file.ts';

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sim-project-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function sample(): ProjectBuilder {
  const build = new ProjectBuilder({ version: '23.5' });
  const folder = build.folder('Material');
  const logo = build.file('logo', '/a/Bilder/Größe 1.png', { width: 200, height: 100, parent: folder.id });
  const music = build.audio('music', '/a/music.wav', 3);
  const red = build.solid('Red', [1, 0, 0], { width: 50, height: 40 });
  const inner = build.comp('inner', {
    width: 100,
    height: 80,
    parent: folder.id,
    layers: [textLayer('Untertitel', 'zwei\nZeilen 🎬', { font: 'DejaVuSans' }), footageLayer(red)],
  });
  build.comp('main', {
    fps: 29.97,
    duration: 3.5,
    layers: [
      textLayer('Title', 'Hello', { font: 'DejaVuSans-Bold' }, { effects: [fillEffect([1, 0, 0])] }),
      footageLayer(logo, { name: 'Logo', locked: true }),
      footageLayer(music),
      compLayer(inner, {
        enabled: false,
        effects: [sliderControl('Amount', 3), checkboxControl('On', true)],
      }),
      shapeLayer('Box', [rectangle('Rectangle 1', { size: [30, 20], fill: [0, 1, 0] })]),
      layerOf('null', 'Control', null),
      layerOf('camera', 'Camera', null),
    ],
  });
  return build;
}

test('the inspector reads a project of the simulator as it was described', async (t) => {
  const path = join(scratch(t), 'project.aep');
  writeProject(path, sample().project);
  const found = await inspectProject(path);
  assert.equal(found.version, '23.5.0x52');
  assert.deepEqual(found.folders, [{ id: 1, name: 'Material', folder: null }]);
  assert.deepEqual(
    found.footage.map(({ name, kind, path: file, folder, width, color }) => [
      name,
      kind,
      file,
      folder,
      width,
      color,
    ]),
    [
      ['logo', 'file', '/a/Bilder/Größe 1.png', 1, 200, null],
      ['music', 'file', '/a/music.wav', null, 0, null],
      ['Red', 'solid', null, null, 50, '#ff0000'],
    ],
  );
  const [inner, main] = found.compositions;
  assert.deepEqual([inner?.name, inner?.width, inner?.folder, main?.fps], ['inner', 100, 1, 29.97]);
  assert.equal(main?.durationSeconds, 3.5);
  assert.deepEqual(
    main?.layers.map(({ name, kind, text, enabled, locked, sourceName }) => [
      name,
      kind,
      text,
      enabled,
      locked,
      sourceName,
    ]),
    [
      ['Title', 'text', 'Hello', true, false, null],
      ['Logo', 'footage', null, true, true, 'logo'],
      ['music', 'footage', null, true, false, 'music'],
      ['inner', 'composition', null, false, false, 'inner'],
      ['Box', 'shape', null, true, false, null],
      ['Control', 'null', null, true, false, null],
      ['Camera', 'camera', null, true, false, null],
    ],
  );
  assert.equal(inner?.layers[0]?.text, 'zwei\nZeilen 🎬');
  assert.deepEqual(inner?.layers[0]?.fonts, ['DejaVuSans']);
  assert.deepEqual(found.effects, ['ADBE Checkbox Control', 'ADBE Fill', 'ADBE Slider Control']);
});

test('a project is read back as it was written', (t) => {
  const path = join(scratch(t), 'project.aep');
  const { project } = sample();
  writeProject(path, project);
  assert.deepEqual(readProject(path), { ...project, savedAs: path });
});

test('a damaged or cut file cannot be read', (t) => {
  const directory = scratch(t);
  const path = join(directory, 'project.aep');
  writeProject(path, sample().project);
  const bytes = readFileSync(path);
  for (const damaged of [
    bytes.subarray(0, 8),
    bytes.subarray(0, 300),
    bytes.subarray(0, -20),
    Buffer.from('no'),
  ]) {
    writeFileSync(path, damaged);
    assert.throws(() => readProject(path), /damaged/);
  }
  assert.throws(() => readProject(join(directory, 'none.aep')), /does not exist/);
});

test('footage that has moved with the project is found', async (t) => {
  const directory = scratch(t);
  await mkdir(join(directory, 'one/pictures'), { recursive: true });
  writeFileSync(join(directory, 'one/pictures/a.png'), 'x');
  const build = new ProjectBuilder({ savedAs: 'C:\\Users\\me\\work\\p.aep' });
  const moved = build.file('a', 'C:\\Users\\me\\work\\pictures\\a.png');
  const elsewhere = build.file('b', 'D:\\stock\\b.png');
  writeProject(join(directory, 'one/p.aep'), build.project);
  renameSync(join(directory, 'one'), join(directory, 'two'));
  const sources = readProject(join(directory, 'two/p.aep')).items.map((item) =>
    item.type === 'footage' && item.source.kind === 'file' ? item.source.path : '',
  );
  assert.deepEqual(sources, [join(directory, 'two/pictures/a.png'), 'D:\\stock\\b.png']);
  assert.deepEqual([moved.id, elsewhere.id], [1, 2]);
});
