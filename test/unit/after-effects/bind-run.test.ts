import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BIND_EXIT_CODES, type BindOperation } from '../../../src/engines/aerender/bind/bind-data.ts';
import { writeBindFiles } from '../../../src/engines/aerender/bind/bind-files.ts';
import {
  compLayer,
  effect,
  fillEffect,
  footageLayer,
  ProjectBuilder,
  textLayer,
} from '../../after-effects/project-builder.ts';
import { temporaryDirectory } from '../../helpers/render-request.ts';
import {
  addressed,
  bindIn,
  FONTS,
  failureIn,
  layerIn,
  runBindScript,
  textOf,
  wavFile,
} from './bind-bench.ts';

function simple(...layers: ReturnType<typeof textLayer>[]): ProjectBuilder {
  const build = new ProjectBuilder();
  build.comp('Main', { layers: [textLayer('Title', 'old'), ...layers] });
  return build;
}

test('the copy is bound and saved, the project of the bundle stays as it was', async (context) => {
  const bound = await bindIn(context, simple(), { operations: [addressed('Title')] });
  assert.ok(bound.result.ok, JSON.stringify(bound.result));
  assert.equal(textOf(layerIn(bound.project, 'Main', 'Title')).text, 'new');
  assert.deepEqual(readFileSync(bound.data.project), bound.original);
  assert.equal(bound.exitCode, 0);
  assert.equal(bound.hasQuit, true);
  assert.equal(existsSync(join(bound.directory, 'result.json.part')), false);
});

test('the result describes the composition, the fonts and this After Effects', async (context) => {
  const build = new ProjectBuilder();
  build.comp('Main', {
    width: 640,
    height: 360,
    fps: 29.97,
    dropFrame: true,
    duration: 10,
    displayStartFrame: 100,
    background: [0.25, 0.5, 1],
    layers: [textLayer('Title', 'old')],
  });
  const { result } = await bindIn(context, build, {});
  assert.ok(result.ok, JSON.stringify(result));
  assert.deepEqual(
    { ...result.composition, fps: Math.round(result.composition.fps * 100) / 100 },
    {
      name: 'Main',
      width: 640,
      height: 360,
      fps: 29.97,
      frames: 300,
      startFrame: 100,
      dropFrame: true,
      hasAudio: false,
      background: [0.25, 0.5, 1],
    },
  );
  assert.deepEqual(result.fonts, ['ArialMT']);
  assert.match(result.version, /^24\.2/);
  assert.equal(result.language, 'en_US');
  assert.ok(result.renderSettings.includes('Best Settings'));
  assert.ok(result.outputModules.includes('Lossless'));
  assert.ok(result.outputModules.every((name) => !name.startsWith('_HIDDEN')));
});

test('a composition has sound when a layer that is on has, also one in a composition within', async (context) => {
  const directory = temporaryDirectory(context);
  const soundIn = async (parts: { audioEnabled?: boolean }) => {
    const build = new ProjectBuilder();
    const music = build.audio('bed.wav', wavFile(join(directory, 'bed.wav'), 3), 3);
    const inner = build.comp('Inner', { layers: [footageLayer(music)] });
    build.comp('Main', { layers: [compLayer(inner, parts)] });
    const { result } = await bindIn(context, build, {});
    return result.ok && result.composition.hasAudio;
  };
  assert.equal(await soundIn({}), true);
  assert.equal(await soundIn({ audioEnabled: false }), false);
});

test('the whole composition is the work area', async (context) => {
  const build = new ProjectBuilder();
  build.comp('Main', { duration: 4, workArea: { start: 1, duration: 1 }, layers: [] });
  const { project } = await bindIn(context, build, {});
  const main = project.items.find(({ name }) => name === 'Main');
  assert.deepEqual(main?.type === 'comp' && main.workArea, { start: 0, duration: 4 });
});

