import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { packBundle } from '../../src/bundle/pack.ts';
import type { ProjectInitResult } from '../../src/cli/project-init.ts';
import type { TemplateReport } from '../../src/cli/template-check.ts';
import type { PushedTemplate } from '../../src/cli/template-push.ts';
import { runCli, runCliJson } from '../helpers/cli.ts';
import { startTestControl, type TestControl } from '../helpers/control.ts';
import {
  aepFile,
  compositionItem,
  folderItem,
  footageItem,
  layer,
  textData,
} from '../helpers/rifx-writer.ts';

const FONT = join(import.meta.dirname, '../../templates/video/title-card/fonts/Inter-Medium.otf');
const PNG = Buffer.from('89504e470d0a1a0a00000000', 'hex');

let control: TestControl;
let root: string;
const env = () => ({ FLATRENDER_URL: control.url, FLATRENDER_TOKEN: control.token });
const cli = (...args: string[]) => runCli(args, { cwd: root, env: env() });
const json = <T>(...args: string[]) => runCliJson<T>(args, { cwd: root, env: env() });

const text = (name: string, content: string, font = 'Inter-Medium') =>
  layer({ name, type: 3, text: textData(content, [font]) });

const spot = [
  compositionItem({
    id: 1,
    name: 'Main',
    duration: [6, 1],
    layers: [
      text('Main Title', 'Hello, "world"'),
      layer({ sourceId: 2, name: 'Lower third' }),
      layer({ sourceId: 10, name: 'Logo' }),
      layer({ sourceId: 10, name: 'Logo small', effects: [{ matchName: 'ADBE Fill', name: 'Fill' }] }),
      layer({ sourceId: 11, name: 'Background' }),
      layer({ sourceId: 12 }),
      layer({ sourceId: 13, name: 'Your photo' }),
      layer({ sourceId: 14, name: 'Music' }),
      layer({ sourceId: 15, name: 'Snow' }),
      layer({ name: 'Accent line', type: 4, effects: [{ matchName: 'ADBE Fill', name: 'Füllung' }] }),
      layer({ name: 'Old title', type: 3, text: textData('Old', ['Inter-Medium']), flags: [] }),
    ],
  }),
  folderItem({ id: 3, name: 'Precomps' }, [
    compositionItem({
      id: 2,
      name: 'Lower',
      layers: [text('Name', 'Jane Doe\rDirector'), text('日本', 'こんにちは'), text('Name', 'Twice')],
    }),
  ]),
  footageItem({ id: 10, path: 'C:\\work\\spot\\media\\logo.png' }),
  footageItem({ id: 11, solid: { name: 'Background', color: [0.1, 0.2, 0.3] } }),
  footageItem({ id: 12, solid: { name: 'White Solid 1', color: [1, 1, 1] } }),
  footageItem({ id: 13, placeholder: 'Photo' }),
  footageItem({ id: 14, path: '/Volumes/x/music.mp3', width: 0, height: 0 }),
  footageItem({ id: 15, path: 'C:\\work\\spot\\media\\snow', isSequence: true }),
];

