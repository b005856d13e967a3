import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manifestFromData, parseManifest } from '../../src/bundle/manifest-file.ts';
import { fillPlaceholders, findPlaceholders } from '../../src/bundle/placeholders.ts';

const GOOD = `schema: 1
name: title-card
version: 1.0.0
composition: { width: 1920, height: 1080, fps: 25, duration: 6 }
inputs:
  title:
    type: text
    default: Hello
    maxLength: 40
  accent: { type: color, default: '#ff3366' }
  voice: { type: audio, required: true }
  speed: { type: number, default: 1, min: 0, max: 4 }
  mood: { type: choice, options: [calm, wild], default: calm }
engines:
  lottie:
    file: card.json
    bind:
      - { to: text, input: title, layer: Title }
      - { to: color, input: accent, layer: Bar }
outputs:
  - youtube-1080p
  - { name: small, preset: hd-720p, fps: 12 }
`;

/** The lines of the refusal, without the heading. */
function problemsOf(text: string): string[] {
  try {
    parseManifest(text);
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'TEMPLATE_INVALID', String(error));
    return (error as Error).message.split('\n').filter((line) => !/ has \d+ problems$/.test(line));
  }
  return [];
}

test('a sound manifest is parsed with its defaults', () => {
  const manifest = parseManifest(GOOD);
  assert.equal(manifest.composition.background, '#000000');
  assert.deepEqual(manifest.inputs.title, {
    type: 'text',
    required: false,
    default: 'Hello',
    minLength: 0,
    maxLength: 40,
    multiline: false,
  });
  assert.deepEqual(manifestFromData(JSON.parse(JSON.stringify(manifest)), 'stored'), manifest);
});

test('every problem of the schema is listed with line, column and path', () => {
  const text = GOOD.replace('maxLength: 40', 'maxLen: 40')
    .replace('fps: 25', 'fps: fast')
    .replace('type: color', 'type: colour')
    .replace('name: title-card', 'name: Title Card')
    .replace('    file: card.json\n', '')
    .replace('youtube-1080p', 'youtube-1080')
    .replace('voice:', 'my-voice:')
    .replace('to: text', 'to: txt');
  assert.deepEqual(problemsOf(text), [
    'template.yaml:2:7: name: "Title Card" is not lower-case letters, digits and hyphens, 1 to 63 characters, not starting with a hyphen',
    'template.yaml:4:48: composition.fps: must be a number, not "fast"',
    'template.yaml:9:5: inputs.title.maxLen: there is no such field here; did you mean "maxLength"?',
    'template.yaml:10:19: inputs.accent.type: must be one of text, number, color, boolean, choice, image, audio, video, font, not "colour"; did you mean "color"?',
    'template.yaml:11:3: inputs.my-voice: not a name: a letter, then letters, digits or underscores, at most 63 characters',
    'template.yaml:15:3: engines.lottie.file: is missing (a text)',
    'template.yaml:17:15: engines.lottie.bind[0].to: must be one of text, color, slot, image, visible, opacity, font, not "txt"; did you mean "text"?',
    'template.yaml:20:5: outputs[0]: not a preset; there are: original, youtube-1080p, youtube-2160p, hd-720p, square-1080, portrait-1080x1350, story-1080x1920, web-vp9-1080p, gif-preview, png-still',
  ]);
});

test('one problem is a message of one line, with the details for programs', () => {
  assert.throws(() => parseManifest(GOOD.replace('fps: 25', 'fps: 500')), {
    message: 'template.yaml:4:48: composition.fps: must be at most 240',
    hint: 'templates/MANIFEST.md describes every field; check again with "flatrender template validate"',
    details: {
      file: 'template.yaml',
      problems: [{ path: 'composition.fps', message: 'must be at most 240', line: 4, column: 48 }],
    },
  });
});

const crossChecks: readonly (readonly [string, (text: string) => string, string])[] = [
  [
    'a binding to an input that does not exist',
    (text) => text.replace('input: title', 'input: titel'),
    'template.yaml:18:28: engines.lottie.bind[0].input: there is no input "titel"; did you mean "title"?',
  ],
  [
    'a binding to an input of another type',
    (text) => text.replace('input: title', 'input: voice'),
    'template.yaml:18:28: engines.lottie.bind[0].input: input "voice" is of type audio; text or number or choice is needed here',
  ],
  [
    'a duration from an input that does not exist',
    (text) => text.replace('duration: 6', 'duration: { input: music }'),
    'template.yaml:4:71: composition.duration.input: there is no input "music"',
  ],
  [
    'a duration from an input that may be left out',
    (text) =>
      text.replace('duration: 6', 'duration: { input: voice }').replace('required: true', 'maxBytes: 5'),
    'template.yaml:4:71: composition.duration.input: input "voice" gives the length: make it required, or give it a default',
  ],
  [
    'a default that is too long',
    (text) => text.replace('default: Hello', `default: ${'x'.repeat(41)}`),
    'template.yaml:8:14: inputs.title.default: has 41 characters; at most 40 are allowed',
  ],
  [
    'a default out of range',
    (text) => text.replace('default: 1,', 'default: 5,'),
    'template.yaml:12:35: inputs.speed.default: is 5; at most 4 is allowed',
  ],
  [
    'limits that contradict each other',
    (text) => text.replace('min: 0, max: 4', 'min: 5, max: 4'),
    'template.yaml:12:43: inputs.speed.min: 5 is more than max, 4',
  ],
  [
    'a default that is no option',
    (text) => text.replace('default: calm', 'default: clam'),
    'template.yaml:13:57: inputs.mood.default: must be one of calm, wild, not "clam"; did you mean "calm"?',
  ],
  [
    'an option listed twice',
    (text) => text.replace('[calm, wild]', '[calm, calm]'),
    'template.yaml:13:34: inputs.mood.options: "calm" is listed more than once',
  ],
  [
    'a required input with a default',
    (text) => text.replace('maxLength: 40', 'required: true'),
    'template.yaml:9:15: inputs.title.required: must not be true where there is a default',
  ],
  [
    'two outputs of one name',
    (text) => text.replace('name: small', 'name: youtube-1080p'),
    'template.yaml:22:13: outputs[1].name: there is already an output "youtube-1080p"',
  ],
  [
    'a still after the end',
    (text) => text.replace('fps: 12', 'atSeconds: 6'),
    'template.yaml:22:48: outputs[1].atSeconds: 6 s is after the end: the composition has 6 s',
  ],
];
for (const [title, change, expected] of crossChecks) {
  test(`${title} is refused`, () => {
    const problems = problemsOf(change(GOOD));
    assert.ok(problems.includes(expected), problems.join('\n'));
  });
}

