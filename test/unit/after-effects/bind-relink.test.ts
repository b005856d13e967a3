import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { footageLayer, ProjectBuilder } from '../../after-effects/project-builder.ts';
import type { SimFootage, SimProject } from '../../after-effects/sim-project.ts';
import { temporaryDirectory } from '../../helpers/render-request.ts';
import { bindIn, failureIn, pngFile } from './bind-bench.ts';

/** A bundle with these pictures, 30 × 20. */
function bundleWith(context: TestContext, files: readonly string[]): string {
  const bundle = temporaryDirectory(context, 'bündle %41 ');
  for (const file of files) {
    mkdirSync(join(bundle, file, '..'), { recursive: true });
    pngFile(join(bundle, file), 30, 20);
  }
  return bundle;
}

/** A project of a designer's machine that shows one file. */
function projectShowing(path: string, parts: Partial<SimFootage> = {}): ProjectBuilder {
  const build = new ProjectBuilder({ savedAs: 'C:\\Users\\designer\\Spot\\spot.aep' });
  const { name = 'logo.png', ...rest } = parts;
  build.comp('Main', { layers: [footageLayer(build.file(name, path, { width: 30, height: 20, ...rest }))] });
  return build;
}

function footageIn({ items }: SimProject): SimFootage {
  const found = items.find((item) => item.type === 'footage');
  return found?.type === 'footage' ? found : assert.fail('no footage');
}

function pathIn(project: SimProject): string | null {
  const { source } = footageIn(project);
  return source.kind === 'file' ? source.path : null;
}

for (const [what, stored, there, found] of [
  ['a path of Windows', 'D:\\Kunden\\Müller\\media\\logo.png', ['media/logo.png'], 'media/logo.png'],
  ['a path of macOS', '/Volumes/Jobs/spot/media/logo.png', ['media/logo.png'], 'media/logo.png'],
  ['a network path', '\\\\nas\\jobs\\spot\\logo.png', ['logo.png'], 'logo.png'],
  ['the longest end', 'D:\\a\\b\\logo.png', ['logo.png', 'b/logo.png', 'a/b/logo.png'], 'a/b/logo.png'],
  ['no end across ".."', 'D:\\a\\..\\b\\logo.png', ['a/b/logo.png', 'b/logo.png'], 'b/logo.png'],
  ['the folder of Collect Files', 'D:\\x\\logo.png', ['(Footage)/x/logo.png'], '(Footage)/x/logo.png'],
  ['names with percent and brackets', 'D:\\50%41 [1-2]\\a.png', ['50%41 [1-2]/a.png'], '50%41 [1-2]/a.png'],
] as const) {
  test(`missing footage is taken from the bundle: ${what}`, async (context) => {
    const bundle = bundleWith(context, there);
    const { result, project } = await bindIn(context, projectShowing(stored), { footageFolders: [bundle] });
    assert.ok(result.ok, JSON.stringify(result));
    assert.equal(pathIn(project), join(bundle, found));
    assert.equal(footageIn(project).name, 'logo.png');
    assert.deepEqual(result.warnings, [
      `footage "logo.png" is not at ${stored}: taken from ${join(bundle, found)}`,
    ]);
  });
}

test('the folder of the project comes before those above it', async (context) => {
  const bundle = bundleWith(context, ['ae/logo.png', 'logo.png']);
  const folders = { footageFolders: [join(bundle, 'ae'), bundle] };
  const { project } = await bindIn(context, projectShowing('D:\\x\\logo.png'), folders);
  assert.equal(pathIn(project), join(bundle, 'ae', 'logo.png'));
});

test('footage that is there stays, and what the bundle lacks is missing', async (context) => {
  const bundle = bundleWith(context, ['media/logo.png', 'other/logo.png']);
  const there = join(bundle, 'other', 'logo.png');
  const kept = await bindIn(context, projectShowing(there), { footageFolders: [join(bundle, 'media')] });
  assert.equal(pathIn(kept.project), there);
  assert.deepEqual(kept.result.warnings, []);
  const lost = await bindIn(context, projectShowing('D:\\x\\other.png'), { footageFolders: [bundle] });
  assert.equal(failureIn(lost).code, 'AE_MISSING_FOOTAGE');
});

test('an image sequence begins with the picture that its name says, or the first', async (context) => {
  const bundle = bundleWith(context, ['snow/a.png', 'snow/snow_0002.png', 'snow/snow_0001.png']);
  writeFileSync(join(bundle, 'snow', '.hidden'), '');
  const folders = { footageFolders: [bundle] };
  for (const [stored, name, first] of [
    ['D:\\spot\\snow', 'snow_[0001-0002].png', 'snow_0001.png'],
    ['D:\\spot\\snow\\snow_[0002-0005].png', 'snow', 'snow_0002.png'],
    ['D:\\spot\\snow', 'flakes', 'a.png'],
  ] as const) {
    const { result, project } = await bindIn(context, projectShowing(stored, { name, duration: 2 }), folders);
    assert.ok(result.ok, JSON.stringify(result));
    assert.equal(pathIn(project), join(bundle, 'snow', first));
    const { duration, name: called } = footageIn(project);
    assert.deepEqual([called, duration], [name, 2]);
  }
});

test('one layer of a Photoshop file is not replaced by all of them', async (context) => {
  const bundle = bundleWith(context, ['art.psd']);
  const build = projectShowing('D:\\x\\art.psd', { name: 'Sky/art.psd' });
  const { result, project } = await bindIn(context, build, {
    footageFolders: [bundle],
    missingFootage: 'ignore',
  });
  assert.equal(pathIn(project), 'D:\\x\\art.psd');
  assert.match(
    result.warnings.join('\n'),
    /"Sky\/art\.psd" is one layer of a file .* link it in After Effects/,
  );
});

test('what After Effects cannot read is said, and missing', async (context) => {
  const bundle = bundleWith(context, []);
  writeFileSync(join(bundle, 'logo.png'), 'no picture at all, and long enough');
  const bound = await bindIn(context, projectShowing('D:\\x\\logo.png'), { footageFolders: [bundle] });
  assert.equal(failureIn(bound).code, 'AE_MISSING_FOOTAGE');
  assert.match(bound.result.warnings.join('\n'), /After Effects cannot read .*logo\.png/);
});

test('of many files the first are named', async (context) => {
  const names = Array.from({ length: 25 }, (_, at) => `f${at}.png`);
  const bundle = bundleWith(context, names);
  const build = new ProjectBuilder({ savedAs: 'C:\\spot\\spot.aep' });
  const layers = names.map((name) => footageLayer(build.file(name, `D:\\x\\${name}`)));
  build.comp('Main', { layers });
  const { result } = await bindIn(context, build, { footageFolders: [bundle] });
  assert.ok(result.ok);
  assert.equal(result.warnings.length, 21);
  assert.equal(result.warnings.at(-1), '5 more files of footage are taken from the bundle');
});
