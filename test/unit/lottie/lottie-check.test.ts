import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readManifest } from '../../../src/bundle/read-manifest.ts';
import { checkLottie, checkLottieBundle } from '../../../src/engines/lottie/check.ts';
import { parseLottie } from '../../../src/engines/lottie/lottie-json.ts';
import { packageRoot } from '../../../src/lib/paths.ts';
import {
  lottieSection,
  sampleFill,
  sampleFonts,
  sampleLayer,
  sampleLottie,
  sampleShape,
  sampleText,
} from '../../helpers/lottie-sample.ts';

const found = (lottie: ReturnType<typeof sampleLottie>, section = {}, context = {}) =>
  checkLottie(lottie, lottieSection(section), context).map(
    ({ code, severity, message }) => `${severity} ${code}: ${message}`,
  );

test('a plain file has no problems', () => {
  const lottie = sampleLottie({ layers: [sampleShape('Bar', [sampleFill('Fill', [1, 0, 0, 1])])] });
  assert.deepEqual(found(lottie), []);
});

test('expressions are found wherever they are, and their layers named', () => {
  const bar = sampleShape('Bar', [
    { ...sampleFill('Fill', [1, 0, 0]), o: { a: 0, k: 100, x: 'var $bm_rt = 5;' } },
  ]);
  const lottie = sampleLottie({
    layers: [bar, sampleLayer(0, 'Comp', { refId: 'c' })],
    assets: [{ id: 'c', layers: [sampleLayer(1, 'Deep', { ks: { r: { a: 0, k: 0, x: 'time * 10' } } })] }],
  });
  const [line] = found(lottie);
  assert.match(line ?? '', /^error LOTTIE_EXPRESSIONS: 2 properties .*; layers: "Bar", "Comp\/Deep"$/);
});

test('the x axis of a separated position is no expression', () => {
  const p = { s: true, x: { a: 0, k: 10 }, y: { a: 0, k: 20 } } as never;
  assert.deepEqual(found(sampleLottie({ layers: [sampleLayer(1, 'Solid', { ks: { p } })] })), []);
});

for (const [what, layer] of [
  ['the effect "ADBE Wave Warp"', { ef: [{ ty: 5, nm: 'Wave', mn: 'ADBE Wave Warp', ef: [{}] }] }],
  ['layer style "Bevel"', { sy: [{ ty: 5, nm: 'Bevel' }] }],
  ['mask mode "d"', { masksProperties: [{ mode: 'd' }] }],
  ['blend mode 99', { bm: 99 }],
  ['shape element "zz"', { shapes: [{ ty: 'gr', it: [{ ty: 'zz' }] }] }],
] as const) {
  test(`${what} is refused`, () => {
    const lottie = sampleLottie({ layers: [sampleLayer(4, 'Box', layer as never)] });
    assert.deepEqual(found(lottie), [
      `error LOTTIE_UNSUPPORTED: layer "Box" uses ${what}, which is not drawn`,
    ]);
  });
}

test('what is hidden or switched off is not refused; controls for expressions are nothing to draw', () => {
  const layers = [
    sampleLayer(4, 'Hidden', { hd: true, bm: 99 }),
    sampleLayer(4, 'Off', { ef: [{ ty: 5, mn: 'ADBE Wave Warp', en: 0 }] }),
    sampleLayer(4, 'Control', {
      ef: [
        { ty: 5, mn: 'ADBE Slider Control' },
        { ty: 5, mn: 'Pseudo/Mine' },
      ],
    }),
    sampleLayer(4, 'Drawn', { ef: [{ ty: 29, mn: 'ADBE Gaussian Blur 2' }, { ty: 21 }] }),
  ];
  assert.deepEqual(found(sampleLottie({ layers })), []);
});

test('a video layer is refused; a sound layer unless the template names a sound track', () => {
  const lottie = sampleLottie({ layers: [sampleLayer(9, 'Clip'), sampleLayer(6, 'Music')] });
  assert.equal(found(lottie).length, 2);
  assert.deepEqual(found(lottie, { audio: 'music.mp3' }), [
    'error LOTTIE_UNSUPPORTED: layer "Clip" uses a video, which is not drawn',
  ]);
});

