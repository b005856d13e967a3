import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AepLayer } from '../../src/bundle/aep/aep-project.ts';
import { inspectProject } from '../../src/bundle/aep/inspect-project.ts';
import { AEP_LIMITS } from '../../src/bundle/aep/rifx.ts';
import { cosString, scanCos } from '../../src/bundle/aep/scan-cos.ts';
import {
  aepFile,
  chunk,
  compositionItem,
  folderItem,
  footageItem,
  layer,
  list,
  rifx,
  textData,
  versionChunk,
} from '../helpers/rifx-writer.ts';

const plain = {
  sourceId: null,
  sourceName: null,
  enabled: true,
  solo: false,
  shy: false,
  locked: false,
  guide: false,
  adjustment: false,
  threeD: false,
  text: null,
  fonts: [],
  effects: [],
};

/** The layers of a composition, among footage 11 (solid), 12 (placeholder), 13 (file) and composition 14. */
async function layersOf(...layers: Buffer[]): Promise<readonly AepLayer[]> {
  const project = await inspectProject(
    aepFile([
      compositionItem({ id: 10, layers }),
      footageItem({ id: 11, solid: { name: 'Red' } }),
      footageItem({ id: 12, placeholder: 'Logo' }),
      footageItem({ id: 13, path: 'C:\\media\\a.mov' }),
      compositionItem({ id: 14, name: 'Inner' }),
    ]),
  );
  return project.compositions[0]?.layers ?? [];
}

test('a project is read whole: folders, compositions, precompositions, footage, fonts, effects', async () => {
  const project = await inspectProject(
    aepFile([
      folderItem({ id: 1, name: 'Komps «ü»' }, [
        folderItem({ id: 2, name: '内' }, [
          compositionItem({
            id: 3,
            name: 'Inner',
            width: 640,
            height: 360,
            fps: 23.976,
            duration: [25_025, 1000],
          }),
        ]),
        compositionItem({
          id: 4,
          name: 'Main 🎬',
          fps: 29.97,
          duration: [71_338, 1000],
          layers: [
            layer({
              name: 'Title',
              type: 3,
              text: textData(
                'Grüße (1) \\o/\rzwei\u0003drei',
                ['Inter-Bold'],
                ['AdobeInvisFont', 'Myriad-Roman'],
              ),
              effects: [
                { matchName: 'ADBE Fill', name: 'Füllung' },
                { matchName: 'Pseudo/1', name: 'Menu', renamed: 'Größe' },
              ],
            }),
            layer({ sourceId: 3 }),
            layer({ sourceId: 5, name: 'background', flags: [] }),
          ],
        }),
      ]),
      footageItem({ id: 5, path: '/Users/a/art/Bühne.png', ascend: [2, 2], width: 4000, height: 3000 }),
      footageItem({ id: 6, name: 'seq', path: 'D:\\renders\\seq', isSequence: true }),
    ]),
  );
  assert.deepEqual(project, {
    version: '23.5.0x52',
    platform: 'windows',
    folders: [
      { id: 1, name: 'Komps «ü»', folder: null },
      { id: 2, name: '内', folder: 1 },
    ],
    compositions: [
      {
        id: 3,
        name: 'Inner',
        folder: 2,
        width: 640,
        height: 360,
        fps: 23.976,
        durationSeconds: 25.025,
        layers: [],
      },
      {
        id: 4,
        name: 'Main 🎬',
        folder: 1,
        width: 1920,
        height: 1080,
        fps: 29.97,
        durationSeconds: 71.338,
        layers: [
          {
            ...plain,
            index: 1,
            name: 'Title',
            kind: 'text',
            text: 'Grüße (1) \\o/\nzwei\ndrei',
            fonts: ['Inter-Bold'],
            effects: [
              { matchName: 'ADBE Fill', name: 'Füllung' },
              { matchName: 'Pseudo/1', name: 'Größe' },
            ],
          },
          { ...plain, index: 2, name: 'Inner', kind: 'composition', sourceId: 3, sourceName: 'Inner' },
          {
            ...plain,
            index: 3,
            name: 'background',
            kind: 'footage',
            sourceId: 5,
            sourceName: 'Bühne.png',
            enabled: false,
          },
        ],
      },
    ],
    footage: [
      {
        id: 5,
        name: 'Bühne.png',
        folder: null,
        kind: 'file',
        path: '/Users/a/art/Bühne.png',
        relativePath: '../art/Bühne.png',
        isSequence: false,
        width: 4000,
        height: 3000,
        color: null,
      },
      {
        id: 6,
        name: 'seq',
        folder: null,
        kind: 'file',
        path: 'D:\\renders\\seq',
        relativePath: null,
        isSequence: true,
        width: 640,
        height: 360,
        color: null,
      },
    ],
    fonts: [
      { name: 'AdobeInvisFont', used: false },
      { name: 'Inter-Bold', used: true },
      { name: 'Myriad-Roman', used: false },
    ],
    effects: ['ADBE Fill', 'Pseudo/1'],
  });
});

