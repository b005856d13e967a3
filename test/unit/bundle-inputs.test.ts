import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { assetsOf, engineInputs } from '../../src/bundle/engine-inputs.ts';
import { checkInputs } from '../../src/bundle/inputs.ts';
import { manifestFromData } from '../../src/bundle/manifest-file.ts';
import { defaultOutputs, outputNames, resolveOutput } from '../../src/bundle/resolve-output.ts';
import { closest } from '../../src/lib/did-you-mean.ts';
import { OutputSpec } from '../../src/protocol/jobs.ts';

const manifest = manifestFromData(
  {
    schema: 1,
    name: 'card',
    version: '1.2.0',
    composition: { width: 1920, height: 1080, fps: 25, duration: 6, background: '#112233' },
    inputs: {
      title: { type: 'text', required: true, maxLength: 8 },
      notes: { type: 'text', multiline: true, minLength: 2, default: 'ab' },
      size: { type: 'number', min: 1, max: 10, integer: true, default: 3 },
      tint: { type: 'color', default: '#FF0000' },
      loud: { type: 'boolean', default: false },
      mood: { type: 'choice', options: ['calm', 'wild'], default: 'calm' },
      logo: { type: 'image', default: 'img/logo.png', maxBytes: 1000 },
      voice: { type: 'audio' },
    },
    engines: { mock: {} },
    outputs: [
      'youtube-1080p',
      { name: 'tiny', width: 101, quality: 30 },
      { name: 'loop', container: 'gif', height: 99, durationSeconds: 2 },
    ],
  },
  'card',
);
const asset = (name: string, sizeBytes = 10) => ({ asset: 'a'.repeat(64), name, sizeBytes });

/** The problems by input, or nothing when the values are taken. */
function problems(given: Record<string, unknown>): Record<string, string> {
  try {
    checkInputs(manifest, { title: 'x', ...given });
    return {};
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'INPUT_INVALID', String(error));
    const { details } = error as { details: { problems: { input: string; message: string }[] } };
    return Object.fromEntries(details.problems.map(({ input, message }) => [input, message]));
  }
}

test('defaults are filled in, and files of the bundle are left to the node', () => {
  assert.deepEqual(checkInputs(manifest, { title: 'Hi', tint: '#ABCDEF', notes: 'a\r\nb' }), {
    title: 'Hi',
    notes: 'a\nb',
    size: 3,
    tint: '#abcdef',
    loud: false,
    mood: 'calm',
  });
});

test('every problem is named at once', () => {
  assert.throws(
    () =>
      checkInputs(manifest, { titel: 'x', size: '5', mood: 'clam', tint: 'red', loud: 1, logo: 'logo.png' }),
    {
      code: 'INPUT_INVALID',
      message: [
        'template card@1.2.0: 7 inputs are wrong',
        'input "title" is required (a text)',
        'input "size" must be a number, not "5"',
        'input "tint" must be a colour such as #ff3366, not "red"',
        'input "loud" must be true or false, not 1',
        'input "mood" must be one of calm, wild, not "clam"; did you mean "calm"?',
        'input "logo" must be an image, not "logo.png"',
        'input "titel" there is no such input; did you mean "title"?',
      ].join('\n'),
      hint: 'run "flatrender template show card@1.2.0" to see its inputs and their limits',
    },
  );
});

test('lengths are counted in characters as people see them', () => {
  assert.deepEqual(problems({ title: '👨‍👩‍👧‍👦'.repeat(8) }), {});
  assert.deepEqual(problems({ title: 'é'.repeat(8) }), {});
  assert.deepEqual(problems({ title: '🇩🇪'.repeat(9) }), { title: 'has 9 characters; at most 8 are allowed' });
  assert.deepEqual(problems({ notes: '👍🏽' }), { notes: 'has 1 character; at least 2 are needed' });
});

