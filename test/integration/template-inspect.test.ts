import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ProjectReport, reportProject } from '../../src/cli/project-report.ts';
import { projectText, treeLines } from '../../src/cli/project-tree.ts';
import { runCli, runCliJson } from '../helpers/cli.ts';
import {
  aepFile,
  compositionItem,
  folderItem,
  footageItem,
  layer,
  textData,
} from '../helpers/rifx-writer.ts';

let root: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'flatrender-inspect-'));
  await mkdir(join(root, 'media'));
  await mkdir(join(root, '(Footage)'));
  await writeFile(join(root, 'media', 'logo.png'), '');
  await writeFile(join(root, '(Footage)', 'a.wav'), '');
  await writeFile(
    join(root, 'spot.aep'),
    aepFile([
      folderItem({ id: 1, name: 'Comps' }, [
        compositionItem({
          id: 2,
          name: 'Main',
          fps: 23.976,
          duration: [10, 1],
          layers: [
            layer({
              name: 'Title',
              type: 3,
              text: textData('Hello\rworld', ['Inter-Bold'], ['Myriad-Roman']),
            }),
            layer({ sourceId: 3, name: 'Logo', effects: [{ matchName: 'ADBE Fill', name: 'Fill' }] }),
            layer({ sourceId: 6, flags: ['null'] }),
          ],
        }),
      ]),
      footageItem({ id: 3, path: 'C:\\work\\spot\\media\\logo.png' }),
      footageItem({ id: 4, path: '/Volumes/x/a.wav', width: 0, height: 0 }),
      footageItem({ id: 5, name: 'evil\u001b[31m\n', path: '/../../etc/hosts\u001b]0;x\u0007' }),
      footageItem({ id: 6, solid: { name: 'Null 1', color: [1, 1, 1] } }),
      footageItem({ id: 7, path: 'C:\\work\\spot\\media\\logo.png', width: 64, height: 36 }),
    ]),
  );
  await writeFile(join(root, 'broken.aep'), aepFile([folderItem({ id: 1 })]).subarray(0, 99));
});
after(() => rm(root, { recursive: true, force: true }));

/** With the lines drawn, as in a pipe or on a terminal. */
async function drawn(isTTY: boolean, env: NodeJS.ProcessEnv): Promise<string[]> {
  const report = await reportProject(join(root, 'spot.aep'), new AbortController().signal);
  return projectText(report, treeLines({ isTTY }, env, 'linux')).split('\n');
}

const text = [
  'spot.aep  After Effects 23.5.0x52 (Windows), 1 composition, 5 footage items, 1 folder',
  '  Comps/',
  '    Main  composition, 1920 × 1080, 23.976 fps, 10 s',
  '      1 Title  text, "Hello\\nworld", Inter-Bold',
  '      2 Logo  footage of logo.png, effects: Fill',
  '      3 Null 1  null, off',
  '  logo.png  file, 640 × 360, C:\\work\\spot\\media\\logo.png',
  '  a.wav  file, /Volumes/x/a.wav',
  '  evil [31m   file, 640 × 360, /../../etc/hosts ]0;x ',
  '  Null 1  solid, 640 × 360, #ffffff',
  '  logo.png  file, 64 × 36, C:\\work\\spot\\media\\logo.png',
  'fonts    Inter-Bold',
  'effects  ADBE Fill',
  'warning footage "logo.png" is stored with an absolute path, C:\\work\\spot\\media\\logo.png; beside the project: media/logo.png',
  'warning footage "a.wav" is stored with an absolute path, /Volumes/x/a.wav; beside the project: (Footage)/a.wav',
  'warning footage "evil\\u001b[31m\\n" is not beside the project; it is stored as /../../etc/hosts ]0;x ',
];

test('template inspect prints the project by indentation in a pipe', async () => {
  const done = await runCli(['template', 'inspect', 'spot.aep'], { cwd: root });
  assert.equal(done.exitCode, 0, done.stderr);
  assert.deepEqual(done.stdout.split('\n'), [...text, '']);
  assert.equal(done.stderr, '');
});

test('template inspect --json is the project with its warnings', async () => {
  const done = await runCliJson<ProjectReport>(['template', 'inspect', 'spot.aep', '--json'], { cwd: root });
  assert.equal(done.exitCode, 0, done.stderr);
  const { source, version, compositions, warnings, fonts } = done.json;
  assert.deepEqual([source.endsWith('spot.aep'), version], [true, '23.5.0x52']);
  assert.deepEqual(
    compositions[0]?.layers.map(({ kind, name, text }) => [kind, name, text]),
    [
      ['text', 'Title', 'Hello\nworld'],
      ['footage', 'Logo', null],
      ['null', 'Null 1', null],
    ],
  );
  assert.deepEqual(fonts, [
    { name: 'Inter-Bold', used: true },
    { name: 'Myriad-Roman', used: false },
  ]);
  assert.deepEqual(
    warnings.map(({ code, footage }) => [code, footage]),
    [
      ['FOOTAGE_ABSOLUTE', [3, 7]],
      ['FOOTAGE_ABSOLUTE', [4]],
      ['FOOTAGE_MISSING', [5]],
    ],
  );
});

test('template inspect says what is wrong with a file, and fails', async () => {
  const broken = await runCli(['template', 'inspect', 'broken.aep'], { cwd: root });
  assert.deepEqual([broken.exitCode, broken.stdout], [1, '']);
  assert.match(
    broken.stderr,
    /^error: broken\.aep is damaged: chunk "RIFX" at offset 0: .*cut off\nhint: open the project/,
  );
  const none = await runCliJson(['template', 'inspect', 'none.aep', '--json'], { cwd: root });
  assert.equal(none.exitCode, 2);
  assert.equal((none.json as { error: { code: string } }).error.code, 'USAGE');
  const folder = await runCli(['template', 'inspect', '.'], { cwd: root });
  assert.deepEqual([folder.exitCode, folder.stdout], [2, '']);
});

test('a terminal gets lines, of ASCII where it knows nothing else', async () => {
  assert.deepEqual(await drawn(false, {}), text);
  assert.deepEqual((await drawn(true, { LANG: 'de_DE.UTF-8' })).slice(1, 7), [
    '├─ Comps/',
    '│  └─ Main  composition, 1920 × 1080, 23.976 fps, 10 s',
    '│     ├─ 1 Title  text, "Hello\\nworld", Inter-Bold',
    '│     ├─ 2 Logo  footage of logo.png, effects: Fill',
    '│     └─ 3 Null 1  null, off',
    '├─ logo.png  file, 640 × 360, C:\\work\\spot\\media\\logo.png',
  ]);
  for (const env of [{ LANG: 'C' }, {}, { LANG: 'C.UTF-8', TERM: 'linux' }]) {
    assert.deepEqual((await drawn(true, env)).slice(1, 4), [
      '|- Comps/',
      '|  `- Main  composition, 1920 × 1080, 23.976 fps, 10 s',
      '|     |- 1 Title  text, "Hello\\nworld", Inter-Bold',
    ]);
  }
});

test('of very many files the first 1000 are looked for, and the rest is counted', async () => {
  const path = join(root, 'many.aep');
  const items = Array.from({ length: 1003 }, (_, at) => footageItem({ id: at + 1, path: `/${at}.png` }));
  await writeFile(path, aepFile(items));
  const { warnings } = await reportProject(path, new AbortController().signal);
  assert.equal(warnings.length, 1001);
  assert.deepEqual(warnings.at(-1), {
    code: 'FOOTAGE_UNCHECKED',
    message: '3 more files of footage were not looked for',
  });
});