test('every kind of layer is told apart', async () => {
  const layers = await layersOf(
    layer({ type: 1 }),
    layer({ type: 2 }),
    layer({ type: 3 }),
    layer({ type: 4 }),
    layer({ type: 5 }),
    layer({ type: 77 }),
    layer({ sourceId: 11 }),
    layer({ sourceId: 12 }),
    layer({ sourceId: 13 }),
    layer({ sourceId: 14 }),
    layer({ sourceId: 99 }),
    layer({ sourceId: 11, flags: ['null', 'adjustment'] }),
    layer({ sourceId: 11, flags: ['adjustment'] }),
    layer({ type: 4, flags: ['adjustment'] }),
  );
  assert.deepEqual(
    layers.map(({ index, kind, name }) => `${index} ${kind} ${name}`.trim()),
    [
      '1 light',
      '2 camera',
      '3 text',
      '4 shape',
      '5 model',
      '6 unknown',
      '7 solid Red',
      '8 footage Logo',
      '9 footage a.mov',
      '10 composition Inner',
      '11 unknown',
      '12 null Red',
      '13 adjustment Red',
      '14 shape',
    ],
  );
  assert.equal(layers[10]?.sourceId, null, 'a source that is not there is none');
  assert.equal(layers[13]?.adjustment, true);
});

test('each switch of a layer is its own', async () => {
  const switches = ['enabled', 'solo', 'shy', 'locked', 'guide', 'adjustment', 'threeD'] as const;
  const layers = await layersOf(...switches.map((flag) => layer({ type: 4, flags: [flag] })));
  for (const [at, flag] of switches.entries()) {
    assert.deepEqual(
      switches.filter((name) => layers[at]?.[name]),
      [flag],
    );
  }
});

test('frame rates are those that After Effects shows', async () => {
  const rates = [23.976, 24, 25, 29.97, 30, 50, 59.94, 60, 12.5, 119.88, 99];
  const { compositions } = await inspectProject(
    aepFile(rates.map((fps, at) => compositionItem({ id: at + 1, fps, duration: [1001 * 10, 24_000] }))),
  );
  assert.deepEqual(
    compositions.map(({ fps }) => fps),
    rates,
  );
  assert.equal(compositions[0]?.durationSeconds, 0.417083);
});

test('versions are read in both halves of the major number', async () => {
  for (const [made, version, platform] of [
    [{ major: 15, minor: 1, patch: 1, build: 12, system: 13 }, '15.1.1x12', 'macos'],
    [{ major: 25, minor: 6, patch: 0, build: 101, system: 14 }, '25.6.0x101', 'macos'],
    [{ major: 16, minor: 0, build: 235, system: 12 }, '16.0.0x235', 'windows'],
    [{ major: 17, minor: 0, build: 45, system: 13, bit30: true }, '17.0.0x45', 'macos'],
    [{ system: 3 }, '23.5.0x52', null],
  ] as const) {
    const project = await inspectProject(aepFile([], versionChunk(made)));
    assert.deepEqual([project.version, project.platform], [version, platform]);
  }
  const nameless = await inspectProject(rifx(list('Fold')));
  assert.deepEqual([nameless.version, nameless.compositions], [null, []]);
});

