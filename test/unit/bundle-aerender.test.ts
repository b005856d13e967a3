import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifest } from '../../src/bundle/manifest-file.ts';
import { manifestWarnings } from '../../src/bundle/manifest-warnings.ts';

const GOOD = `schema: 1
name: spot
version: 1.0.0
composition: { width: 1920, height: 1080, fps: 25, duration: 6 }
inputs:
  title: { type: text, default: Hello }
  accent: { type: color, default: '#ff3366' }
  photo: { type: image }
  clip: { type: video }
  shape: { type: choice, options: [wide, tall], default: wide }
  badge: { type: boolean, default: true }
engines:
  aerender:
    project: spot.aep
    composition: Main
    bind:
      - { to: text, input: title, layer: Title }
      - { to: footage, input: photo, layer: Photo }
      - { to: color, input: accent, layer: Bar, property: Effects.Fill.Color }
      - { to: visible, input: badge, layer: Badge }
      - { to: source, input: shape, layer: Scene, options: { wide: Scene W, tall: Scene T } }
      - { to: expression, layer: Bar, property: Transform.Opacity, expression: 'wiggle(1, 5)' }
outputs: [youtube-1080p]
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

const binding = (text: string) => (manifest: string) =>
  manifest.replace('      - { to: expression', `      - ${text}\n      - { to: expression`);

test('a sound After Effects section is parsed with its defaults', () => {
  const section = parseManifest(GOOD).engines.aerender;
  assert.deepEqual(
    [section?.mode, section?.missingFonts, section?.missingFootage, section?.bind.length],
    ['sequence', 'refuse', 'refuse', 6],
  );
});

const PLACE = 'template.yaml:\\d+:\\d+: engines\\.aerender\\.';
const refusals: readonly (readonly [string, (text: string) => string, string])[] = [
  [
    'a binding to an input that does not exist',
    (text) => text.replace('input: title', 'input: titel'),
    'template.yaml:17:28: engines.aerender.bind[0].input: there is no input "titel"; did you mean "title"?',
  ],
  [
    'a binding to an input of another type',
    (text) => text.replace('input: photo', 'input: badge'),
    'template.yaml:18:31: engines.aerender.bind[1].input: input "badge" is of type boolean; image or audio or video is needed here',
  ],
  [
    'a text colour from an input of another type',
    (text) => text.replace('layer: Title', 'layer: Title, color: { input: photo }'),
    'template.yaml:17:65: engines.aerender.bind[0].color.input: input "photo" is of type image; color is needed here',
  ],
  [
    'a project in XML',
    (text) => text.replace('spot.aep', 'spot.aepx'),
    'template.yaml:14:14: engines.aerender.project: "spot.aepx" is an .aepx; save it as .aep in After Effects (File > Save As)',
  ],
  [
    'a project that is none',
    (text) => text.replace('spot.aep', 'spot.mogrt'),
    'template.yaml:14:14: engines.aerender.project: "spot.mogrt" is no After Effects project (.aep)',
  ],
  [
    'footage without a place',
    (text) => text.replace(', layer: Photo', ''),
    'template.yaml:18:9: engines.aerender.bind[1]: needs "layer" (one layer) or "item" (wherever the project shows it)',
  ],
  [
    'footage with two places',
    (text) => text.replace('layer: Photo', 'layer: Photo, item: photo.jpg'),
    'template.yaml:18:52: engines.aerender.bind[1].item: stands beside "layer": give one of them',
  ],
  [
    'a project item in a composition',
    (text) => text.replace('layer: Photo', 'item: photo.jpg, composition: Main'),
    'template.yaml:18:55: engines.aerender.bind[1].composition: is of no use with "item", which is replaced wherever it is used',
  ],
  [
    'a colour by property and by shape',
    (text) => text.replace('Effects.Fill.Color', 'Effects.Fill.Color, shape: Star, stroke: true'),
    'template.yaml:19:79: engines.aerender.bind[2].shape: is of no use with "property", which names one colour',
  ],
  [
    'a choice with an option that the input lacks',
    (text) => text.replace('tall: Scene T', 'tal: Scene T'),
    'template.yaml:21:77: engines.aerender.bind[4].options.tal: input "shape" has no option "tal"; did you mean "tall"?',
  ],
  [
    'a choice that lacks an option of the input',
    (text) => text.replace(', tall: Scene T', ''),
    'template.yaml:21:60: engines.aerender.bind[4].options: the option "tall" of input "shape" has no composition',
  ],
  [
    'a composition by an input that is no choice',
    (text) => text.replace('composition: Main', 'composition: { input: title, options: { a: b } }'),
    'template.yaml:15:27: engines.aerender.composition.input: input "title" is of type text; choice is needed here',
  ],
  [
    'a composition by a choice that may be left out',
    (text) =>
      text
        .replace('composition: Main', 'composition: { input: shape, options: { wide: W, tall: T } }')
        .replace(', default: wide', ''),
    'template.yaml:15:27: engines.aerender.composition.input: input "shape" says what is rendered: make it required, or give it a default',
  ],
  [
    'one place that two inputs change',
    binding('{ to: text, input: shape, layer: Title }'),
    'template.yaml:22:9: engines.aerender.bind[5]: changes the same place as bind[0], which would be without effect',
  ],
  [
    'one property that a colour and a value change',
    binding('{ to: property, input: badge, layer: Bar, property: Effects.Fill.Color }'),
    'template.yaml:22:9: engines.aerender.bind[5]: changes the same place as bind[2], which would be without effect',
  ],
  [
    'one input twice in one place',
    binding('{ to: footage, input: photo, layer: Photo, fit: cover }'),
    'template.yaml:22:9: engines.aerender.bind[5]: changes the same place as bind[1], which would be without effect',
  ],
  [
    'a font name for two files',
    (text) =>
      text.replace(
        '    bind:',
        '    fonts: [{ file: a.ttf, names: [Inter] }, { file: b.ttf, names: [Inter] }]\n    bind:',
      ),
    'template.yaml:16:68: engines.aerender.fonts[1].names: "Inter" is already a name of a.ttf',
  ],
  [
    'a script that is none',
    (text) => text.replace('    bind:', '    scripts: [run.py]\n    bind:'),
    'template.yaml:16:15: engines.aerender.scripts[0]: "run.py" is no script for After Effects (.jsx)',
  ],
];
for (const [title, change, expected] of refusals) {
  test(`${title} is refused`, () => {
    const problems = problemsOf(change(GOOD));
    assert.match(expected, new RegExp(`^${PLACE}`));
    assert.ok(problems.includes(expected), problems.join('\n'));
  });
}

test('a place may have two inputs where the second can be left out', () => {
  assert.deepEqual(problemsOf(binding('{ to: footage, input: clip, layer: Photo }')(GOOD)), []);
});

test('inputs that the project does not use are a warning, unless scripts may use them', () => {
  assert.deepEqual(manifestWarnings(parseManifest(GOOD)), [
    'the aerender engine does not use the input "clip"',
  ]);
  const bound = GOOD.replace('layer: Title', 'layer: Title, color: { input: accent }').replace(
    'layer: Photo',
    'item: p.jpg',
  );
  assert.deepEqual(manifestWarnings(parseManifest(bound.replace('  clip: { type: video }\n', ''))), []);
  assert.deepEqual(
    manifestWarnings(parseManifest(GOOD.replace('    bind:', '    scripts: [a.jsx]\n    bind:'))),
    [],
  );
});
