import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  movieModule,
  sequenceModule,
  soundModule,
} from '../../../src/engines/aerender/render/output-modules.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';

/** As a fresh After Effects 2024 lists them. */
const FRESH = [
  'AIFF 48kHz',
  'Alpha Only',
  'H.264 - Match Render Settings - 15 Mbps',
  'High Quality',
  'High Quality with Alpha',
  'Lossless',
  'Lossless with Alpha',
  'Multi-Machine Sequence',
  'TIFF Sequence with Alpha',
  '_HIDDEN X-Factor 8 Premul',
];

test('of the templates that are there the fitting one is taken', () => {
  const wish = { wanted: null, available: FRESH };
  assert.equal(sequenceModule(wish), 'TIFF Sequence with Alpha');
  assert.equal(sequenceModule({ ...wish, available: [...FRESH, 'PNG Sequence'] }), 'PNG Sequence');
  assert.equal(movieModule(wish, false), 'Lossless');
  assert.equal(movieModule(wish, true), 'H.264 - Match Render Settings - 15 Mbps');
  assert.equal(movieModule({ ...wish, available: ['Lossless', 'High Quality'] }, true), 'Lossless');
  assert.equal(soundModule(wish), 'AIFF 48kHz');
});

test('templates in other languages are found by what their names keep', () => {
  const german = ['AIFF 48 kHz', 'H.264 - Renderingeinstellungen', 'TIFF-Sequenz mit Alpha', 'Verlustfrei'];
  assert.equal(sequenceModule({ wanted: null, available: german }), 'TIFF-Sequenz mit Alpha');
  assert.equal(movieModule({ wanted: null, available: german }, false), 'H.264 - Renderingeinstellungen');
  assert.equal(soundModule({ wanted: null, available: german }), 'AIFF 48 kHz');
  const chinese = ['带有 Alpha 的 TIFF 序列 '];
  assert.equal(sequenceModule({ wanted: null, available: chinese }), chinese[0]);
});

test('a name that was asked for is taken as it is, or refused with those that are there', () => {
  assert.equal(sequenceModule({ wanted: 'My PNGs', available: [...FRESH, 'My PNGs'] }), 'My PNGs');
  // After Effects would not list its templates: it will say itself.
  assert.equal(sequenceModule({ wanted: 'My PNGs', available: [] }), 'My PNGs');
  assert.equal(sequenceModule({ wanted: null, available: [] }), 'TIFF Sequence with Alpha');
  for (const [choose, expected] of [
    [
      () => movieModule({ wanted: 'Losless', available: FRESH }, false),
      /"Losless"; there are: "AIFF 48kHz", /,
    ],
    [() => soundModule({ wanted: null, available: ['Lossless'] }), /sound alone .*there are: "Lossless"/],
  ] as const) {
    assert.throws(
      choose,
      (error: unknown) =>
        error instanceof FlatrenderError &&
        error.code === 'AE_OUTPUT_MODULE_NOT_FOUND' &&
        expected.test(error.message) &&
        error.retryable,
    );
  }
});
