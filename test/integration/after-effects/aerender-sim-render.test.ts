import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { probeMedia } from '../../../src/media/probe.ts';
import { readTiff } from '../../../src/media/tiff-structure.ts';
import { place, pngPixel, run } from '../../after-effects/aerender-launcher.ts';
import {
  movingProject,
  sampleComp,
  sampleFootage,
  sampleLayer,
  sampleProject,
  sampleText,
} from '../../after-effects/aerender-samples.ts';
import {
  compLayer,
  fillEffect,
  footageLayer,
  layerOf,
  ProjectBuilder,
} from '../../after-effects/project-builder.ts';
import { writeProject } from '../../after-effects/project-file.ts';
import { wav } from '../../after-effects/render/sound.ts';
import { postScriptNameOf } from '../../after-effects/user-fonts.ts';
import { colorAt, decodeFrames } from '../../helpers/decode-frames.ts';

test('a sequence has a file per frame, numbered as the composition displays them', async (t) => {
  const project = movingProject();
  const [comp] = project.items;
  assert.ok(comp?.type === 'comp');
  comp.displayStartFrame = 100;
  const { dir, args } = place(t, project);
  const { code, lines } = await run(dir, args('f_[#####].png', 'PNG Sequence'));
  assert.equal(code, 0, lines.join('\n'));
  const files = readdirSync(dir).filter((name) => name.startsWith('f_'));
  assert.deepEqual(
    files,
    Array.from({ length: 10 }, (_, index) => `f_00${100 + index}.png`),
  );
  assert.deepEqual(await pngPixel(join(dir, 'f_00100.png'), 4, 2), [255, 255, 255, 255]);
  assert.deepEqual(await pngPixel(join(dir, 'f_00109.png'), 4, 2), [0, 0, 255, 255]);
  assert.deepEqual(await pngPixel(join(dir, 'f_00109.png'), 60, 2), [255, 255, 255, 255]);
  assert.equal(lines.filter((line) => /\(\d+\): 0 Seconds$/.test(line)).length, 10);
  assert.ok(lines.includes('PROGRESS:  0:00:04:00 (1): 0 Seconds'));
});

for (const [module, file] of [
  ['Lossless', 'out.avi'],
  ['Lossless', 'out.mov'],
  ['H.264', 'out.mp4'],
] as const)
  test(`${module} writes ${file}`, async (t) => {
    const { dir, args } = place(t, movingProject());
    const { code, lines } = await run(dir, args(file, module));
    assert.equal(code, 0, lines.join('\n'));
    const info = await probeMedia(join(dir, file), { ffmpegPath: '' });
    assert.deepEqual([info.frames, info.width, info.height, info.damage], [10, 64, 48, []]);
    const [first, last] = await decodeFrames(join(dir, file), [0, 9]);
    assert.ok(first && last);
    assert.ok(colorAt(first, 0.06, 0.05)[0] > 200);
    assert.ok(colorAt(last, 0.06, 0.05)[0] < 50);
    assert.ok(colorAt(last, 0.06, 0.05)[2] > 200);
    assert.match(lines.at(-1) ?? '', /^PROGRESS: {2}Total Time Elapsed: \d+ Seconds$/);
  });

test('-s and -e are numbers as displayed; alone, -s goes to the end of the work area', async (t) => {
  const { dir, args } = place(
    t,
    sampleProject(sampleComp({ displayStartFrame: 10, workArea: { start: 0.08, duration: 0.24 } })),
  );
  const numbers = async (name: string, ...more: string[]) => {
    const { code, lines } = await run(dir, args(`${name}_[###].png`, 'PNG Sequence', ...more));
    assert.equal(code, 0, lines.join('\n'));
    const files = readdirSync(dir).filter((file) => file.startsWith(`${name}_`));
    return files.map((file) => Number(file.slice(name.length + 1, -4)));
  };
  assert.deepEqual(await numbers('all'), [12, 13, 14, 15, 16, 17]);
  assert.deepEqual(await numbers('span', '-s', '11', '-e', '13'), [11, 12, 13]);
  assert.deepEqual(await numbers('rest', '-s', '16'), [16, 17]);
  assert.deepEqual(await numbers('third', '-s', '10', '-e', '19', '-i', '3'), [10, 13, 16, 19]);
  const { code, lines } = await run(dir, args('x_[#].png', 'PNG Sequence', '-s', '9'));
  assert.equal(code, 9);
  assert.equal(lines.at(-1), 'aerender ERROR: After Effects error: Value out of range.');
});