test('control characters, line breaks in one line and half characters are refused', () => {
  assert.deepEqual(problems({ title: 'a\nb' }), {
    title: 'contains a line break at position 2; none allowed',
  });
  assert.deepEqual(problems({ title: 'a\0' }), {
    title: 'contains the control character U+0000 at position 2; none allowed',
  });
  assert.deepEqual(problems({ notes: 'a\n\tb' }), {
    notes: 'contains the control character U+0009 at position 3; only line breaks allowed',
  });
  assert.deepEqual(problems({ title: '\u0085' }), {
    title: 'contains the control character U+0085 at position 1; none allowed',
  });
  assert.deepEqual(problems({ title: 'ab\ud83d' }), {
    title: 'contains half of a character (a lone surrogate) at position 3',
  });
});

test('numbers keep to their limits', () => {
  for (const size of [Number.NaN, Number.POSITIVE_INFINITY, null, '3', true]) {
    assert.match(String(problems({ size }).size), /^must be a number, not /);
  }
  assert.deepEqual(problems({ size: 2.5 }), { size: 'must be a whole number, not 2.5' });
  assert.deepEqual(problems({ size: 0 }), { size: 'is 0; at least 1 is allowed' });
  assert.deepEqual(problems({ size: 11 }), { size: 'is 11; at most 10 is allowed' });
});

test('files are checked by size and by what their name says', () => {
  assert.deepEqual(problems({ logo: asset('a.PNG'), voice: asset('b.mp3') }), {});
  assert.deepEqual(problems({ logo: asset('no-extension'), voice: asset('clip.mp4') }), {});
  assert.deepEqual(problems({ logo: asset('song.mp3'), voice: asset('x.exe') }), {
    logo: 'must be an image, not the file "song.mp3"',
    voice: 'must be an audio file, not the file "x.exe"',
  });
  assert.deepEqual(problems({ logo: asset('a.png', 1001) }), {
    logo: 'the file "a.png" has 1001 bytes; at most 1000 are allowed',
  });
  assert.deepEqual(problems({ logo: asset('a.png', 0) }), { logo: 'the file "a.png" is empty' });
  assert.deepEqual(problems({ title: asset('a.txt') }), { title: 'must be a text, not the file "a.txt"' });
});

test('names of the prototype are no inputs', () => {
  const given = JSON.parse('{"title":"x","__proto__":"y","constructor":"z"}');
  assert.throws(
    () => checkInputs(manifest, given),
    /input "__proto__" there is no such input[\s\S]*"constructor"/,
  );
});

test('whatever is given is taken or refused, and what is taken is taken again unchanged', () => {
  const or = <T>(fitting: fc.Arbitrary<T>) =>
    fc.option(fc.oneof({ weight: 6, arbitrary: fitting }, fc.anything()), { nil: undefined });
  const given = fc.record({
    title: fc.oneof({ weight: 6, arbitrary: fc.string({ unit: 'grapheme', maxLength: 8 }) }, fc.anything()),
    notes: or(fc.constantFrom('a\r\nb', 'a\rb', '\u00e9\n')),
    size: or(fc.integer({ min: 1, max: 10 })),
    tint: or(fc.constantFrom('#ABCDEF', '#12345678')),
    mood: or(fc.constantFrom('calm', 'wild')),
    logo: or(fc.constant(asset('x.png'))),
  });
  let taken = 0;
  fc.assert(
    fc.property(given, (inputs) => {
      let values: ReturnType<typeof checkInputs>;
      try {
        values = checkInputs(manifest, inputs);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'INPUT_INVALID', String(error));
        return;
      }
      taken += 1;
      assert.deepEqual(checkInputs(manifest, values), values);
    }),
    { numRuns: 300 },
  );
  assert.ok(taken > 20, `only ${taken} were taken: the property says little`);
});

