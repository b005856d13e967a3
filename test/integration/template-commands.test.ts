import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { packBundle } from '../../src/bundle/pack.ts';
import type { TemplateReport } from '../../src/cli/template-check.ts';
import type { PushedTemplate } from '../../src/cli/template-push.ts';
import type { TemplateView } from '../../src/protocol/templates.ts';
import { runCli, runCliJson } from '../helpers/cli.ts';
import { startTestControl, type TestControl } from '../helpers/control.ts';
import { rawZip } from '../helpers/raw-zip.ts';

let control: TestControl;
let root: string;
const env = () => ({ FLATRENDER_URL: control.url, FLATRENDER_TOKEN: control.token });
const cli = (...args: string[]) => runCli(args, { cwd: root, env: env() });
const json = <T>(...args: string[]) => runCliJson<T>(args, { cwd: root, env: env() });

before(async () => {
  control = await startTestControl();
  root = await mkdtemp(join(tmpdir(), 'flatrender-templates-'));
});
after(async () => {
  await control[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

async function edit(file: string, change: (text: string) => string): Promise<void> {
  const path = join(root, file);
  const before = await readFile(path, 'utf8');
  const changed = change(before);
  assert.notEqual(changed, before, 'the edit changes something');
  await writeFile(path, changed);
}

test('every empty starter is sound, and carries the name of its folder', async () => {
  for (const engine of ['lottie', 'ffmpeg', 'mock']) {
    const made = await cli('template', 'init', `New ${engine}`, '--engine', engine);
    assert.equal(made.exitCode, 0, made.stderr);
    assert.match(made.stdout, /^wrote New \w+\/(animation\.json|template\.yaml)\n/);
    assert.match(made.stderr, /flatrender template validate New /);
    const checked = await json<TemplateReport>('template', 'validate', `New ${engine}`);
    assert.equal(checked.exitCode, 0, checked.stdout);
    assert.deepEqual(
      [checked.json.ok, checked.json.findings, checked.json.manifest?.name],
      [true, [], `new-${engine}`],
    );
  }
});

test('every starter template that comes along is sound, also under another name', async () => {
  const starters = (await readdir(join(import.meta.dirname, '../../templates/video'))).sort();
  for (const starter of starters) {
    const made = await cli('template', 'init', `my-${starter}`, '--from', starter);
    assert.equal(made.exitCode, 0, made.stderr);
    const checked = await json<TemplateReport>('template', 'validate', `my-${starter}`);
    assert.deepEqual([checked.json.ok, checked.json.findings], [true, []], starter);
    assert.equal(checked.json.manifest?.name, `my-${starter}`);
  }
});

test('init writes over nothing unless it is told to', async () => {
  await mkdir(join(root, 'there'));
  await writeFile(join(root, 'there', 'template.yaml'), 'mine');
  const refused = await cli('template', 'init', 'there', '--engine', 'mock');
  assert.equal(refused.exitCode, 2);
  assert.match(
    refused.stderr,
    /there has template\.yaml already\nhint: choose another folder, or add --force/,
  );
  assert.equal(await readFile(join(root, 'there', 'template.yaml'), 'utf8'), 'mine');
  assert.equal((await cli('template', 'init', 'there', '--engine', 'mock', '--force')).exitCode, 0);
  assert.match(await readFile(join(root, 'there', 'template.yaml'), 'utf8'), /^name: there /m);
});

test('a starter that does not exist, and a folder whose name is none, are usage errors', async () => {
  const unknown = await cli('template', 'init', 'x', '--from', 'emty');
  assert.equal(unknown.exitCode, 2);
  assert.match(unknown.stderr, /no starter template "emty"; did you mean "empty"\?/);
  assert.match(
    (await cli('template', 'init', '日本')).stderr,
    /cannot be the name of a template\nhint: .*--name my-template/,
  );
  assert.equal((await cli('template', 'init', '日本', '--engine', 'mock', '--name', 'japan')).exitCode, 0);
});

test('validate tells every problem and ends with 1', async () => {
  await cli('template', 'init', 'wrong', '--engine', 'lottie');
  await edit('wrong/template.yaml', (text) =>
    text.replace('fps: 25', 'fsp: 25').replace('type: color', 'type: colour'),
  );
  const schema = await cli('template', 'validate', 'wrong');
  assert.equal(schema.exitCode, 1);
  assert.match(
    schema.stdout,
    /^error .*wrong\/template\.yaml:\d+:\d+: composition\.fps: is missing \(a number\)$/m,
  );
  assert.match(schema.stdout, /composition\.fsp: there is no such field here; did you mean "fps"\?$/m);
  assert.match(schema.stdout, /inputs\.accent\.type: must be one of .*; did you mean "color"\?$/m);
  assert.match(schema.stdout, /^not ok .*wrong: 3 errors$/m);

  await edit('wrong/template.yaml', (text) =>
    text
      .replace('fsp: 25', 'fps: 25')
      .replace('type: colour', 'type: color')
      .replace('layer: Bar', 'layer: Bra'),
  );
  const engine = await json<TemplateReport>('template', 'validate', 'wrong');
  assert.equal(engine.exitCode, 1);
  assert.equal(engine.json.findings.length, 1);
  assert.match(engine.json.findings[0]?.message ?? '', /no layer "Bra"/);

  await edit('wrong/template.yaml', (text) =>
    text.replace('layer: Bra', 'layer: Bar').replace('animation.json', 'anim.json'),
  );
  const file = await json<TemplateReport>('template', 'validate', 'wrong');
  assert.deepEqual(
    file.json.findings.map(({ message }) => message),
    ['template.yaml: engines.lottie.file: the bundle has no file "anim.json"'],
  );
  const nothing = await cli('template', 'validate', 'nowhere');
  assert.equal(nothing.exitCode, 2);
  assert.match(nothing.stderr, /there is no folder or zip .*nowhere/);
});

test('an input that nothing uses is a warning', async () => {
  await cli('template', 'init', 'unused', '--engine', 'ffmpeg');
  await edit('unused/template.yaml', (text) =>
    text.replace('inputs:\n', 'inputs:\n  extra: { type: boolean, default: true }\n'),
  );
  const checked = await cli('template', 'validate', 'unused');
  assert.equal(checked.exitCode, 0);
  assert.match(
    checked.stdout,
    /^warning the ffmpeg engine does not use the input "extra"\nok unused@0\.1\.0: 1 file, .*; 1 warning$/m,
  );
});

test('a hostile zip is refused, and what is no zip at all', async () => {
  await writeFile(join(root, 'hostile.zip'), rawZip([{ name: '../evil' }]));
  const hostile = await cli('template', 'validate', 'hostile.zip');
  assert.equal(hostile.exitCode, 1);
  assert.match(hostile.stdout, /^error bundle refused: the entry "\.\.\/evil" leads out of the bundle/);
  const push = await cli('template', 'push', 'hostile.zip');
  assert.equal(push.exitCode, 1);
  assert.match(push.stderr, /error: bundle refused: the entry "\.\.\/evil" leads out of the bundle/);
});

test('a template is pushed, shown, listed, not pushed twice, and removed', async () => {
  await cli('template', 'init', 'bar', '--engine', 'lottie');
  assert.match((await cli('template', 'list')).stderr, /^no templates yet/);
  const first = await cli('template', 'push', 'bar');
  assert.equal(first.exitCode, 0, first.stderr);
  assert.match(first.stdout, /^pushed bar@0\.1\.0 \([\d.]+ k?B\)\n$/);
  assert.match((await cli('template', 'push', 'bar')).stdout, /^already pushed bar@0\.1\.0/);

  await packBundle(join(root, 'bar'), join(root, 'bar.zip'));
  assert.equal(
    (await json<PushedTemplate>('template', 'push', 'bar.zip')).json.already,
    true,
    'the same as a zip',
  );

  const shown = await cli('template', 'show', 'bar');
  assert.match(shown.stdout, /^template {2}bar@0\.1\.0 \(latest\)$/m);
  assert.match(shown.stdout, /^accent {2}color {2}#ff3366 {2}#rrggbb or #rrggbbaa {2}Colour of the bar$/m);
  assert.match(shown.stdout, /^thumbnail +png, 1920 × 1080, at 2 s$/m);
  assert.match(shown.stdout, /^gif-preview +gif, 480 × 270, 12 fps, 4 s$/m);

  await edit('bar/template.yaml', (text) => text.replace('Colour of the bar', 'Its colour'));
  const taken = await cli('template', 'push', 'bar');
  assert.equal(taken.exitCode, 1);
  assert.match(taken.stderr, /error: template bar@0\.1\.0 was pushed before with other content/);
  assert.match(taken.stderr, /hint: set "version: 0\.1\.1" in .*bar\/template\.yaml and push again/);

  await edit('bar/template.yaml', (text) => text.replace('version: 0.1.0', 'version: 0.2.0'));
  assert.equal((await cli('template', 'push', 'bar')).exitCode, 0);
  const latest = await json<{ templates: TemplateView[] }>('template', 'list');
  assert.deepEqual(
    latest.json.templates.map(({ version, latest }) => [version, latest]),
    [['0.2.0', true]],
  );
  const all = await cli('template', 'list', '--all');
  assert.match(all.stdout, /^NAME +VERSION/);
  assert.match(all.stdout, /^bar +0\.1\.0 \(old\) +lottie/m);

  const unsure = await cli('template', 'remove', 'bar@0.1.0');
  assert.equal(unsure.exitCode, 2);
  assert.match(unsure.stderr, /not confirmed: Remove template bar@0\.1\.0\?/);
  assert.equal((await cli('template', 'remove', 'bar@0.1.0', '--yes')).stdout, 'removed bar@0.1.0\n');
  assert.equal((await cli('template', 'remove', 'bar', '--yes')).stdout, 'removed bar@0.2.0\n');
  const gone = await cli('template', 'show', 'bar');
  assert.equal(gone.exitCode, 1);
  assert.match(gone.stderr, /bar/);
});

test('pushing needs an admin', async () => {
  await cli('template', 'init', 'denied', '--engine', 'mock');
  const { token } = await control.newToken('submit');
  const refused = await runCliJson<{ error: { code: string } }>(['template', 'push', 'denied'], {
    cwd: root,
    env: { ...env(), FLATRENDER_TOKEN: token },
  });
  assert.equal(refused.exitCode, 2);
  assert.equal(refused.json.error.code, 'TOKEN_FORBIDDEN');
});

test('a filter graph that reaches out of the bundle is found by validate', async () => {
  await cli('template', 'init', 'reach', '--engine', 'ffmpeg');
  await edit('reach/template.yaml', (text) =>
    text.replace('[0:v]drawbox', 'movie=/etc/passwd[m];[m]drawbox'),
  );
  const checked = await cli('template', 'validate', 'reach');
  assert.equal(checked.exitCode, 1);
  assert.match(checked.stdout, /^error engines\.ffmpeg\.graph: .*movie/m);
});