test('texts, shapes, pictures and compositions are drawn in their places', async (t) => {
  const shape = sampleLayer(
    'shape',
    {
      properties: [
        {
          name: 'Contents',
          matchName: 'ADBE Root Vectors Group',
          children: [
            {
              name: 'Group 1',
              matchName: 'ADBE Vector Group',
              children: [
                {
                  name: 'Contents',
                  matchName: 'ADBE Vectors Group',
                  children: [
                    {
                      name: 'Path',
                      matchName: 'ADBE Vector Shape - Rect',
                      children: [
                        {
                          name: 'Size',
                          matchName: 'ADBE Vector Rect Size',
                          value: [20, 10],
                        },
                      ],
                    },
                    {
                      name: 'Fill 1',
                      matchName: 'ADBE Vector Graphic - Fill',
                      children: [{ name: 'Color', matchName: 'ADBE Vector Fill Color', value: [0, 1, 0, 1] }],
                    },
                  ],
                },
              ],
            },
          ],
        },
      ],
    },
    { Position: { value: [12, 7] } },
  );
  const paragraph = sampleText('aaaa bbbb', {
    fontSize: 12,
    fillColor: [1, 1, 0],
    box: { size: [40, 30], pos: [-20, -15] },
    justification: 'center',
  });
  const text = sampleLayer('text', { properties: [paragraph] }, { Position: { value: [32, 30] } });
  const { dir, args } = place(t, sampleProject(sampleComp()));
  const picture = join(import.meta.dirname, '../../../templates/video/title-card/images/logo.png');
  const inner = sampleComp({
    id: 5,
    name: 'inner',
    background: [1, 0, 0],
    layers: [sampleLayer('solid', { sourceId: 6 })],
  });
  const red = sampleFootage(6, { kind: 'solid', color: [1, 0, 0] }, { width: 8, height: 8 });
  const fill = {
    name: 'Effects',
    matchName: 'ADBE Effect Parade',
    children: [
      {
        name: 'Fill',
        matchName: 'ADBE Fill',
        children: [
          {
            name: 'Color',
            matchName: 'ADBE Fill-0002',
            valueType: 'color' as const,
            value: [0, 1, 1, 1],
          },
        ],
      },
    ],
  };
  const comp = sampleComp({
    layers: [
      shape,
      text,
      sampleLayer('comp', { sourceId: 5 }, { Position: { value: [56, 0] } }),
      sampleLayer('comp', { sourceId: 5, properties: [fill] }, { Position: { value: [56, 40] } }),
      sampleLayer('solid', { sourceId: 6, enabled: false }, { Position: { value: [0, 40] } }),
      sampleLayer('footage', { sourceId: 7 }, { Position: { value: [0, 20] } }),
      sampleLayer(
        'solid',
        { sourceId: 6 },
        { Position: { value: [4, 44] }, 'Anchor Point': { value: [4, 4] }, Opacity: { value: 50 } },
      ),
    ],
  });
  const logo = sampleFootage(7, { kind: 'file', path: picture }, { width: 8, height: 8 });
  writeProject(join(dir, 'project.aep'), sampleProject(comp, inner, red, logo));
  const { code, lines } = await run(dir, args('f_[#####].png', 'PNG Sequence', '-s', '0', '-e', '0'));
  assert.equal(code, 0, lines.join('\n'));
  const at = (x: number, y: number) => pngPixel(join(dir, 'f_00000.png'), x, y);
  assert.deepEqual(await at(12, 7), [0, 255, 0, 255], 'the shape');
  assert.deepEqual(await at(25, 7), [0, 0, 0, 255], 'beside the shape');
  assert.deepEqual(await at(60, 4), [255, 0, 0, 255], 'the inner composition, without its background');
  assert.deepEqual(await at(60, 12), [0, 0, 0, 255], 'below it');
  assert.deepEqual(await at(60, 44), [0, 255, 255, 255], 'filled by an effect');
  assert.deepEqual(await at(4, 44), [128, 0, 0, 255], 'half opaque');
  assert.notDeepEqual(await at(4, 24), [0, 0, 0, 255], 'the picture');
  const row = await Promise.all(Array.from({ length: 24 }, (_, y) => at(32, 16 + y)));
  assert.ok(
    row.some(([red = 0, green = 0, blue = 0]) => red > 100 && green > 100 && blue < 50),
    'the text',
  );
});