test('a name that is not the only one, or not plain, gives way to one that is', async (context) => {
  const nameOf = async (build: ProjectBuilder, composition: string) => {
    const { result, project } = await bindIn(context, build, {
      composition,
      operations: [addressed('Title')],
    });
    assert.ok(result.ok, JSON.stringify(result));
    const { name } = result.composition;
    assert.equal(textOf(layerIn(project, name, 'Title')).text, 'new');
    assert.equal(project.items.filter((item) => item.name === name).length, 1);
    return name;
  };
  assert.equal(await nameOf(simple(), 'Main'), 'Main');
  assert.equal(await nameOf(simple(textLayer('Main', 'x')), 'Main'), 'flatrender');
  const umlaut = new ProjectBuilder();
  umlaut.comp('Übersicht "1"', { layers: [textLayer('Title', 'x')] });
  umlaut.comp('flatrender', { layers: [] });
  assert.equal(await nameOf(umlaut, 'Übersicht "1"'), 'flatrender 2');
});

test('footage that is not there is an error with names and paths, or a warning', async (context) => {
  const build = () => {
    const made = new ProjectBuilder();
    const gone = made.file('gone.mov', '/nowhere/gone.mov', { duration: 5 });
    made.file('unused.mov', '/nowhere/unused.mov');
    const inner = made.comp('Inner', { layers: [footageLayer(gone)] });
    made.comp('Main', { layers: [compLayer(inner)] });
    return made;
  };
  const missing = [{ name: 'gone.mov', path: '/nowhere/gone.mov' }];
  const error = failureIn(await bindIn(context, build(), {}));
  assert.equal(error.code, 'AE_MISSING_FOOTAGE');
  assert.deepEqual(error.missingFootage, missing);
  assert.match(error.message, /gone\.mov \(\/nowhere\/gone\.mov\)/);
  const { result } = await bindIn(context, build(), { missingFootage: 'ignore' });
  assert.deepEqual(result.ok && result.missingFootage, missing);
});

test('a placeholder that no input replaced is a warning', async (context) => {
  const build = new ProjectBuilder();
  build.comp('Main', { layers: [footageLayer(build.placeholder('Your logo'), { name: 'Logo' })] });
  const { result } = await bindIn(context, build, {});
  assert.ok(result.ok, JSON.stringify(result));
  assert.match(result.warnings.join(), /"Logo" shows the placeholder "Your logo"/);
});

test('an effect that is not installed is a warning; those of the project itself are not', async (context) => {
  const effects = [
    fillEffect([1, 0, 0]),
    effect('Glow & Go', 'VENDOR Glow', []),
    effect('Steering', 'Pseudo/12345', []),
  ];
  const { result } = await bindIn(context, simple(textLayer('Sub', 'x', {}, { effects })), {});
  assert.ok(result.ok, JSON.stringify(result));
  assert.deepEqual(result.warnings, ['the effect "Glow & Go" (VENDOR Glow) is not installed']);
});

test('a font that is not there is an error with its name, or a warning', async (context) => {
  const build = () => simple(textLayer('Sub', 'x', { font: 'Bebas-Regular' }));
  const error = failureIn(await bindIn(context, build(), {}));
  assert.equal(error.code, 'AE_MISSING_FONT');
  assert.deepEqual(error.missingFonts, ['Bebas-Regular']);
  const { result } = await bindIn(context, build(), { missingFonts: 'substitute' });
  assert.deepEqual(result.ok && result.missingFonts, ['Bebas-Regular']);
  const set: BindOperation = { ...addressed('Title'), font: 'Not-There' } as BindOperation;
  const chosen = failureIn(await bindIn(context, simple(), { operations: [set] }));
  assert.deepEqual(chosen.missingFonts, ['Not-There']);
  const moreFonts = [
    { from: 3, font: 'Bebas-Regular' },
    { from: 5, font: 'ArialMT' },
  ];
  const partly = failureIn(await bindIn(context, simple(textLayer('Sub', 'one two', { moreFonts })), {}));
  assert.deepEqual(partly.missingFonts, ['Bebas-Regular']);
  const apart = simple();
  apart.comp('Apart', { layers: [textLayer('Sub', 'x', { font: 'Bebas-Regular' })] });
  const other = await bindIn(context, apart, {});
  assert.ok(other.result.ok, JSON.stringify(other.result));
  assert.match(other.result.warnings.join(), /"Bebas-Regular"/);
  assert.ok(FONTS.includes('ArialMT'));
});