test('solids and placeholders have their name, in UTF-8 or the old code page, and their colour', async () => {
  const { footage } = await inspectProject(
    aepFile([
      footageItem({ id: 1, solid: { name: 'Fläche', color: [1, 0.5, 0] } }),
      footageItem({ id: 2, solid: { name: Buffer.from('Fläche', 'latin1') } }),
      footageItem({ id: 3, name: 'Umbenannt', solid: { name: 'Solid 1', color: [Number.NaN, 9, -1] } }),
      footageItem({ id: 4, placeholder: 'Foto' }),
    ]),
  );
  assert.deepEqual(
    footage.map(({ kind, name, color, path }) => [kind, name, color, path]),
    [
      ['solid', 'Fläche', '#ff8000', null],
      ['solid', 'Fläche', '#000000', null],
      ['solid', 'Umbenannt', '#00ff00', null],
      ['placeholder', 'Foto', null, null],
    ],
  );
});

test('odd sizes are padded, text data are not taken for chunks, unknown chunks are passed over', async () => {
  for (const text of ['', 'a', 'ab', 'abc', 'LIST\0\0\0\xffLayr']) {
    const odd = textData(text, ['F']);
    for (const data of [odd, Buffer.concat([odd, Buffer.from(' ')])]) {
      const layers = await layersOf(
        layer({ name: 'odd', type: 3, text: data }),
        layer({ name: 'after', more: [chunk('wXyZ', 'abc'), list('zzzz', chunk('odd ', 'x'))] }),
      );
      assert.deepEqual(
        layers.map((found) => [found.name, found.text]),
        [
          ['odd', text],
          ['after', null],
        ],
      );
    }
  }
});

test('COS strings: escapes, octal numbers, pairs of parentheses, Latin-1 and UTF-16', () => {
  const cos = (raw: string) => cosString(Buffer.from(raw, 'latin1'));
  assert.equal(cos('a\\(b\\)\\\\\\n\\101\\7z'), 'a(b)\\\nA\x07z');
  assert.equal(cos('\xfe\xff\0A\x20\\)'), 'A\u2029');
  assert.equal(cos('\xfe\xff\0A\0'), 'A');
  const seen: string[] = [];
  const problem = scanCos(
    Buffer.from('/0 [ (a(b)c) <0a> -1.5 ] /x /name /1 << /2 true >>'),
    (path, start, end) => {
      seen.push(`${path.join('.')}=${start}-${end}`);
    },
  );
  assert.equal(problem, null);
  assert.deepEqual(seen, ['0.0=6-11', '0.1=13-16', '0.2=18-22', '-1=28-33', '1.2=43-47']);
});

test('COS that makes no sense is refused with the place', () => {
  const at = (text: string) => scanCos(Buffer.from(text), () => undefined)?.at;
  assert.deepEqual(
    ['/0', '/0 [', '/0 (a', '/0 << /1 >>', '/0 [ >>', ']', '0 1', '/0 (a\\)', '/0 <00'].map(at),
    [2, 4, 3, 9, 5, 0, 0, 3, 3],
  );
  assert.equal(
    scanCos(Buffer.from(`/0 ${'['.repeat(100_000)}`), () => undefined)?.reason,
    'nested more than 256 deep',
  );
});

test('a path is read like its bytes; what is no file is said', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-aep-'));
  try {
    const path = join(directory, 'ä.aep');
    const bytes = aepFile([compositionItem({ id: 1, name: 'A' })]);
    await writeFile(path, bytes);
    assert.deepEqual(await inspectProject(path), await inspectProject(bytes));
    await assert.rejects(inspectProject(directory), { code: 'USAGE', message: /is no file|is a directory/ });
    await assert.rejects(inspectProject(join(directory, 'no.aep')), {
      code: 'USAGE',
      message: /there is no file/,
    });
    await writeFile(path, bytes.subarray(0, 300));
    await assert.rejects(inspectProject(path), {
      code: 'AEP_INVALID',
      message: /^ä\.aep is damaged: chunk "RIFX"/,
    });
    await truncate(path, AEP_LIMITS.fileBytes + 1);
    await assert.rejects(inspectProject(path), { code: 'AEP_INVALID', message: /1073741825 bytes; at most/ });
    const aborted = AbortSignal.abort(new Error('stop'));
    await writeFile(path, bytes);
    await assert.rejects(inspectProject(path, aborted), /stop|abort/i);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