test('a font without a file is refused with its layers; empty text needs none', () => {
  const layers = [
    sampleText('Title', [{}]),
    sampleText('Line', [{}]),
    sampleText('Empty', [{ t: ' ', f: 'Serif' }]),
  ];
  const lottie = sampleLottie({ layers, fonts: sampleFonts('Sans', 'Serif') });
  assert.deepEqual(found(lottie, {}, { fonts: new Map() }), [
    'error FONT_MISSING: no file for the font "Sans" of "Title", "Line"',
  ]);
});

test('an image that the bundle does not have is refused, a path out of the bundle as well', () => {
  const image = (p: string) =>
    sampleLottie({
      layers: [sampleLayer(2, 'Logo', { refId: 'i' })],
      assets: [{ id: 'i', w: 9, h: 9, u: 'images/', p }],
    });
  const hasFile = (path: string) => path === 'images/a.png';
  assert.deepEqual(found(image('a.png'), {}, { hasFile }), []);
  assert.deepEqual(found(image('b.png'), {}, { hasFile }), [
    'error TEMPLATE_INVALID: the bundle has no images/b.png, which the image i shows',
  ]);
  assert.match(found(image('../../../etc/passwd'), {}, { hasFile })[0] ?? '', /not a file of the bundle/);
  assert.match(found(image('C:\\secret.png'), {}, { hasFile })[0] ?? '', /not a file of the bundle/);
});

test('another shape or length than the composition is told, not refused', () => {
  const composition = { width: 100, height: 100, fps: 25, duration: 60, background: '#000000' };
  const lines = found(sampleLottie({}), {}, { composition });
  assert.deepEqual(
    lines.map((line) => line.split(':')[0]),
    ['warning TEMPLATE_INVALID', 'warning TEMPLATE_INVALID'],
  );
});

test('the check does not change the file it is given', () => {
  const lottie = sampleLottie({ layers: [sampleText('Title', [{ t: 'a\nb' }])] });
  const before = structuredClone(lottie);
  checkLottie(lottie, lottieSection({ bind: [{ to: 'text', input: 'value', layer: 'Title' }] }));
  assert.deepEqual(lottie, before);
});

test('the starter template has no problems and no warnings', async () => {
  const directory = join(packageRoot(), 'templates', 'video', 'title-card');
  assert.deepEqual(await checkLottieBundle(directory, await readManifest(directory)), []);
});

for (const [why, text] of [
  ['it is not JSON', '{"layers": ['],
  ['it has no "layers"', '[1, 2]'],
  ['"fr" is not a number', '{"layers":[],"w":1,"h":1,"ip":0,"op":1}'],
  ['it ends (0) before it starts (5)', '{"layers":[],"w":1,"h":1,"fr":25,"ip":5,"op":0}'],
  ['its frame rate is 0', '{"layers":[],"w":1,"h":1,"fr":0,"ip":0,"op":5}'],
  ['one of its layers has no type', '{"layers":[{"nm":"x"}],"w":1,"h":1,"fr":1,"ip":0,"op":5}'],
  [
    'the composition a contains itself',
    '{"layers":[{"ty":0,"refId":"a"}],"assets":[{"id":"a","layers":[{"ty":0,"refId":"a"}]}],"w":1,"h":1,"fr":1,"ip":0,"op":5}',
  ],
  [
    'it is nested more than 400 deep',
    `{"layers":[],"w":1,"h":1,"fr":1,"ip":0,"op":5,"x":${'['.repeat(5000)}${']'.repeat(5000)}}`,
  ],
] as const) {
  test(`a file is refused because ${why}`, () => {
    assert.throws(
      () => parseLottie(text, 'a.json'),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'LOTTIE_INVALID');
        assert.equal(error.message, `a.json is not a usable Lottie file: ${why}`);
        return true;
      },
    );
  });
}