test('a TIFF with alpha has a transparent background; matted, its colour is still there', async (t) => {
  const text = sampleLayer('text', { properties: [sampleText('I')] }, { Position: { value: [10, 30] } });
  const { dir, args } = place(t, sampleProject(sampleComp({ background: [1, 0, 0], layers: [text] })));
  const { code } = await run(dir, args('f_[#####].tif', 'TIFF Sequence with Alpha', '-e', '0'));
  assert.equal(code, 0);
  const bytes = readFileSync(join(dir, 'f_00000.tif'));
  assert.deepEqual(readTiff(bytes), { kind: 'tiff', width: 64, height: 48, hasAlpha: true });
  assert.deepEqual([...bytes.subarray(-4)], [0, 0, 0, 0]);
  assert.ok(bytes.subarray(154).includes(255), 'the text');
  await run(dir, args('f_[#####].png', '_HIDDEN X-Factor 8 Premul', '-e', '0'));
  assert.deepEqual(await pngPixel(join(dir, 'f_00000.png'), 0, 0), [255, 0, 0, 0]);
});

test('sound is heard where its layer lies, in movies and in sound files', async (t) => {
  const { dir, args } = place(t, sampleProject(sampleComp()));
  const file = join(dir, 'tone.wav');
  writeFileSync(file, wav(Int16Array.from({ length: 48_000 }, (_, at) => Math.sin(at / 10) * 20_000)));
  const tone = sampleFootage(
    3,
    { kind: 'file', path: file },
    { width: 0, height: 0, duration: 0.5, hasAudio: true },
  );
  const comp = sampleComp({
    layers: [sampleLayer('footage', { sourceId: 3, startTime: 0.2, inPoint: 0.2 })],
  });
  writeProject(join(dir, 'project.aep'), sampleProject(comp, tone));
  for (const [module, name] of [
    ['Lossless', 'out.avi'],
    ['Lossless', 'out.mov'],
    ['H.264', 'out.mp4'],
    ['AIFF 48kHz', 'out.aif'],
    ['WAV', 'out.wav'],
  ] as const) {
    const { code, lines } = await run(dir, args(name, module));
    assert.equal(code, 0, lines.join('\n'));
    const info = await probeMedia(join(dir, name), { ffmpegPath: '' });
    assert.equal(info.hasAudio, true, name);
    assert.ok(Math.abs(info.durationMs - 400) < 60, `${name} lasts ${info.durationMs} ms`);
  }
  const samples = readFileSync(join(dir, 'out.wav')).subarray(44);
  assert.ok(samples.subarray(0, 0.19 * 192_000).every((byte) => byte === 0));
  assert.ok(samples.subarray(0.2 * 192_000).some((byte) => byte !== 0));
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.startsWith('sound-')),
    [],
  );
});

test('missing footage ends the render, or is drawn as bars when it shall go on', async (t) => {
  const gone = sampleFootage(3, { kind: 'file', path: '/gone/picture.png' });
  const comp = sampleComp({ layers: [sampleLayer('footage', { sourceId: 3 })] });
  const { dir, args } = place(t, sampleProject(comp, gone));
  const refused = await run(dir, args('f_[#####].png', 'PNG Sequence'));
  assert.equal(refused.code, 9);
  assert.deepEqual(refused.lines.slice(-2), [
    'WARNING:After Effects warning: logged one error  error: Unable to Render: File Not Found /gone/picture.png',
    'aerender ERROR: Runtime error in After Effects.',
  ]);
  const bars = await run(dir, args('f_[#####].png', 'PNG Sequence', '-continueOnMissingFootage'));
  assert.equal(bars.code, 0);
  assert.deepEqual(await pngPixel(join(dir, 'f_00000.png'), 60, 20), [0, 0, 191, 255]);
  const black = await run(dir, args('f_[#####].png', 'PNG Sequence'), 'black-missing');
  assert.equal(black.code, 0);
  assert.ok(!black.lines.some((line) => line.includes('picture.png')));
  assert.deepEqual(await pngPixel(join(dir, 'f_00000.png'), 60, 20), [0, 0, 0, 255]);
});

test('a font that is not installed is warned about and another one is taken', async (t) => {
  const text = sampleLayer('text', { properties: [sampleText('I', { fontFamily: 'Bebas' })] });
  const { dir, args } = place(t, sampleProject(sampleComp({ layers: [text] })));
  const { code, lines } = await run(dir, args('f_[#####].png', 'PNG Sequence', '-e', '0'));
  assert.equal(code, 0);
  assert.ok(
    lines.includes(
      'WARNING:After Effects warning: Grouped_Message_{some layers have missing dependencies...}Text Layer: Font family: Bebas, Font style: Regular',
    ),
  );
});