const FFMPEG = GOOD.replace(/ {2}lottie:[\s\S]*?outputs:/, (_) =>
  [
    '  ffmpeg:',
    '    sources:',
    '      - { input: voice }',
    '      - { generate: "color=c=black:s={width}x{height}:r={fps}:d={duration}" }',
    '    graph: "[1]drawtext=textfile={file.title}:fontfile={font:fonts/a.ttf}:fontcolor={input.accent}[video]"',
    '    audio: 0:a',
    'outputs:',
  ].join('\n'),
);

test('a filter graph with known placeholders is sound', () => {
  assert.deepEqual(problemsOf(FFMPEG), []);
});

test('placeholders that are unknown or do not fit are refused', () => {
  const graph = (text: string) =>
    problemsOf(FFMPEG.replace(/graph: .*/, () => `graph: '${text}[video]'`)).map((line) =>
      line.replace(/^.*?: engines\.ffmpeg\./, ''),
    );
  assert.deepEqual(graph('{input.accen} {input.title} {file.speed} {font:../a.ttf} {foo} %{pts} '), [
    'graph: {input.accen}: there is no input "accen"; did you mean "accent"?',
    'graph: {input.title}: input "title" is of type text; number or color or boolean or choice is needed here',
    'graph: {file.speed}: input "speed" is of type number; text is needed here',
    'graph: {font:../a.ttf}: "../a.ttf" is not a path inside the bundle',
    'graph: {foo} is no placeholder; there are {width} {height} {fps} {duration} {input.NAME} {file.NAME} {font:PATH}',
  ]);
  assert.deepEqual(problemsOf(FFMPEG.replace('[video]"', '[picture]"')), [
    'template.yaml:15:3: engines.ffmpeg.video: the graph has no output [video]',
  ]);
  assert.match(problemsOf(FFMPEG.replace('required: true', 'maxBytes: 5')).join(), /add "otherwise"/);
});

test('placeholders are found and filled in order', () => {
  const text = 'a{width}b%{pts}{file.x}{}c';
  assert.deepEqual(
    findPlaceholders(text).map((found) => [found.text, found.placeholder.kind]),
    [
      ['{width}', 'value'],
      ['{file.x}', 'file'],
      ['{}', 'unknown'],
    ],
  );
  assert.equal(
    fillPlaceholders(text, ({ start }) => `<${start}>`),
    'a<1>b%{pts}<15><23>c',
  );
});

test('what is no YAML, no manifest, or hostile is refused with its place', () => {
  assert.match(problemsOf('a: [1, 2').join(), /^template\.yaml:1:\d+: not YAML: /);
  assert.match(problemsOf('a: 1\na: 2').join(), /^template\.yaml:2:1: the field "a" is there twice/);
  assert.deepEqual(problemsOf(''), ['template.yaml:1:1: is empty']);
  assert.deepEqual(problemsOf('- 1'), ['template.yaml:1:1: must be a group of fields, not a list']);
  assert.match(problemsOf('x'.repeat(2_000_000)).join(), /is longer than 262144 characters/);
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x,x]'];
  for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef']) {
    bomb.push(`${to}: &${to} [${Array(10).fill(`*${from}`).join(',')}]`);
  }
  assert.match(problemsOf(bomb.join('\n')).join(), /Excessive alias count/);
  assert.match(problemsOf(`${GOOD}__proto__: { polluted: 1 }\n`).join(), /__proto__/);
});

test('a manifest made to keep the parser busy is refused quickly, with a message that can be read', () => {
  const numbered = (line: (n: number) => string) =>
    Array.from({ length: 8000 }, (_, n) => line(n)).join('\n');
  for (const [text, expected] of [
    ['['.repeat(200_000), /is nested too deeply/],
    [`a: ${'['.repeat(60_000)}${']'.repeat(60_000)}`, /is nested too deeply/],
    [numbered((n) => `k${n}: 1`), /k0: there is no such field here/],
    [numbered((n) => `k${n}: &a${n} x`), /k0: there is no such field here/],
    [numbered((n) => (n === 0 ? 'k: &a x' : `k${n}: *a`)), /has more than 100 aliases/],
    [numbered((n) => `k${n % 10}: 1`), /the field "k0" is there twice/],
    [`${'k'.repeat(200_000)}: 1`, /must be at most 1024 chars/],
    [`${'k'.repeat(1000)}: 1`, /there is no such field here/],
  ] as const) {
    const started = performance.now();
    const lines = problemsOf(text);
    assert.match(lines.join('\n'), expected);
    assert.ok(lines.length <= 100 && lines.join('').length < 20_000, `${lines.length} problems`);
    // Without the limits these take minutes.
    assert.ok(performance.now() - started < 20_000);
  }
});