test('engines get data and absolute paths, with the defaults of the bundle', () => {
  const values = { ...checkInputs(manifest, { title: 'Hi' }), voice: asset('v.mp3') };
  const bundleDir = join('/', 'cache', 'card');
  const inputs = engineInputs({
    manifest,
    values,
    bundleDir,
    assetPath: (sha256) => join('/', 'cache', sha256),
  });
  assert.deepEqual(inputs, {
    title: { type: 'text', value: 'Hi' },
    notes: { type: 'text', value: 'ab' },
    size: { type: 'number', value: 3 },
    tint: { type: 'color', value: '#ff0000' },
    loud: { type: 'boolean', value: false },
    mood: { type: 'choice', value: 'calm' },
    logo: { type: 'image', path: join(bundleDir, 'img', 'logo.png') },
    voice: { type: 'audio', path: join('/', 'cache', 'a'.repeat(64)) },
  });
  assert.deepEqual(assetsOf(values), [{ sha256: 'a'.repeat(64), sizeBytes: 10, name: 'v.mp3' }]);
  const missing = { manifest, values, bundleDir, assetPath: () => undefined };
  assert.throws(() => engineInputs(missing), { code: 'INPUT_INVALID', message: /v\.mp3 was not downloaded/ });
  const wrong = { manifest, values: { size: 'x' }, bundleDir, assetPath: () => undefined };
  assert.throws(() => engineInputs(wrong), { code: 'INPUT_INVALID', message: /"size" is a number/ });
});

test('an output is resolved from the manifest, or else from the presets', () => {
  assert.deepEqual(resolveOutput(manifest, 'youtube-1080p'), {
    name: 'youtube-1080p',
    container: 'mp4',
    width: 1920,
    height: 1080,
    fps: 25,
    durationSeconds: 6,
    durationFrom: null,
    atSeconds: null,
    fit: 'contain',
    background: '#112233',
    quality: 18,
  });
  const tiny = resolveOutput(manifest, 'tiny');
  assert.deepEqual([tiny.width, tiny.height, tiny.quality, tiny.container], [100, 56, 30, 'mp4']);
  const loop = resolveOutput(manifest, 'loop');
  assert.deepEqual([loop.width, loop.height, loop.durationSeconds], [176, 99, 2]);
  const gif = resolveOutput(manifest, 'gif-preview');
  assert.deepEqual([gif.width, gif.height, gif.fps], [480, 270, 12]);
  assert.deepEqual(
    defaultOutputs(manifest).map((output) => output.name),
    ['youtube-1080p'],
  );
  for (const name of outputNames(manifest)) OutputSpec.parse(resolveOutput(manifest, name));
});

test('an unknown output is refused with the names there are', () => {
  assert.throws(() => resolveOutput(manifest, 'youtube-1080'), {
    code: 'REQUEST_INVALID',
    message: 'template card has no output "youtube-1080"',
    hint: /^did you mean "youtube-1080p"\? there are: youtube-1080p, tiny, loop, original, /,
  });
  assert.throws(() => resolveOutput(manifest, 'toString'), { code: 'REQUEST_INVALID' });
});

test('a length that follows an input stays open until the file is known', () => {
  const open = manifestFromData(
    {
      ...manifest,
      composition: { ...manifest.composition, duration: { input: 'voice' } },
      inputs: { voice: { type: 'audio', required: true } },
    },
    'open',
  );
  const spec = resolveOutput(open, 'youtube-1080p');
  assert.deepEqual([spec.durationSeconds, spec.durationFrom], [null, 'voice']);
  const fixed = resolveOutput(open, 'loop');
  assert.deepEqual([fixed.durationSeconds, fixed.durationFrom], [2, null]);
});

test('the nearest name is found, and none when nothing is near', () => {
  const names = ['title', 'subtitle', 'logoImage', 'maxLength'];
  for (const [word, expected] of [
    ['titel', 'title'],
    ['Title', 'title'],
    ['logoimage', 'logoImage'],
    ['maxLen', 'maxLength'],
    ['zzz', undefined],
  ] as const) {
    assert.equal(closest(word, names), expected, word);
  }
});