test('a font that was installed for the user is found by its PostScript name', async (t) => {
  const font = join(import.meta.dirname, '../../../templates/video/audio-visualiser/fonts/Inter-Medium.otf');
  assert.equal(postScriptNameOf(readFileSync(font)), 'Inter-Medium');
  assert.equal(postScriptNameOf(Buffer.from('no font')), null);
  const text = sampleLayer('text', { properties: [sampleText('I', { font: 'Inter-Medium' })] });
  const { dir, args } = place(t, sampleProject(sampleComp({ layers: [text] })));
  const warnings = async () => {
    const env = { XDG_DATA_HOME: dir, LOCALAPPDATA: dir, HOME: dir };
    const { lines } = await run(dir, args('f_[#####].png', 'PNG Sequence', '-e', '0'), '', env);
    return lines.filter((line) => line.startsWith('WARNING')).length;
  };
  assert.equal(await warnings(), 1);
  for (const folder of ['fonts/flatrender', 'Library/Fonts', 'Microsoft/Windows/Fonts'])
    cpSync(font, join(dir, folder, 'Inter.otf'));
  assert.equal(await warnings(), 0);
});

test('what it is asked for and does not have ends it with the words of aerender', async (t) => {
  const { dir, args } = place(t, sampleProject(sampleComp({ name: 'other' })));
  mkdirSync(join(dir, 'sub'));
  const last = async (arguments_: string[]) => {
    const { code, lines } = await run(dir, arguments_);
    return [code, lines.at(-1)];
  };
  assert.deepEqual(await last(args('x.avi', 'Lossless')), [
    7,
    'aerender ERROR: No comp was found with the given name.',
  ]);
  writeProject(join(dir, 'project.aep'), sampleProject(sampleComp()));
  assert.deepEqual(await last(args('x.avi', 'Nothing')), [
    7,
    'aerender ERROR: No output module template was found with the given name.',
  ]);
  assert.deepEqual(await last(args('x.avi', 'Lossless', '-RStemplate', 'Nothing')), [
    7,
    'aerender ERROR: No render settings template was found with the given name.',
  ]);
  assert.deepEqual(await last(args('nowhere/x.avi', 'Lossless')), [
    9,
    'aerender ERROR: After Effects error: Path is not valid.',
  ]);
  writeFileSync(join(dir, 'project.aep'), '{');
  assert.deepEqual(await last(args('x.avi', 'Lossless')), [
    9,
    'aerender ERROR: After Effects error: file is damaged.',
  ]);
  const bad = await run(dir, ['-r', 'script.jsx']);
  assert.equal(bad.code, 2);
  assert.equal(bad.lines[0], 'aerender SYNTAX ERROR: Illegal argument flag: -r');
});

test('with -log the lines of After Effects go to that file; -v ERRORS leaves progress out', async (t) => {
  const { dir, args } = place(t, sampleProject(sampleComp()));
  const log = join(dir, 'log.txt');
  const logged = await run(dir, args('f_[#].png', 'PNG Sequence', '-log', log));
  assert.equal(logged.lines.at(-1), 'PROGRESS: ...After Effects successfully launched');
  assert.match(readFileSync(log, 'utf8'), /\(10\): 0 Seconds\n(.*\n)*.*Total Time Elapsed/);
  const quiet = await run(dir, args('f_[#].png', 'PNG Sequence', '-v', 'ERRORS'));
  assert.equal(quiet.lines.at(-1), 'PROGRESS: Adding specified comp to Render Queue');
});