test('a project that is not there or damaged is an error that names it', async (context) => {
  const absent = failureIn(await bindIn(context, simple(), { project: '/nowhere/main.aep' }));
  assert.equal(absent.code, 'AE_PROJECT_INVALID');
  assert.match(absent.message, /\/nowhere\/main\.aep/);
  const damaged = join(temporaryDirectory(context), 'damaged.aep');
  writeFileSync(damaged, 'RIFX');
  const error = failureIn(await bindIn(context, simple(), { project: damaged }));
  assert.equal(error.code, 'AE_PROJECT_INVALID');
});

test('scripts of the template run last, in order, and see the inputs', async (context) => {
  const directory = temporaryDirectory(context);
  const first = join(directory, 'first 100%25.jsx');
  const second = join(directory, 'zweites ü.jsx');
  const set = 'flatrender.composition.layer("Title").property("Source Text").setValue';
  writeFileSync(
    first,
    `var seen = flatrender.inputs.who + flatrender.project.numItems + flatrender.composition.layer("Title").property("Source Text").value.text;`,
  );
  writeFileSync(second, `${set}(seen + "!");`);
  const { result, project } = await bindIn(context, simple(), {
    operations: [addressed('Title')],
    scripts: [first, second],
    inputs: { who: 'Ada"\u2028' },
  });
  assert.ok(result.ok, JSON.stringify(result));
  assert.equal(textOf(layerIn(project, 'Main', 'Title')).text, 'Ada"\u20281new!');
});

test('an error in a script of the template is told with its file, line and message', async (context) => {
  const directory = temporaryDirectory(context);
  const broken: [string, number, RegExp][] = [
    ['var a = 1;\n\nnothing.there = a;', 3, /nothing is undefined/],
    ['\nthrow new Error("no way");', 2, /no way/],
    ['var a = 1;\nlet b = 2;', 2, /[Ss]yntax/],
  ];
  for (const [text, line, message] of broken) {
    const path = join(directory, 'after.jsx');
    writeFileSync(path, text);
    const bound = await bindIn(context, simple(), { scripts: [path] });
    const error = failureIn(bound);
    assert.equal(error.code, 'AE_SCRIPT_ERROR');
    assert.equal(error.at, 'scripts[0]');
    assert.equal(error.file, path);
    assert.equal(error.line, line);
    assert.match(error.message, message);
    assert.notEqual(bound.exitCode, 0);
  }
  const absent = failureIn(await bindIn(context, simple(), { scripts: [join(directory, 'absent.jsx')] }));
  assert.match(absent.message, /there is no script .*absent\.jsx/);
});

test('a data file that is damaged or of another format is an error', async (context) => {
  for (const text of ['{"format":1,}', '{"format":2}', '[]', '']) {
    const error = failureIn(await bindIn(context, simple(), {}, { dataText: text }));
    assert.equal(error.code, 'AE_SCRIPT_ERROR');
    assert.match(error.message, /data file/);
  }
});

test('an After Effects in which somebody works is left as it is', async (context) => {
  const bound = await bindIn(context, simple(), {}, { open: simple() });
  const error = failureIn(bound);
  assert.equal(error.code, 'AE_OTHER_INSTANCE');
  assert.equal(bound.hasQuit, false);
  assert.notEqual(bound.exitCode, 0);
});

test('the file "started" names the step at which the script was last', async (context) => {
  const failed = await bindIn(context, simple(), { operations: [addressed('Titel')] });
  assert.equal(failed.started, 'bind[0] (input "it")');
});

test('a script that may write no file says so by its exit code, and binds nothing', async (context) => {
  const bound = await bindIn(context, simple(), {});
  const directory = temporaryDirectory(context);
  const saveTo = join(directory, 'bound.aep');
  const script = await writeBindFiles(directory, { ...bound.data, saveTo });
  for (const name of ['started', 'result.json.part']) mkdirSync(join(directory, name));
  const app = runBindScript(script);
  assert.equal(app.exitCode, BIND_EXIT_CODES.cannotWrite);
  assert.equal(app._hasQuit, true);
  assert.equal(existsSync(saveTo), false);
});