before(async () => {
  control = await startTestControl();
  root = await mkdtemp(join(tmpdir(), 'flatrender-project-'));
  const folder = join(root, 'work');
  await mkdir(join(folder, 'media', 'snow'), { recursive: true });
  await mkdir(join(folder, 'Fonts'));
  await copyFile(FONT, join(folder, 'Fonts', 'Inter-Medium.otf'));
  await writeFile(join(folder, 'media', 'logo.png'), PNG);
  for (const number of [1, 2]) await writeFile(join(folder, 'media', 'snow', `snow_${number}.png`), PNG);
  await writeFile(join(folder, 'Spot Ünï.aep'), aepFile(spot));
  await writeFile(join(folder, 'notes.txt'), 'not of the template');
  await writeFile(join(folder, 'broken.aep'), aepFile(spot).subarray(0, 2000));
  await writeFile(
    join(folder, 'several.aep'),
    aepFile([
      compositionItem({ id: 1, name: 'Wide', layers: [text('A', 'a')] }),
      compositionItem({
        id: 2,
        name: 'Tall',
        width: 1080,
        height: 1920,
        duration: [20, 1],
        layers: [text('B', 'b')],
      }),
      compositionItem({ id: 3, name: 'Scratch' }),
    ]),
  );
});
after(async () => {
  await control[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

async function tree(folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name).slice(join(root, folder).length + 1)).sort();
}

const MANIFEST = `inputs:
  mainTitle: # text: layer "Main Title" of "Main"
    type: text
    default: "Hello, \\"world\\""
    maxLength: 60
  logo: # image: layer "Logo" of "Main" and 1 more
    type: image
  background: # solid: layer "Background" of "Main"
    type: color
    default: "#1a334d"
  yourPhoto: # placeholder: layer "Your photo" of "Main"
    type: image
    required: true
  music: # audio: layer "Music" of "Main"
    type: audio
    required: true
  accentLine: # effect Füllung: layer "Accent line" of "Main"
    type: color
  name: # text: layer "Name" of "Lower"
    type: text
    default: "Jane Doe\\nDirector"
    maxLength: 60
    multiline: true
  text: # text: layer "日本" of "Lower"
    type: text
    default: "こんにちは"
    maxLength: 60
  name2: # text: layer "Name" of "Lower"
    type: text
    default: Twice
    maxLength: 60

engines:
  aerender:
    project: "Spot Ünï.aep"
    composition: Main
    # sequence: single frames, resumes after a crash; movie: one file by the output module
    mode: sequence
    # Nodes install these for the task.
    fonts:
      - { file: fonts/Inter-Medium.otf, names: [Inter-Medium] }
    # Layers are addressed by name, "Precomp/Layer" or number; "composition" says in which, where names repeat.
    bind:
      - { to: text, input: mainTitle, layer: Main Title }
      - { to: footage, input: logo, item: logo.png }
      - { to: color, input: background, layer: Background }
      - { to: footage, input: yourPhoto, layer: Your photo }
      - { to: footage, input: music, layer: Music }
      - { to: color, input: accentLine, layer: Accent line, property: Effects.ADBE Fill.ADBE Fill-0002 }
      - { to: text, input: name, composition: Lower, layer: 1 }
      - { to: text, input: text, layer: "日本" }
      - { to: text, input: name2, composition: Lower, layer: 3 }

# The project was saved by After Effects 23.5.0x52; older ones cannot open it.
requires:
  engines: { aerender: '23' }

# The first one is what a job gets that names none. All presets can be asked for in any case.
outputs:
  - youtube-1080p
  - { name: thumbnail, preset: png-still }
`;

test('a project becomes a template with its files and proposed inputs, and passes the checks', async () => {
  const made = await cli('template', 'init', 'work/Spot Ünï.aep');
  assert.equal(made.exitCode, 0, made.stderr);
  assert.match(
    made.stdout,
    /^read Spot Ünï\.aep \(After Effects 23\.5\.0x52\), composition "Main"\nwrote spot-uni\//,
  );
  assert.match(made.stdout, /^mainTitle +text +text: layer "Main Title" of "Main"$/m);
  assert.match(made.stderr, /^not beside the project: 1 file of footage\n {2}\/Volumes\/x\/music\.mp3$/m);
  assert.match(made.stderr, /flatrender template push spot-uni\n$/);
  assert.deepEqual(await tree('spot-uni'), [
    'Spot Ünï.aep',
    'fonts/Inter-Medium.otf',
    'media/logo.png',
    'media/snow/snow_1.png',
    'media/snow/snow_2.png',
    'template.yaml',
  ]);
  const written = await readFile(join(root, 'spot-uni', 'template.yaml'), 'utf8');
  assert.equal(written.slice(written.indexOf('inputs:\n')), MANIFEST);
  const checked = await json<TemplateReport>('template', 'validate', 'spot-uni');
  assert.deepEqual(
    [checked.json.ok, checked.json.findings.map(({ message }) => message)],
    [true, ['not in the bundle, and not needed by what is rendered: "music.mp3"']],
  );
});

test('--json says what was made and what is missing', async () => {
  const made = await json<ProjectInitResult>(
    'template',
    'init',
    'work/several.aep',
    'made',
    '--composition',
    'Tall',
  );
  assert.equal(made.exitCode, 0, made.stdout);
  const { directory, source, ...rest } = made.json;
  assert.deepEqual([directory, source], [join(root, 'made'), join(root, 'work', 'several.aep')]);
  assert.deepEqual(rest, {
    name: 'made',
    files: ['several.aep', 'template.yaml', 'fonts/Inter-Medium.otf'].sort(),
    version: '23.5.0x52',
    composition: 'Tall',
    inputs: [{ name: 'b', type: 'text', about: 'text: layer "B" of "Tall"' }],
    missing: { footage: [], fonts: [] },
    others: 0,
    findings: [],
  });
  assert.match(await readFile(join(root, 'made', 'template.yaml'), 'utf8'), /^ {2}- story-1080x1920$/m);
});

test('of several compositions one has to be named', async () => {
  const made = await cli('template', 'init', 'work/several.aep', 'unclear');
  assert.equal(made.exitCode, 2);
  assert.equal(
    made.stderr,
    [
      'error: the project has 2 compositions that no other one shows: which is rendered?',
      '  "Tall"  1080 × 1920, 25 fps, 20 s',
      '  "Wide"  1920 × 1080, 25 fps, 10 s',
      'hint: add --composition "Tall", or another of them',
      '',
    ].join('\n'),
  );
  const unknown = await cli('template', 'init', 'work/several.aep', 'unclear', '--composition', 'Tal');
  assert.equal(unknown.exitCode, 2);
  assert.match(
    unknown.stderr,
    /^error: the project has no composition "Tal"; did you mean "Tall"\?\nhint: there are:\n/,
  );
  assert.equal((await readdir(root)).includes('unclear'), false, 'nothing was made');
});

test('footage is put where After Effects looks for it from the project', async () => {
  await mkdir(join(root, 'studio', 'ae'), { recursive: true });
  await mkdir(join(root, 'studio', 'art'));
  for (const file of ['art/logo.png', 'ae/photo.png']) await writeFile(join(root, 'studio', file), PNG);
  await writeFile(join(root, 'studio', 'secret'), 'x');
  const media = [
    { id: 10, path: 'C:\\studio\\art\\logo.png', ascend: [2, 2] as const },
    { id: 11, path: 'C:\\studio\\stock\\photo.png', ascend: [2, 2] as const },
    { id: 12, path: 'C:\\studio\\secret', ascend: [2, 1] as const },
  ];
  await writeFile(
    join(root, 'studio', 'ae', 'spot.aep'),
    aepFile([
      compositionItem({ id: 1, name: 'Main', layers: media.map(({ id }) => layer({ sourceId: id })) }),
      ...media.map((item) => footageItem(item)),
    ]),
  );
  const made = await json<ProjectInitResult>('template', 'init', 'studio/ae/spot.aep', 'placed');
  assert.deepEqual(made.json.files, ['ae/spot.aep', 'art/logo.png', 'stock/photo.png', 'template.yaml']);
  assert.deepEqual(made.json.missing.footage, ['C:\\studio\\secret'], 'no file that is no footage is taken');
  assert.deepEqual(
    made.json.findings.map(({ severity, message }) => [severity, message]),
    [['error', 'the bundle lacks the footage "secret"; the project has it as "C:\\\\studio\\\\secret"']],
  );
});

test('every solid and fill is an input where that is asked for', async () => {
  const made = await json<ProjectInitResult>('template', 'init', 'work/Spot Ünï.aep', 'all', '--all-colors');
  const colors = made.json.inputs.filter(({ type }) => type === 'color').map(({ name }) => name);
  assert.deepEqual(colors, ['background', 'whiteSolid1', 'accentLine']);
});

test('fonts are taken from the folder that is named, and those not found are told', async () => {
  await mkdir(join(root, 'elsewhere', 'deep'), { recursive: true });
  await copyFile(FONT, join(root, 'elsewhere', 'deep', 'other-name.otf'));
  await writeFile(join(root, 'elsewhere', 'fake.ttf'), 'no font');
  await mkdir(join(root, 'bare'));
  const lone = [
    compositionItem({ id: 1, name: 'Main', layers: [text('A', 'a'), text('B', 'b', 'Bebas-Regular')] }),
  ];
  await writeFile(join(root, 'bare', 'lone.aep'), aepFile(lone));
  const made = await json<ProjectInitResult>('template', 'init', 'bare/lone.aep', '--fonts', 'elsewhere');
  assert.deepEqual(made.json.files, ['fonts/other-name.otf', 'lone.aep', 'template.yaml']);
  assert.deepEqual(made.json.missing, { footage: [], fonts: ['Bebas-Regular'] });
  assert.deepEqual(
    made.json.findings.map(({ severity, code, message }) => [severity, code, message]),
    [
      [
        'warning',
        'AE_MISSING_FONT',
        'no font of the bundle is "Bebas-Regular", which the project uses; a node that has not got it installed refuses the job',
      ],
    ],
  );
  const nowhere = await cli('template', 'init', 'bare/lone.aep', 'x', '--fonts', 'nowhere');
  assert.match(nowhere.stderr, /^error: there is no folder nowhere\n/);
});

test('nothing is written over without --force, and a project in its own folder stays where it is', async () => {
  await mkdir(join(root, 'own'));
  await copyFile(join(root, 'bare', 'lone.aep'), join(root, 'own', 'lone.aep'));
  await writeFile(join(root, 'own', 'draft.mov'), 'x');
  const first = await json<ProjectInitResult>('template', 'init', 'own/lone.aep', 'own');
  assert.deepEqual([first.json.files, first.json.others], [['template.yaml'], 1], first.stdout);
  const again = await cli('template', 'init', 'own/lone.aep', 'own');
  assert.equal(again.exitCode, 2);
  assert.match(again.stderr, /own has template\.yaml already\nhint: choose another folder, or add --force/);
  const forced = await cli('template', 'init', 'own/lone.aep', 'own', '--force');
  assert.equal(forced.exitCode, 0);
  assert.match(
    forced.stderr,
    /^own has 1 other file, also part of the template: .* own\/\.flatrenderignore$/m,
  );
});

test('what is no project, damaged, or asked for with the wrong flags is refused', async () => {
  const refusals: readonly (readonly [string[], number, RegExp])[] = [
    [['work/broken.aep', 'x'], 1, /^error: broken\.aep is damaged: /],
    [['work/none.aep', 'x'], 2, /^error: there is no project work\/none\.aep\n/],
    [['work/notes.txt', 'x'], 2, /^error: notes\.txt is no \.aep\nhint: .*save it as \.aep/],
    [
      ['work/several.aep', 'x', '--from', 'title-card'],
      2,
      /^error: --from is for a starter, not for an \.aep\n/,
    ],
    [['x', '--composition', 'Main'], 2, /^error: --composition is for an \.aep\n/],
    [
      ['x', '--engine', 'aerender'],
      2,
      /^error: .* begins with a project\nhint: flatrender template init project\.aep\n/,
    ],
    [['x', 'y'], 2, /^error: a second folder \(y\) is for an \.aep\n/],
  ];
  for (const [args, exitCode, message] of refusals) {
    const done = await cli('template', 'init', ...args);
    assert.match(done.stderr, message);
    assert.equal(done.exitCode, exitCode, args.join(' '));
  }
  assert.equal((await readdir(root)).includes('x'), false, 'nothing was made');
});

test('a template whose project lacks what the manifest names is not pushed', async () => {
  await cli('template', 'init', 'work/Spot Ünï.aep', 'wrong');
  const path = join(root, 'wrong', 'template.yaml');
  const sound = await readFile(path, 'utf8');
  await writeFile(path, sound.replace('layer: Main Title', 'layer: Main Titel'));
  const layer = await cli('template', 'push', 'wrong');
  assert.equal(layer.exitCode, 1);
  assert.equal(
    layer.stderr.slice(layer.stderr.indexOf('error:')),
    'error: template.yaml: engines.aerender.bind[0].layer: composition "Main" and those in it have no layer "Main Titel"; did you mean "Main Title"?\n' +
      'hint: run "flatrender template inspect \'Spot Ünï.aep\'" in the folder of the template to see what it has\n',
  );
  await writeFile(path, sound.replace('item: logo.png', 'layer: Logo'));
  await rm(join(root, 'wrong', 'media'), { recursive: true });
  const footage = await runCliJson<{ error: { code: string; message: string } }>(
    ['template', 'push', 'wrong'],
    {
      cwd: root,
      env: env(),
    },
  );
  assert.equal(footage.exitCode, 1);
  assert.equal(footage.json.error.code, 'TEMPLATE_INVALID');
  assert.deepEqual(footage.json.error.message.split('\n').slice(1), [
    'the bundle lacks the footage "logo.png"; the project has it as "C:\\\\work\\\\spot\\\\media\\\\logo.png"',
    'the bundle lacks the footage "snow"; the project has it as "C:\\\\work\\\\spot\\\\media\\\\snow"',
  ]);
  await copyFile(join(root, 'work', 'broken.aep'), join(root, 'wrong', 'Spot Ünï.aep'));
  const broken = await cli('template', 'push', 'wrong');
  assert.match(broken.stderr, /error: Spot Ünï\.aep is damaged: chunk /);
  await rm(join(root, 'wrong', 'Spot Ünï.aep'));
  const none = await cli('template', 'push', 'wrong');
  assert.match(none.stderr, /engines\.aerender\.project: the bundle has no file "Spot Ünï\.aep"/);
});

test('a template of a project is pushed, and shown with its project and composition', async () => {
  await cli('template', 'init', 'work/Spot Ünï.aep', 'pushed');
  const done = await json<PushedTemplate>('template', 'push', 'pushed');
  assert.equal(done.exitCode, 0, done.stdout);
  assert.deepEqual(done.json.template.engines, ['aerender']);
  await packBundle(join(root, 'pushed'), join(root, 'pushed.zip'));
  const zip = await json<TemplateReport>('template', 'validate', 'pushed.zip');
  assert.deepEqual([zip.json.ok, zip.json.findings.length], [true, 1], zip.stdout);
  const shown = await cli('template', 'show', 'pushed');
  assert.match(shown.stdout, /^engines +aerender$/m);
  assert.match(shown.stdout, /^project +Spot Ünï\.aep, composition "Main", After Effects 23 or newer$/m);
});