test('expressions, parents, solo layers and essential properties are in the picture', async (t) => {
  const build = new ProjectBuilder();
  const white = build.solid('white', [1, 1, 1], { width: 8, height: 8 });
  const green = build.solid('green', [0, 1, 0], { width: 8, height: 8 });
  const inner = build.comp('inner', {
    width: 8,
    height: 8,
    layers: [footageLayer(white, { name: 'box', effects: [fillEffect([1, 0, 0])] })],
    essential: { Colour: 'box/Effects/Fill/Color' },
  });
  const moved = footageLayer(white, { anchor: [0, 0], position: [0, 0], parent: 9 });
  const card = compLayer(inner, { anchor: [0, 0], position: [20, 20] });
  card.properties.push({
    name: 'Essential Properties',
    matchName: 'ADBE Layer Overrides',
    children: [
      { name: 'Colour', matchName: 'ADBE Layer Overrides/Colour', valueType: 'color', value: [0, 0, 1, 1] },
    ],
  });
  const comp = build.comp('main', {
    width: 64,
    height: 48,
    duration: 1,
    layers: [
      layerOf('null', 'guide', null, { id: 9, position: [40, 0], anchor: [0, 0] }),
      moved,
      card,
      footageLayer(green, { anchor: [0, 0], position: [50, 30], guide: true }),
      footageLayer(green, { anchor: [0, 0], position: [0, 40] }),
    ],
  });
  const position = comp.layers.at(-1)?.properties.flatMap(({ children }) => children ?? []);
  const last = position?.find(({ matchName }) => matchName === 'ADBE Position');
  assert.ok(last);
  last.expression = '[value[0] + time * 100, value[1]]';
  const { dir, args } = place(t, build.project);
  const at = (x: number, y: number) => pngPixel(join(dir, 'f_10.png'), x, y);
  const drawn = await run(dir, args('f_[##].png', 'PNG Sequence', '-s', '10', '-e', '10'));
  assert.equal(drawn.code, 0, drawn.lines.join('\n'));
  assert.deepEqual(await at(44, 4), [255, 255, 255, 255], 'moved by its parent');
  assert.deepEqual(await at(24, 24), [0, 0, 255, 255], 'the essential property');
  assert.deepEqual(await at(54, 34), [0, 0, 0, 255], 'guide layers are not rendered');
  assert.deepEqual(await at(44, 44), [0, 255, 0, 255], 'moved by its expression');
  moved.solo = true;
  writeProject(join(dir, 'project.aep'), build.project);
  await run(dir, args('f_[##].png', 'PNG Sequence', '-s', '10', '-e', '10'));
  assert.deepEqual(await at(44, 4), [255, 255, 255, 255], 'solo');
  assert.deepEqual(await at(24, 24), [0, 0, 0, 255], 'not solo');
});

test('a video moves, and what is remapped in time starts over', async (t) => {
  const { dir, args } = place(t, movingProject());
  await run(dir, args('bar.avi', 'Lossless'));
  const build = new ProjectBuilder();
  const video = build.file('bar', join(dir, 'bar.avi'), { width: 64, height: 48, duration: 0.4 });
  const layer = footageLayer(video, { timeRemapEnabled: true });
  layer.properties.push({
    name: 'Time Remap',
    matchName: 'ADBE Time Remapping',
    keyframes: [
      { time: 0, value: 0 },
      { time: 0.4, value: 0.4 },
    ],
    expression: 'loopOut("cycle")',
  });
  build.comp('main', { width: 64, height: 48, duration: 0.8, layers: [layer] });
  writeProject(join(dir, 'project.aep'), build.project);
  const { code, lines } = await run(dir, args('f_[##].png', 'PNG Sequence'));
  assert.equal(code, 0, lines.join('\n'));
  const left = async (frame: string) => (await pngPixel(join(dir, `f_${frame}.png`), 10, 2))[0] ?? 0;
  assert.ok((await left('00')) > 200, 'the bar is at the left');
  assert.ok((await left('09')) < 50, 'it has moved');
  assert.ok((await left('11')) > 200, 'it is back');
  layer.timeRemapEnabled = false;
  video.loop = 2;
  const vertices: [number, number][] = [
    [0, 0],
    [64, 0],
    [64, 24],
    [0, 24],
  ];
  layer.properties.push({
    name: 'Masks',
    matchName: 'ADBE Mask Parade',
    children: [
      {
        name: 'Mask 1',
        matchName: 'ADBE Mask Atom',
        children: [
          {
            name: 'Mask Path',
            matchName: 'ADBE Mask Shape',
            valueType: 'shape',
            value: { shape: 'rectangle', size: [64, 24], vertices },
          },
        ],
      },
    ],
  });
  writeProject(join(dir, 'project.aep'), build.project);
  await run(dir, args('f_[##].png', 'PNG Sequence'));
  assert.ok((await left('10')) > 200, 'it is looped');
  assert.ok((await left('19')) < 50, 'and moves on');
  assert.deepEqual((await pngPixel(join(dir, 'f_10.png'), 10, 30)).slice(0, 3), [0, 0, 0], 'masked out');
});
